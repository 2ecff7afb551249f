//! Deletion: pods, then the key, then bucket and database as the policy says, then the finalizer.
//!
//! Nothing of the tenant's namespace is needed, which may be half gone, and not the class either:
//! status has its snapshot. A class that is still there goes before the snapshot, since a server
//! that has moved is the usual reason for a deletion that is held up.

use crds::conditions::{DELETION_BLOCKED, Finding, READY, reason};
use crds::{
    ClassSnapshot, DatabaseType, DeletionPolicy, FileGateway, FileGatewayClass, FileGatewayStatus,
};
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use super::draft::Draft;
use super::error::Error;
use super::former;
use super::steps::{Fate, StepError, bucket, credentials, database, volume};
use super::update_status::{announce, conditions};
use super::validate::snapshot;
use super::{route, workload};
use crate::apply::ApplyError;
use crate::context::Context;
use crate::events;
use crate::meta::{FINALIZER, Owner, RELEASE_ANNOTATION};
use crate::secrets::SecretError;

/// How far a cleanup came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// All is done and the finalizer is gone.
    Done,
    /// There is more of the same to do.
    Unfinished,
    /// All is done, and something still leads here that others have to take away.
    Leading,
    /// Something stands in the way.
    Blocked,
}

/// Undoes what was made for `gateway`.
///
/// # Errors
/// When the API server fails; trouble elsewhere holds the deletion, with a condition.
pub async fn cleanup(
    context: &Context,
    gateway: &FileGateway,
    owner: &Owner,
) -> Result<Cleanup, Error> {
    let draft = Draft::new(context, gateway, owner);
    let status = draft.read().await;
    let ending = context.is_ending(&owner.namespace);
    match workload::stop(&context.client, owner).await {
        Err(error) if ending && is_forbidden(&error) => {}
        stopped => stopped.map_err(Error::api("stop the pods"))?,
    }
    let withdrawn = route::withdraw(context.cluster(), owner).await;
    let fates = undo(context, gateway, owner, &draft, &status).await?;
    let mut retained = Vec::new();
    let mut deleted = Vec::new();
    let mut held = Vec::new();
    for fate in fates {
        match fate {
            Ok(Fate::Nothing) => {}
            Ok(Fate::Retained(what)) => retained.push(what),
            Ok(Fate::Deleted(what)) => deleted.push(what),
            Ok(Fate::Unfinished(what)) => held.push((None, what)),
            Err(StepError::Status(error)) => return Err(error),
            Err(error) => {
                context
                    .metrics
                    .step_failed(DELETION_BLOCKED, error.reason());
                held.push((Some(error.reason()), error.to_string()));
            }
        }
    }
    let done = held.is_empty();
    if done {
        tell(context, gateway, &deleted, &retained).await;
    }
    held.extend(still_leading(context, withdrawn, ending));
    let released = gateway
        .annotations()
        .get(RELEASE_ANNOTATION)
        .is_some_and(|value| value == "true");
    if !held.is_empty() && !released {
        if done {
            // Neither to be undone nor to be told once more.
            draft.note(|status| status.class = None).await;
        }
        hold(context, gateway, &draft, &status, &held).await?;
        let blocked = held.iter().any(|(reason, _)| reason.is_some());
        return Ok(if blocked {
            Cleanup::Blocked
        } else if done {
            Cleanup::Leading
        } else {
            Cleanup::Unfinished
        });
    }
    if !done {
        tell(context, gateway, &deleted, &retained).await;
    }
    if !held.is_empty() {
        let left: Vec<_> = held.into_iter().map(|(_, message)| message).collect();
        let note = format!(
            "{RELEASE_ANNOTATION} is set; left as is: {}",
            left.join("; ")
        );
        events::warning(context, gateway, DELETION_BLOCKED, events::RELEASED, note).await;
    }
    remove_finalizer(context, owner).await?;
    Ok(Cleanup::Done)
}

/// What a deletion waits for: in words, with the condition's reason where that is trouble.
type Held = (Option<&'static str>, String);

/// What holds it since something leads here: another gateway gets the host when this one is gone.
fn still_leading(
    context: &Context,
    withdrawn: Result<bool, ApplyError>,
    ending: bool,
) -> Option<Held> {
    match withdrawn {
        Ok(true) => None,
        Ok(false) => {
            let what = format!(
                "its Ingress or HTTPRoute waits for whoever has a finalizer on it; if nobody takes that off, \
                 annotate the FileGateway with {RELEASE_ANNOTATION}=true"
            );
            Some((None, what))
        }
        Err(ApplyError::Api { source, .. }) if ending && is_forbidden(&source) => None,
        Err(error) => {
            let reason = reason::API_SERVER_ERROR;
            context.metrics.step_failed(DELETION_BLOCKED, reason);
            Some((Some(reason), error.to_string()))
        }
    }
}

/// What became of what was made.
async fn tell(context: &Context, gateway: &FileGateway, deleted: &[String], retained: &[String]) {
    let notes = [
        (events::DELETED, "deleted", deleted),
        (events::RETAINED, "kept", retained),
    ];
    for (event, verb, what) in notes {
        if !what.is_empty() {
            let note = format!("{verb} {}", what.join(" and "));
            events::normal(context, gateway, READY, event, note).await;
        }
    }
}

fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
}

