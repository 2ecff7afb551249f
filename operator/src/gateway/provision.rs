//! Makes what a FileGateway asks for: dereference, validate, note the intent, run the steps, write
//! the objects, and say in status how it went.

use crds::FileGateway;
use crds::conditions::{
    ACCEPTED, BUCKET_CONFIGURED, BUCKET_READY, CREDENTIALS_READY, DATABASE_READY, Finding,
    ROUTE_READY, SIGNING_KEY_READY, reason,
};
use futures_util::future::OptionFuture;
use k8s_openapi::jiff::Timestamp;

use super::build::Restarts;
use super::dereference::dereference;
use super::draft::Draft;
use super::error::Error;
use super::former;
use super::hosts;
use super::intend::intend;
use super::look::{self, Look};
use super::outcome::Outcome;
use super::pause;
use super::route;
use super::steps::rotation::Rotated;
use super::steps::{Step, StepError, bucket, credentials, database, signing_key, volume};
use super::update_status::{announce, conditions};
use super::validate::{DatabasePlan, validate};
use super::workload::{self, Workload};
use crate::apply::ApplyError;
use crate::cluster::Rollout;
use crate::context::Context;
use crate::meta::{Owner, database_secret_name};
use crate::secrets;

/// How a pass went.
pub enum Provisioned {
    /// Nothing has to be tried again; there is something to do at a time that may be known.
    Settled(Option<Timestamp>),
    /// Something has to be tried again.
    Failed,
}

/// Makes what the spec asks for, as far as that is possible now.
pub async fn provision(
    context: &Context,
    gateway: &FileGateway,
    owner: &Owner,
) -> Result<Provisioned, Error> {
    let draft = Draft::new(context, gateway, owner);
    let found = dereference(context, gateway, owner).await?;
    let plan = validate(gateway, owner, &found, &context.config.gateway_image);
    let mut plan = match hosts::settle(context, gateway, plan) {
        Ok(plan) => plan,
        Err(refusal) => {
            refuse(context, gateway, &draft, owner, refusal).await?;
            return Ok(Provisioned::Settled(None));
        }
    };
    // Each step sees to it that this is written before it makes anything.
    let before = draft.read().await;
    let intent = draft.intend(|status| intend(status, &plan)).await;
    former::tell(context, gateway, &before, &plan).await;
    plan.former = draft.read().await.former;

    let inputs = look::inputs(context, gateway, &plan);
    let step = Step {
        context,
        gateway,
        plan: &plan,
        draft: &draft,
    };
    let look = look::wanted(&step, inputs.filter(|_| !intent)).await;
    let (mut outcome, workload) = run(&step, &look).await?;
    for (step, reason) in &outcome.failures {
        context.metrics.step_failed(step, reason);
    }
    conclude(context, gateway, &draft, &outcome, workload).await?;
    // After the status, for which nobody is to wait until a server of before has not answered.
    let revocable = match Box::pin(former::revoke(&step, &outcome)).await {
        Ok(revocable) => revocable,
        Err(StepError::Status(error)) => return Err(error),
        Err(error) => {
            tracing::warn!(%error, "could not look whether former servers are still in use");
            outcome.failed = true;
            None
        }
    };
    look::remember(&step, &look, inputs, &outcome).await;
    Ok(if outcome.failed {
        Provisioned::Failed
    } else {
        let next = [look.until(), outcome.rotated.look_at(), revocable];
        Provisioned::Settled(next.into_iter().flatten().min())
    })
}

/// Says why there is no plan. Pods that run already go on, and are still looked at.
async fn refuse(
    context: &Context,
    gateway: &FileGateway,
    draft: &Draft<'_>,
    owner: &Owner,
    refusal: Finding,
) -> Result<(), Error> {
    let mut outcome = Outcome {
        findings: vec![refusal],
        ..Outcome::default()
    };
    let running = workload::find(&context.client, owner)
        .await
        .map_err(StepError::from)
        .map(|found| {
            found.map(|(serve, worker)| {
                let worker = worker.as_ref().map(Rollout::from);
                workload::look(&owner.namespace, &Rollout::from(&serve), worker.as_ref())
            })
        });
    let workload = outcome.note_workload(running)?;
    conclude(context, gateway, draft, &outcome, workload).await
}

