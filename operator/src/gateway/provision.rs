//! Makes what a FileGateway asks for: dereference, validate, write the intent, run the steps, write
//! the objects, and say in status how it went.

use crds::conditions::{
    ACCEPTED, BUCKET_CONFIGURED, BUCKET_READY, CREDENTIALS_READY, DATABASE_READY, Finding,
    ROUTE_READY, SIGNING_KEY_READY, WORKLOAD_AVAILABLE, reason,
};
use crds::{
    BucketStatus, ClassSnapshot, DatabaseStatus, DatabaseType, FileGateway, FileGatewayStatus,
    RotationStatuses,
};
use k8s_openapi::jiff::Timestamp;

use super::build::{self, Restarts};
use super::credentials::CredentialsPlan;
use super::dereference::dereference;
use super::draft::Draft;
use super::error::Error;
use super::pause;
use super::route;
use super::steps::rotation::Rotated;
use super::steps::{Step, StepError, bucket, credentials, database, signing_key, volume};
use super::update_status::{announce, conditions};
use super::validate::{DatabasePlan, Plan, validate};
use super::workload::{self, Workload};
use crate::context::Context;
use crate::meta::{Owner, database_secret_name, selector_text, volume_claim_name};
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
    let draft = Draft::new(&context.client, gateway, owner);
    let found = dereference(context, gateway, owner).await?;
    let plan = match validate(gateway, owner, &found, &context.config.gateway_image) {
        Ok(plan) => plan,
        Err(refusal) => {
            refuse(context, gateway, &draft, owner, refusal).await?;
            return Ok(Provisioned::Settled(None));
        }
    };
    draft.change(|status| intend(status, &plan)).await?;

    let step = Step {
        context,
        gateway,
        plan: &plan,
        draft: &draft,
    };
    let (outcome, workload) = run(&step).await?;
    for (step, reason) in &outcome.failures {
        context.metrics.step_failed(step, reason);
    }
    conclude(context, gateway, &draft, &outcome, workload).await?;
    Ok(if outcome.failed {
        Provisioned::Failed
    } else {
        Provisioned::Settled(outcome.rotated.look_at())
    })
}

/// Says why there is no plan. Pods that run already go on, and are still looked at.
async fn refuse(
    context: &Context,
    gateway: &FileGateway,
    draft: &Draft,
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
            found.map(|(serve, worker)| workload::look(&owner.namespace, &serve, worker.as_ref()))
        });
    let workload = outcome.note_workload(running)?;
    conclude(context, gateway, draft, &outcome, workload).await
}

