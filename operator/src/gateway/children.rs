//! Objects that may or may not be wanted.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::api::Api;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::apply::{ApplyError, remove, settle};
use crate::cluster::Cluster;
use crate::meta::Owner;

/// Makes the object called after the gateway be as `wanted`, or not be at all.
///
/// # Errors
/// When it is wanted and not ours, or the API server refuses.
pub async fn wanted_or_absent<K>(
    cluster: Cluster<'_>,
    owner: &Owner,
    wanted: Option<K>,
) -> Result<(), ApplyError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
{
    match wanted {
        Some(wanted) => {
            settle(cluster, &wanted, |live: &ObjectMeta| owner.owns(live)).await?;
            Ok(())
        }
        None => absent::<K>(cluster, owner, owner.name.clone()).await,
    }
}

/// Makes an object of ours that is not wanted any more go away.
///
/// # Errors
/// When the API server fails.
pub async fn absent<K>(cluster: Cluster<'_>, owner: &Owner, name: String) -> Result<(), ApplyError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let kind = K::kind(&());
    if cluster.known.is_absent(&kind, &owner.namespace, &name) {
        return Ok(());
    }
    let api: Api<K> = Api::namespaced(cluster.client.clone(), &owner.namespace);
    remove(&api, &name, |live| owner.owns(live))
        .await
        .map(|_| ())
        .map_err(|source| ApplyError::Api {
            kind: kind.into_owned(),
            name,
            source,
        })
}