/// Writes conditions and counts, and announces what changed.
async fn conclude(
    context: &Context,
    gateway: &FileGateway,
    draft: &Draft<'_>,
    outcome: &Outcome,
    workload: Option<Workload>,
) -> Result<(), Error> {
    let previous = draft.read().await.conditions;
    let conditions = conditions(&previous, &outcome.findings, gateway.metadata.generation);
    draft
        .change(|status| {
            status.observed_generation = gateway.metadata.generation;
            status.conditions = conditions.clone();
            outcome.rotated.note(status);
            if let Some(workload) = workload {
                status.replicas = Some(workload.replicas);
                status.ready_replicas = Some(workload.ready_replicas);
            }
        })
        .await?;
    announce(context, gateway, &previous, &conditions).await;
    pause::resumed(context, gateway, &previous).await;
    Ok(())
}

/// Runs the steps, those outside of the cluster as far as `look` says.
async fn run(step: &Step<'_>, look: &Look) -> Result<(Outcome, Option<Workload>), Error> {
    let mut outcome = Outcome {
        findings: vec![Finding::yes(
            ACCEPTED,
            reason::ACCEPTED,
            "the spec and its class fit together",
        )],
        restarts: look.restarts(),
        ..Outcome::default()
    };
    let prepare = workload::prepare(step.context.cluster(), step.plan);
    let (prepared, settings) = tokio::join!(prepare, look_outside(step, look, &mut outcome));
    let settings = settings?;
    let workload = match prepared {
        Ok(()) => deploy(step, &outcome).await,
        Err(error) => Err(error.into()),
    };
    let workload = outcome.note_workload(workload)?;
    outcome.pods_wait = outcome.failed;
    // Noted after the pods: how the bucket is set up is best effort.
    if let Some(settings) = settings {
        outcome.note(BUCKET_CONFIGURED, settings.map(|finding| (finding, ())))?;
    }
    let reached = reach(step).await.map(|finding| (finding, ()));
    // What is wrong with the way in is looked at again, and keeps no pod from running.
    outcome.failed |= matches!(&reached, Ok((finding, ())) if finding.status == Some(false));
    outcome.note(ROUTE_READY, reached)?;
    Ok((outcome, workload))
}

/// Runs the steps outside of the cluster: those that do not need each other side by side, so that one dead
/// server does not keep the others' work from being done. Answers how the bucket's settings went.
async fn look_outside(
    step: &Step<'_>,
    look: &Look,
    outcome: &mut Outcome,
) -> Result<Option<Result<Finding, StepError>>, Error> {
    // Large ones, which would be on the stack together.
    let (storage, database, signing) = tokio::join!(
        OptionFuture::from(look.storage.then(|| Box::pin(storage(step)))),
        OptionFuture::from(look.database.then(|| Box::pin(catalog(step)))),
        OptionFuture::from(
            look.signing_key
                .then(|| Box::pin(signing_key::ensure(step)))
        ),
    );
    let settings = match storage {
        Some(storage) => storage.note(outcome)?,
        None => None,
    };
    if let Some(database) = database {
        let (restarts, rotated) = outcome.note(DATABASE_READY, database)?.unzip();
        outcome.restarts = restarts;
        outcome.rotated.database_password = rotated.flatten();
    }
    if let Some(signing) = signing {
        outcome.rotated.signing_key = outcome.note(SIGNING_KEY_READY, signing)?;
    }
    Ok(settings)
}

/// Makes callers and Prometheus find the pods.
async fn reach(step: &Step<'_>) -> Result<Finding, StepError> {
    let cluster = step.context.cluster();
    route::monitor(cluster, step.plan).await?;
    // Whose host it is has to be known before anything leads from there.
    step.intent_is_known().await?;
    let finding = route::ensure(cluster, step.plan).await;
    // Of a stranger's object nothing leads here.
    if !matches!(finding, Ok(_) | Err(ApplyError::NotOwned { .. })) {
        return Ok(finding?);
    }
    let host = step.plan.exposure.as_ref().map(|it| it.host.clone());
    let hosts: Vec<String> = host.into_iter().collect();
    // A former one may be had by another as soon as nothing leads from there.
    if step.draft.read().await.hosts != hosts && route::is_cleared(cluster, step.plan).await? {
        step.draft.note(|status| status.hosts = hosts).await;
    }
    Ok(finding?)
}

