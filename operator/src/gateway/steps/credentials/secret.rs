//! A key that an administrator made, copied from the operator's namespace to where pods read it.
//!
//! It must be labelled as meant for a gateway, so that no other Secret of the operator's namespace is ever
//! handed to a tenant by its name. It is tried before it replaces the one before: it must open the gateway's
//! bucket, and must not open another gateway's. Pods go on with the one before as long as the new one is of
//! no use.

use std::collections::BTreeMap;

use crds::conditions::{CREDENTIALS_READY, Finding, reason};
use crds::{FileGateway, FileGatewayClass};
use kube::ResourceExt;
use kube::api::{Api, ListParams};

use super::{ID, SECRET, former_user, retire, spread};
use crate::class::secret_names;
use crate::events;
use crate::gateway::error::Error;
use crate::gateway::steps::rotation::{Progress, Rotated, Schedule, now};
use crate::gateway::steps::{Step, StepError};
use crate::gateway::workload;
use crate::meta::s3_secret_name;
use crate::remote::s3::S3;
use crate::remote::{AccessKey, Kind, RemoteError};
use crate::secrets;
use crate::sensitive::Sensitive;

/// What a probe is called; its owner's UID follows.
const PROBE: &str = ".filegateway/probe-";
/// How many FileGateways are looked at for another one's bucket.
const LOOKED_AT: u32 = 200;

/// Makes pods' Secret a copy of the Secret `source`.
///
/// # Errors
/// When the Secret is missing, or its key is of no use.
pub(super) async fn ensure(step: &Step<'_>, source: &str) -> Result<(Finding, Rotated), StepError> {
    let (context, owner) = (step.context, &step.plan.owner);
    let name = s3_secret_name(&owner.name);
    let kept = secrets::owned(&context.client, owner, &name).await?;
    let namespace = &context.config.operator_namespace;
    refuse_logins(step, source).await?;
    let keys = [ID, SECRET];
    let [id, secret] = secrets::read_for_gateway(&context.client, namespace, source, keys).await?;
    let data = BTreeMap::from([
        (ID.to_string(), id.clone()),
        (SECRET.to_string(), secret.clone()),
    ]);

    // Of another way there may be a schedule left, but no copy.
    let none = Schedule::default();
    let progress = match kept {
        Some(kept) if kept.data == data => {
            let progress = Progress::read(&kept.annotations, kept.created);
            keep(step, &name, &data, &progress).await?;
            progress
        }
        _ => {
            let key = AccessKey {
                id: id.expose().to_string(),
                secret,
            };
            try_key(step, source, &key).await?;
            let progress = Progress::new(&none, now());
            keep(step, &name, &data, &progress).await?;
            let note = format!("copied the access key of Secret {source} into Secret {name}");
            let event = events::KEY_ISSUED;
            events::normal(context, step.gateway, CREDENTIALS_READY, event, note).await;
            progress
        }
    };
    let look_at = match former_user(step).await {
        None => None,
        Some(user) => {
            let end = progress.end_of(spread(step));
            if end <= now() && workload::all_ready(&context.client, owner).await? {
                retire(step, &user).await?;
                None
            } else {
                Some(end)
            }
        }
    };
    let finding = Finding::yes(
        CREDENTIALS_READY,
        reason::COPIED,
        format!(
            "Secret {name} has the key of Secret {source} in namespace {namespace}, which opens bucket {}",
            step.plan.bucket
        ),
    );
    let rotated = Rotated {
        status: progress.status(&none),
        look_at,
    };
    Ok((finding, rotated))
}

async fn keep(
    step: &Step<'_>,
    name: &str,
    data: &BTreeMap<String, Sensitive>,
    progress: &Progress,
) -> Result<(), StepError> {
    let (cluster, owner) = (step.context.cluster(), &step.plan.owner);
    secrets::keep(cluster, owner, name, data, progress.annotations()).await?;
    Ok(())
}

/// What the operator itself logs in with must never reach a tenant, whatever label it has.
async fn refuse_logins(step: &Step<'_>, source: &str) -> Result<(), StepError> {
    // Not by what is watched: a class that is not seen yet counts as well.
    let classes = Api::<FileGatewayClass>::all(step.context.client.clone())
        .list(&ListParams::default())
        .await
        .map_err(Error::api("list the FileGatewayClasses"))?;
    let named = |class: &&FileGatewayClass| {
        let names = secret_names(&class.spec);
        names.iter().any(|(name, _)| *name == source)
    };
    match classes.items.iter().find(named) {
        None => Ok(()),
        Some(class) => Err(StepError::Unusable {
            reason: reason::INVALID_SPEC,
            message: format!(
                "Secret {source} would hold this gateway's key and is named by FileGatewayClass {} for the \
                 operator itself: give that class's Secrets other names, or set spec.credentials.secret.prefix \
                 of FileGatewayClass {}",
                class.name_any(),
                step.plan.class.name
            ),
        }),
    }
}

async fn try_key(step: &Step<'_>, source: &str, key: &AccessKey) -> Result<(), StepError> {
    let plan = step.plan;
    let bucket = &plan.bucket;
    let store = &plan.class.object_store;
    let s3 = S3::new(store, key, step.context.metrics.clone());
    let probe = format!("{PROBE}{}", plan.owner.uid);
    s3.probe(bucket, &probe)
        .await
        .map_err(|error| refused(error, source, bucket))?;
    if let Some(other) = other_bucket(step).await?
        && s3.opens(&other).await?
    {
        return Err(StepError::Unusable {
            reason: reason::KEY_TOO_WIDE,
            message: format!(
                "the key in Secret {source} opens the bucket of another FileGateway, too: make one that \
                 may touch bucket {bucket} alone"
            ),
        });
    }
    Ok(())
}

/// In the words of who has to mend it: it is not the operator's own key that was refused.
fn refused(error: RemoteError, source: &str, bucket: &str) -> StepError {
    match error.kind {
        Kind::Denied => StepError::Unusable {
            reason: reason::KEY_REFUSED,
            message: format!(
                "the key in Secret {source} is refused when asked to {} ({}): let it do everything with \
                 the objects of bucket {bucket}",
                error.action, error.code
            ),
        },
        _ => error.into(),
    }
}

/// The bucket of some other gateway on the same server; none when there is no other yet, or none that
/// this operator sees.
async fn other_bucket(step: &Step<'_>) -> Result<Option<String>, StepError> {
    let context = step.context;
    let endpoint = &step.plan.class.object_store.endpoint;
    for api in context.config.watched.apis::<FileGateway>(&context.client) {
        let list = match api.list(&ListParams::default().limit(LOOKED_AT)).await {
            Ok(list) => list,
            // One of several namespaces that is gone, and its Role with it.
            Err(kube::Error::Api(status)) if status.code == 403 => continue,
            Err(error) => return Err(Error::api("list the FileGateways")(error).into()),
        };
        let mut buckets = list
            .items
            .into_iter()
            .filter_map(|gateway| gateway.status?.bucket)
            .filter(|found| found.created && found.endpoint == *endpoint)
            .map(|found| found.name);
        if let Some(other) = buckets.find(|name| *name != step.plan.bucket) {
            return Ok(Some(other));
        }
    }
    Ok(None)
}
