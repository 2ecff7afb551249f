//! The volume claim of a SQLite database. It has no owner reference, since `Retain` must keep it;
//! an annotation with the owner's UID says whose it is.

use crds::DeletionPolicy;
use crds::conditions::{DATABASE_READY, Finding, reason};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{Api, DeleteParams, Preconditions};

use super::{Fate, Step, StepError};
use crate::apply::{ApplyError, settle};
use crate::context::Context;
use crate::events;
use crate::gateway::build;
use crate::meta::{OWNER_MARK, Owner, volume_claim_name};
use crate::secrets::SecretError;

/// Makes the claim exist.
///
/// # Errors
/// When the API server refuses, or the claim belongs to somebody else.
pub async fn ensure(
    step: &Step<'_>,
    size: &str,
    storage_class: Option<&str>,
) -> Result<Finding, StepError> {
    let owner = &step.plan.owner;
    let name = volume_claim_name(&owner.name);
    let wanted = build::volume_claim(owner, size, storage_class);
    step.intent_is_known().await?;
    let cluster = step.context.cluster();
    match settle(cluster, &wanted, |live| owner.marked(live)).await {
        Ok(_) => {}
        Err(ApplyError::NotOwned { .. }) => {
            return Err(StepError::Refused {
                reason: reason::DATABASE_OWNED_BY_OTHER,
                message: format!(
                    "PersistentVolumeClaim {name} exists and was not made for this FileGateway: \
                     delete it, or, to go on with what it holds, run `kubectl -n {} annotate pvc \
                     {name} --overwrite {OWNER_MARK}={}`",
                    owner.namespace, owner.uid
                ),
            });
        }
        Err(error) => return Err(error.into()),
    }
    let known = step.draft.read().await.database;
    if known.is_some_and(|database| !database.created) {
        step.draft
            .change(|status| {
                if let Some(database) = &mut status.database {
                    database.created = true;
                }
            })
            .await?;
        let note = format!("created PersistentVolumeClaim {name} for the SQLite database");
        events::normal(
            step.context,
            step.gateway,
            DATABASE_READY,
            events::DATABASE_CREATED,
            note,
        )
        .await;
    }
    Ok(Finding::yes(
        DATABASE_READY,
        reason::CREATED,
        format!("SQLite on PersistentVolumeClaim {name}"),
    ))
}

/// Deletes the claim when `policy` and the annotation allow it.
///
/// # Errors
/// When the API server fails.
pub async fn remove(
    context: &Context,
    owner: &Owner,
    name: &str,
    policy: DeletionPolicy,
) -> Result<Fate, StepError> {
    let api: Api<PersistentVolumeClaim> = Api::namespaced(context.client.clone(), &owner.namespace);
    let failed = |source| {
        StepError::Secret(SecretError::Api {
            name: name.into(),
            source,
        })
    };
    let claim = api.get_opt(name).await.map_err(failed)?;
    let Some(claim) = claim.filter(|claim| owner.marked(&claim.metadata)) else {
        return Ok(Fate::Nothing);
    };
    if policy == DeletionPolicy::Retain {
        return Ok(Fate::Retained(format!("PersistentVolumeClaim {name}")));
    }
    let same_object = DeleteParams {
        preconditions: Some(Preconditions {
            uid: claim.metadata.uid,
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    match api.delete(name, &same_object).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        Err(error) => return Err(failed(error)),
    }
    Ok(Fate::Deleted(format!("PersistentVolumeClaim {name}")))
}