/// How the steps around the bucket went; those after a failed one are left out.
struct Storage {
    bucket: Result<Finding, StepError>,
    settings: Option<Result<Finding, StepError>>,
    credentials: Option<Result<(Finding, Option<Rotated>), StepError>>,
}

impl Storage {
    /// Answers how the bucket's settings went.
    fn note(self, outcome: &mut Outcome) -> Result<Option<Result<Finding, StepError>>, Error> {
        outcome.note(BUCKET_READY, self.bucket.map(|finding| (finding, ())))?;
        match self.credentials {
            Some(result) => {
                outcome.rotated.access_key = outcome.note(CREDENTIALS_READY, result)?.flatten();
            }
            // A key that was issued before stays good while the bucket can't be looked at.
            None if outcome.conflict => outcome.findings.push(Finding::unknown(
                CREDENTIALS_READY,
                reason::WAITING,
                "the bucket has to be ours first",
            )),
            None => {}
        }
        Ok(self.settings)
    }
}

async fn storage(step: &Step<'_>) -> Storage {
    let bucket = bucket::ensure(step).await;
    // No key before the bucket is known to be ours, and encrypts what is put into it.
    let (settings, credentials) = match bucket {
        Ok(_) => (
            Some(bucket::configure(step).await),
            Some(credentials::ensure(step).await),
        ),
        Err(_) => (None, None),
    };
    Storage {
        bucket,
        settings,
        credentials,
    }
}

async fn catalog(step: &Step<'_>) -> Result<(Finding, (Restarts, Option<Rotated>)), StepError> {
    match &step.plan.database {
        DatabasePlan::PostgreSql { name } => {
            let (finding, found) = database::ensure(step, name).await?;
            let restarts = Restarts {
                database: found.server,
            };
            Ok((finding, (restarts, Some(found.rotated))))
        }
        DatabasePlan::Sqlite {
            size,
            storage_class,
        } => {
            let finding = volume::ensure(step, &size.0, storage_class.as_deref()).await?;
            Ok((finding, (Restarts::default(), None)))
        }
        DatabasePlan::Given { secret, server } => {
            let message = format!("Secret {} names the database", secret.name);
            let finding = Finding::yes(DATABASE_READY, reason::GIVEN, message);
            let restarts = Restarts {
                database: server.hash.clone(),
            };
            Ok((finding, (restarts, None)))
        }
    }
}

/// Writes the Deployments: the first time once every step has succeeded, after that whatever
/// server is down, unless something turned out to be somebody else's.
async fn deploy(step: &Step<'_>, outcome: &Outcome) -> Result<Option<Workload>, StepError> {
    let (client, cluster) = (&step.context.client, step.context.cluster());
    let plan = step.plan;
    let owner = &plan.owner;
    if !outcome.failed
        && let Some(restarts) = &outcome.restarts
    {
        return Ok(Some(workload::run(cluster, plan, restarts).await?));
    }
    let Some((serve, worker)) = workload::find(client, owner).await? else {
        return Ok(None);
    };
    let restarts = match &outcome.restarts {
        Some(restarts) => Some(restarts.clone()),
        // The database can't be looked at now; its server is still the one in the Secret.
        None => secrets::owned(client, owner, &database_secret_name(&owner.name))
            .await?
            .and_then(|secret| database::server_of(&secret))
            .map(|database| Restarts { database }),
    };
    match restarts {
        Some(restarts) if !outcome.conflict => {
            Ok(Some(workload::run(cluster, plan, &restarts).await?))
        }
        _ => Ok(Some(workload::look(
            &owner.namespace,
            &Rollout::from(&serve),
            worker.as_ref().map(Rollout::from).as_ref(),
        ))),
    }
}
