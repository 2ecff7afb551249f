//! Leaves the number of pods to an autoscaler.
//!
//! Server-side apply gives a field that its manager no longer names back to its default, which for
//! `replicas` is 1: all pods but one would go at the moment an autoscaler is asked for. So the field
//! is given to a second manager first, which never applies again, and the autoscaler takes it from
//! there.
//! Source: <https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership>.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use crate::apply::ApplyError;
use crate::meta::{MANAGER, Owner};

/// Keeps the number of pods where it was until an autoscaler changes it.
const KEEPER: &str = "filegateway-operator-replicas";

/// Lets go of the `replicas` of Deployment `NAME`, if that is there and the number is ours.
///
/// # Errors
/// When the API server fails.
pub async fn hand_over(client: &Client, owner: &Owner) -> Result<(), ApplyError> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), &owner.namespace);
    let failed = |source| ApplyError::Api {
        kind: "Deployment".into(),
        name: owner.name.clone(),
        source,
    };
    let found = api.get_opt(&owner.name).await.map_err(failed)?;
    let Some(live) = found.filter(|live| owner.owns(&live.metadata) && is_ours(&live.metadata))
    else {
        return Ok(());
    };
    let body = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": owner.name, "uid": live.metadata.uid},
        "spec": {"replicas": live.spec.and_then(|spec| spec.replicas)},
    });
    api.patch(
        &owner.name,
        &PatchParams::apply(KEEPER).force(),
        &Patch::Apply(&body),
    )
    .await
    .map_err(failed)?;
    Ok(())
}

/// Whether our applies name the number of pods.
fn is_ours(live: &ObjectMeta) -> bool {
    live.managed_fields.iter().flatten().any(|entry| {
        entry.manager.as_deref() == Some(MANAGER)
            && entry.operation.as_deref() == Some("Apply")
            && entry
                .fields_v1
                .as_ref()
                .is_some_and(|fields| fields.0.pointer("/f:spec/f:replicas").is_some())
    })
}