/// Writes conditions and counts, and announces what changed.
async fn conclude(
    context: &Context,
    gateway: &FileGateway,
    draft: &Draft,
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

/// Writes down what is going to be made, so that no crash can forget it.
fn intend(status: &mut FileGatewayStatus, plan: &Plan) {
    let store = &plan.class.object_store;
    // On another server, what was made on the former says nothing.
    let known = status
        .bucket
        .take()
        .filter(|known| known.name == plan.bucket && known.endpoint == store.endpoint);
    let former = known.as_ref().and_then(|known| known.user.clone());
    let iam = status.class.take().and_then(|class| class.iam);
    let iam = iam.filter(|_| former.is_some());
    status.bucket = Some(BucketStatus {
        name: plan.bucket.clone(),
        endpoint: store.endpoint.clone(),
        region: store.region.clone(),
        created: known.as_ref().is_some_and(|known| known.created),
        creating: known.as_ref().is_some_and(|known| known.creating),
        emptied: None,
        // One of before stays known until it is deleted.
        user: match plan.credentials {
            CredentialsPlan::IamUser => Some(plan.user.clone()),
            _ => former,
        },
    });
    // Keys that nobody stores have no age.
    if let (CredentialsPlan::WebIdentity(_), Some(rotations)) =
        (&plan.credentials, &mut status.rotations)
    {
        rotations.access_key = None;
    }
    let (type_, name, server) = match &plan.database {
        DatabasePlan::PostgreSql { name } => (
            DatabaseType::PostgreSQL,
            name.clone(),
            plan.class
                .database
                .as_ref()
                .map(|server| format!("{}:{}", server.host, server.port)),
        ),
        DatabasePlan::Sqlite { .. } => (
            DatabaseType::SQLite,
            volume_claim_name(&plan.owner.name),
            None,
        ),
        DatabasePlan::Given { secret, server } => (
            DatabaseType::Secret,
            secret.name.clone(),
            Some(format!("{}:{}", server.host, server.port)),
        ),
    };
    let created = status
        .database
        .as_ref()
        .is_some_and(|known| known.created && known.name == name && known.server == server);
    status.database = Some(DatabaseStatus {
        type_,
        name,
        server,
        created,
    });
    status.class = Some(ClassSnapshot {
        // A user of before is deleted where it was made.
        iam: match plan.credentials {
            CredentialsPlan::IamUser => plan.class.iam.clone(),
            _ => iam.or_else(|| plan.class.iam.clone()),
        },
        ..plan.class.clone()
    });
    status.deletion_policy = Some(plan.deletion_policy);
    let owner = &plan.owner;
    status.version = Some(version_of(&plan.image.name));
    status.address = Some(plan.address());
    status.selector = Some(selector_text(&owner.name, build::SERVE));
}

/// The tag or digest of an image; `latest` is what a name without either means.
fn version_of(image: &str) -> String {
    let (name, digest) = image.split_once('@').unwrap_or((image, ""));
    let file = name.rsplit_once('/').map_or(name, |(_, file)| file);
    match file.split_once(':') {
        Some((_, tag)) => tag.into(),
        None if digest.is_empty() => "latest".into(),
        None => digest.into(),
    }
}

/// What the steps found.
#[derive(Default)]
struct Outcome {
    findings: Vec<Finding>,
    failed: bool,
    /// Which, and why.
    failures: Vec<(&'static str, &'static str)>,
    rotated: AllRotated,
    conflict: bool,
}

/// What steps found out about their keys and passwords; a step that failed says nothing.
#[derive(Default)]
struct AllRotated {
    signing_key: Option<Rotated>,
    access_key: Option<Rotated>,
    database_password: Option<Rotated>,
}

impl AllRotated {
    fn note(&self, status: &mut FileGatewayStatus) {
        let mut all = status.rotations.take().unwrap_or_default();
        let said = |found: &Option<Rotated>| found.as_ref().map(|found| found.status.clone());
        all.signing_key = said(&self.signing_key).or(all.signing_key);
        all.access_key = said(&self.access_key).or(all.access_key);
        all.database_password = said(&self.database_password).or(all.database_password);
        status.rotations = (all != RotationStatuses::default()).then_some(all);
    }

    fn look_at(&self) -> Option<Timestamp> {
        [&self.signing_key, &self.access_key, &self.database_password]
            .into_iter()
            .flatten()
            .filter_map(|found| found.look_at)
            .min()
    }
}

impl Outcome {
    /// Notes how a step went; answers its value when it went well.
    fn note<T>(
        &mut self,
        condition: &'static str,
        result: Result<(Finding, T), StepError>,
    ) -> Result<Option<T>, Error> {
        match result {
            Ok((finding, value)) => {
                self.findings.push(finding);
                Ok(Some(value))
            }
            // Nobody may go on without the status.
            Err(StepError::Status(error)) => Err(error),
            Err(error) => {
                self.failed = true;
                self.failures.push((condition, error.reason()));
                self.conflict |= error.is_conflict();
                self.findings.push(error.finding(condition));
                Ok(None)
            }
        }
    }

    /// Notes how the pods do; there may be none yet.
    fn note_workload(
        &mut self,
        result: Result<Option<Workload>, StepError>,
    ) -> Result<Option<Workload>, Error> {
        let result = result.map(|workload| match workload {
            Some(workload) => (workload.finding.clone(), Some(workload)),
            None => {
                let message = "pods are started when all conditions before this one are true";
                let finding = Finding::unknown(WORKLOAD_AVAILABLE, reason::WAITING, message);
                (finding, None)
            }
        });
        Ok(self.note(WORKLOAD_AVAILABLE, result)?.flatten())
    }
}

/// Runs the steps: those that do not need each other side by side, so that one dead server does
/// not keep the others' work from being done.
async fn run(step: &Step<'_>) -> Result<(Outcome, Option<Workload>), Error> {
    let mut outcome = Outcome {
        findings: vec![Finding::yes(
            ACCEPTED,
            reason::ACCEPTED,
            "the spec and its class fit together",
        )],
        ..Outcome::default()
    };
    let (storage, database, signing, prepared) = tokio::join!(
        storage(step),
        catalog(step),
        signing_key::ensure(step),
        workload::prepare(&step.context.client, step.plan),
    );
    let Storage {
        bucket,
        settings,
        credentials,
    } = storage;
    outcome.note(BUCKET_READY, bucket.map(|finding| (finding, ())))?;
    match credentials {
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
    let (restarts, rotated) = outcome.note(DATABASE_READY, database)?.unzip();
    outcome.rotated.database_password = rotated.flatten();
    outcome.rotated.signing_key = outcome.note(SIGNING_KEY_READY, signing)?;
    let workload = match prepared {
        Ok(()) => deploy(step, &outcome, restarts).await,
        Err(error) => Err(error.into()),
    };
    let workload = outcome.note_workload(workload)?;
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

/// Makes callers and Prometheus find the pods.
async fn reach(step: &Step<'_>) -> Result<Finding, StepError> {
    let client = &step.context.client;
    route::monitor(client, step.plan).await?;
    Ok(route::ensure(client, step.plan).await?)
}

/// How the steps around the bucket went; those after a failed one are left out.
struct Storage {
    bucket: Result<Finding, StepError>,
    settings: Option<Result<Finding, StepError>>,
    credentials: Option<Result<(Finding, Option<Rotated>), StepError>>,
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
async fn deploy(
    step: &Step<'_>,
    outcome: &Outcome,
    restarts: Option<Restarts>,
) -> Result<Option<Workload>, StepError> {
    let client = &step.context.client;
    let plan = step.plan;
    let owner = &plan.owner;
    if !outcome.failed
        && let Some(restarts) = &restarts
    {
        return Ok(Some(workload::run(client, plan, restarts).await?));
    }
    let Some((serve, worker)) = workload::find(client, owner).await? else {
        return Ok(None);
    };
    let restarts = match restarts {
        Some(restarts) => Some(restarts),
        // The database can't be looked at now; its server is still the one in the Secret.
        None => secrets::owned(client, owner, &database_secret_name(&owner.name))
            .await?
            .and_then(|secret| database::server_of(&secret))
            .map(|database| Restarts { database }),
    };
    match restarts {
        Some(restarts) if !outcome.conflict => {
            Ok(Some(workload::run(client, plan, &restarts).await?))
        }
        _ => Ok(Some(workload::look(
            &owner.namespace,
            &serve,
            worker.as_ref(),
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_tags_or_digests() {
        for (image, expected) in [
            ("filegateway/gateway:0.1.0", "0.1.0"),
            ("registry.example.com:5000/gateway:1", "1"),
            ("registry.example.com:5000/gateway", "latest"),
            ("gateway:1@sha256:0123", "1"),
            ("gateway@sha256:0123", "sha256:0123"),
        ] {
            assert_eq!(version_of(image), expected, "{image}");
        }
    }
}
