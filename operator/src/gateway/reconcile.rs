//! One pass over one FileGateway: read it, then make, undo, or leave it alone.

use std::sync::Arc;
use std::time::Duration;

use crds::FileGateway;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::Action;
use serde_json::json;
use tracing::Instrument;

use super::cleanup::{Cleanup, cleanup};
use super::error::Error;
use super::pause::{is_paused, pause};
use super::provision::{Provisioned, provision};
use crate::backoff::jittered;
use crate::context::Context;
use crate::meta::{FINALIZER, Owner};
use crate::metrics::{Outcome, Pass};
use crate::telemetry;

/// How soon work that takes several passes goes on, after the others have had their turn.
const GO_ON: Duration = Duration::from_secs(1);

/// How soon it is looked again for what wakes the gateway when it is gone, unless nobody watches it.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// How soon at the earliest a pass follows one that had nothing to try again: what it waits for may be
/// late.
const NEXT: Duration = Duration::from_secs(5);

/// Makes the world match `gateway`.
///
/// # Errors
/// When the API server fails; trouble elsewhere becomes a condition and a retry.
pub async fn reconcile(gateway: Arc<FileGateway>, context: Arc<Context>) -> Result<Action, Error> {
    // Held until the pass ends.
    let _turn = match context.turn(&gateway) {
        Ok(turn) => turn,
        Err(wait) => return Ok(Action::requeue(wait)),
    };
    let (namespace, name) = (gateway.namespace().unwrap_or_default(), gateway.name_any());
    let (traced, log) = telemetry::pass("FileGateway", &namespace, &name);
    let pass = context.metrics.pass("FileGateway", traced.clone());
    let logged = async {
        let outcome = pass_over(gateway, &context, pass).await;
        if let Err(error) = &outcome {
            tracing::warn!(%error, gateway = format!("{namespace}/{name}"), "reconcile failed");
        }
        outcome
    };
    traced.around(logged.instrument(log)).await
}

async fn pass_over(
    gateway: Arc<FileGateway>,
    context: &Context,
    pass: Pass,
) -> Result<Action, Error> {
    let Some(owner) = Owner::of(&gateway) else {
        return Ok(Action::await_change());
    };
    context.metrics.answered(&owner.namespace, &owner.name);
    let key = format!("{}/{}", owner.namespace, owner.name);
    let api: Api<FileGateway> = Api::namespaced(context.client.clone(), &owner.namespace);
    let Some(gateway) = current(context, &api, &gateway, &owner).await? else {
        context.backoff.settled(&key);
        context.forget(&owner.uid);
        pass.ended(Outcome::Settled);
        return Ok(Action::await_change());
    };

    let deleted = gateway.metadata.deletion_timestamp.is_some();
    let outcome = match (deleted, is_ours(&gateway)) {
        // Somebody else's finalizer holds it; what was ours is gone.
        (true, false) => Provisioned::Settled(None),
        (true, true) => match cleanup(context, &gateway, &owner).await? {
            Cleanup::Done => {
                // No pass comes after the one that takes the finalizer off.
                context.forget(&owner.uid);
                Provisioned::Settled(None)
            }
            Cleanup::Blocked => Provisioned::Failed,
            Cleanup::Unfinished => {
                pass.ended(Outcome::Unsettled);
                return Ok(Action::requeue(GO_ON));
            }
            Cleanup::Leading => {
                pass.ended(Outcome::Unsettled);
                return Ok(Action::requeue(LOOK_AGAIN));
            }
        },
        (false, _) if is_paused(&gateway) => {
            pause(context, &gateway, &owner).await?;
            context.backoff.settled(&key);
            pass.ended(Outcome::Settled);
            return Ok(Action::await_change());
        }
        (false, false) => {
            // In a write of its own, before anything is made.
            let Some(gateway) = add_finalizer(&api, &gateway).await? else {
                pass.ended(Outcome::Unsettled);
                return Ok(Action::requeue(GO_ON));
            };
            context.writes.note(&gateway);
            provision(context, &gateway, &owner).await?
        }
        (false, true) => provision(context, &gateway, &owner).await?,
    };
    match outcome {
        Provisioned::Settled(look_at) => {
            pass.ended(Outcome::Settled);
            context.backoff.settled(&key);
            let wait = jittered(context.config.resync, 0.1);
            let wait = look_at.map_or(wait, |time| wait.min(until(time)));
            Ok(Action::requeue(wait))
        }
        Provisioned::Failed => {
            pass.ended(Outcome::Unsettled);
            Ok(Action::requeue(context.backoff.failed(&key)))
        }
    }
}

fn until(time: Timestamp) -> Duration {
    let left: SignedDuration = time.duration_since(Timestamp::now());
    // Times are whole seconds, so the second has to be over.
    let left = left.saturating_add(SignedDuration::from_secs(1));
    Duration::try_from(left).unwrap_or_default().max(NEXT)
}

/// How long to wait after an [`Error`].
pub fn error_policy(gateway: Arc<FileGateway>, _error: &Error, context: Arc<Context>) -> Action {
    let key = format!(
        "{}/{}",
        gateway.namespace().unwrap_or_default(),
        gateway.name_any()
    );
    Action::requeue(context.backoff.failed(&key))
}

/// The gateway as it is; `None` when it is gone.
async fn current(
    context: &Context,
    api: &Api<FileGateway>,
    seen: &Arc<FileGateway>,
    owner: &Owner,
) -> Result<Option<Arc<FileGateway>>, Error> {
    // What was seen may lack a status that this operator has just written, and that status says what was
    // created. One without our finalizer has none, and the write that adds it fails when it is not as seen.
    let untouched =
        seen.metadata.deletion_timestamp.is_none() && !is_ours(seen) && !is_paused(seen);
    if untouched || context.writes.is_last(seen) {
        return Ok(Some(seen.clone()));
    }
    let live = api
        .get_opt(&owner.name)
        .await
        .map_err(Error::api("read the FileGateway"))?;
    let same = |live: &FileGateway| live.uid().as_deref() == Some(owner.uid.as_str());
    Ok(live.filter(same).map(Arc::new))
}

fn is_ours(gateway: &FileGateway) -> bool {
    gateway.finalizers().iter().any(|name| name == FINALIZER)
}

/// Answers the gateway with our finalizer; `None` when it is not any more as it was seen.
async fn add_finalizer(
    api: &Api<FileGateway>,
    gateway: &FileGateway,
) -> Result<Option<FileGateway>, Error> {
    let mut finalizers = gateway.finalizers().to_vec();
    finalizers.push(FINALIZER.into());
    let patch = json!({"metadata": {
        "resourceVersion": gateway.resource_version(),
        "finalizers": finalizers,
    }});
    let name = gateway.name_any();
    let written = api
        .patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
        .await;
    match written {
        Ok(written) => Ok(Some(written)),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(None),
        Err(error) => Err(Error::api("add the finalizer")(error)),
    }
}