/// Tries everything, so that one dead server does not keep the others' work from being done.
async fn undo(
    context: &Context,
    gateway: &FileGateway,
    owner: &Owner,
    draft: &Draft<'_>,
    status: &FileGatewayStatus,
) -> Result<Vec<Result<Fate, StepError>>, Error> {
    // Without a snapshot nothing was ever made outside the cluster.
    let Some(known) = &status.class else {
        return Ok(Vec::new());
    };
    let class = current(context, known).await?;
    let policy = gateway.spec.deletion_policy;
    let mut fates = Vec::new();
    if let Some(bucket) = &status.bucket {
        if let Some(user) = &bucket.user {
            let mut fate = credentials::remove(context, &class, owner, user).await;
            if is_nothing(&fate) && iam_of(&class) != iam_of(known) {
                fate = credentials::remove(context, known, owner, user).await;
            }
            fates.push(fate);
        }
        let mut fate = bucket::remove(context, draft, &class, owner, bucket, policy).await;
        if is_nothing(&fate) && class.object_store.endpoint != known.object_store.endpoint {
            fate = bucket::remove(context, draft, known, owner, bucket, policy).await;
        }
        fates.push(fate);
    }
    fates.extend(former::remove(context, gateway, owner, &status.former).await);
    if let Some(found) = &status.database {
        fates.push(match found.type_ {
            DatabaseType::PostgreSQL => {
                let mut fate = database::remove(context, &class, owner, found, policy).await;
                if is_nothing(&fate) && server_of(&class) != server_of(known) {
                    fate = database::remove(context, known, owner, found, policy).await;
                }
                fate
            }
            DatabaseType::SQLite => {
                match volume::remove(context, owner, &found.name, policy).await {
                    Err(StepError::Secret(SecretError::Api { source, .. }))
                        if context.is_ending(&owner.namespace) && is_forbidden(&source) =>
                    {
                        Ok(Fate::Nothing)
                    }
                    fate => fate,
                }
            }
            DatabaseType::Secret => Ok(Fate::Retained(format!(
                "the database that Secret {} names",
                found.name
            ))),
        });
    }
    Ok(fates)
}

/// A server that has moved is the same at another address, or another one; then what was made is still at that
/// of before.
fn is_nothing(fate: &Result<Fate, StepError>) -> bool {
    matches!(fate, Ok(Fate::Nothing))
}

fn iam_of(class: &ClassSnapshot) -> Option<&str> {
    class.iam.as_ref().map(|server| server.endpoint.as_str())
}

fn server_of(class: &ClassSnapshot) -> Option<(&str, i32)> {
    let server = class.database.as_ref()?;
    Some((&server.host, server.port))
}

async fn current(context: &Context, known: &ClassSnapshot) -> Result<ClassSnapshot, Error> {
    let class = Api::<FileGatewayClass>::all(context.client.clone())
        .get_opt(&known.name)
        .await
        .map_err(Error::api("read the FileGatewayClass"))?;
    Ok(match class {
        Some(class) => {
            let class = snapshot(&known.name, &class);
            // What was made on a server that the class names no more is still there.
            ClassSnapshot {
                iam: class.iam.or_else(|| known.iam.clone()),
                database: class.database.or_else(|| known.database.clone()),
                ..class
            }
        }
        None => known.clone(),
    })
}

/// Says in status and an event what the deletion waits for.
async fn hold(
    context: &Context,
    gateway: &FileGateway,
    draft: &Draft<'_>,
    status: &FileGatewayStatus,
    held: &[Held],
) -> Result<(), Error> {
    let texts = |blocked: bool| {
        let messages = held
            .iter()
            .filter(|(reason, _)| reason.is_some() == blocked);
        let messages: Vec<_> = messages.map(|(_, message)| message.as_str()).collect();
        messages.join("; ")
    };
    // Work that goes on is no trouble.
    let progress = texts(false);
    let terminating = if progress.is_empty() {
        "the FileGateway is being deleted".to_string()
    } else {
        format!("the FileGateway is being deleted; {progress}")
    };
    let mut findings = vec![Finding::no(READY, reason::TERMINATING, terminating)];
    let messages = texts(true);
    if let Some(reason) = held.iter().find_map(|(reason, _)| *reason) {
        let kept = match gateway.spec.deletion_policy {
            DeletionPolicy::Retain => "revoke the key",
            DeletionPolicy::Delete => "delete what was made",
        };
        findings.push(Finding::yes(
            DELETION_BLOCKED,
            reason,
            format!(
                "can't {kept}: {messages}; to delete without, annotate with \
                 {RELEASE_ANNOTATION}=true"
            ),
        ));
    }
    let next = conditions(&status.conditions, &findings, gateway.metadata.generation);
    let announced = next.clone();
    draft.change(|status| status.conditions = next).await?;
    announce(context, gateway, &status.conditions, &announced).await;
    Ok(())
}

async fn remove_finalizer(context: &Context, owner: &Owner) -> Result<(), Error> {
    let api: Api<FileGateway> = Api::namespaced(context.client.clone(), &owner.namespace);
    let gateway = api
        .get_opt(&owner.name)
        .await
        .map_err(Error::api("read the FileGateway"))?;
    let Some(gateway) = gateway.filter(|live| live.uid().as_deref() == Some(&owner.uid)) else {
        return Ok(());
    };
    let others: Vec<_> = gateway
        .finalizers()
        .iter()
        .filter(|name| *name != FINALIZER)
        .collect();
    let patch = json!({"metadata": {
        "resourceVersion": gateway.resource_version(),
        "finalizers": others,
    }});
    let result = api
        .patch(&owner.name, &PatchParams::default(), &Patch::Merge(&patch))
        .await;
    match result {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(Error::api("remove the finalizer")(error)),
    }
}
