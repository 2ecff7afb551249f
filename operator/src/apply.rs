//! The one way objects are written: server-side apply with one field manager, and only when the
//! live object lacks something that is wanted.
//!
//! Two checks decide. The wanted object's hash, kept in an annotation, tells that what we want has
//! changed (a field left out is noticed this way); the comparison with the live object tells that
//! somebody else has changed it. Server-side apply by itself would be idempotent, but a settled
//! gateway would still cost a write call per child and pass. Reading the live object is left out, too,
//! while a watch shows it as it was left, or shows none: then it is created, and by no means changed.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::cluster::Cluster;
use crate::meta::{APPLIED_ANNOTATION, MANAGER};
use crate::quantity;

/// A resource version that no object has: server-side apply creates the object with it, or else answers
/// 409 Conflict.
/// Source: <https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>, where versions of
/// objects are etcd's revisions, the first of which is that of the empty store.
const NEVER: &str = "1";

/// An object was not written.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// An object of that name is there and belongs to somebody else.
    #[error(
        "{kind} {name} exists and was not made for this FileGateway: delete or rename it, or \
         give the FileGateway another name"
    )]
    NotOwned {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The object can't be written as JSON.
    #[error("{kind} {name} can't be serialized")]
    Serialize {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The API server failed or refused.
    #[error("the API server refused {kind} {name}: {source}")]
    Api {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: kube::Error,
    },
}

/// Makes the cluster's object equal to `wanted` where `wanted` says something. `owned` says
/// whether a live object is ours. Answers the object as it is then.
///
/// # Errors
/// When a live object is not ours, or the API server refuses.
pub async fn apply<K>(
    cluster: Cluster<'_>,
    wanted: &K,
    owned: impl Fn(&ObjectMeta) -> bool,
) -> Result<K, ApplyError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
{
    let namespace = wanted.meta().namespace.clone().unwrap_or_default();
    let api: Api<K> = Api::namespaced(cluster.client.clone(), &namespace);
    apply_with(cluster, &api, &K::kind(&()), wanted, owned).await
}

/// [`apply`] that has nothing to do, and no answer, while a watch shows the object as it was left.
///
/// # Errors
/// When a live object is not ours, or the API server refuses.
pub async fn settle<K>(
    cluster: Cluster<'_>,
    wanted: &K,
    owned: impl Fn(&ObjectMeta) -> bool,
) -> Result<Option<K>, ApplyError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
{
    let kind = K::kind(&());
    let namespace = wanted.meta().namespace.clone().unwrap_or_default();
    let name = wanted.meta().name.as_deref().unwrap_or_default();
    let body = Body::of(&kind, wanted)?;
    if cluster
        .known
        .is_as_left(&kind, &namespace, name, &body.digest)
    {
        return Ok(None);
    }
    let api: Api<K> = Api::namespaced(cluster.client.clone(), &namespace);
    let live = write(cluster, &api, &kind, wanted, body, owned).await?;
    Ok(Some(live))
}

/// [`apply`] for kinds that are known at run time only: through `api`, which is of `kind`.
///
/// # Errors
/// When a live object is not ours, or the API server refuses.
pub async fn apply_with<K>(
    cluster: Cluster<'_>,
    api: &Api<K>,
    kind: &str,
    wanted: &K,
    owned: impl Fn(&ObjectMeta) -> bool,
) -> Result<K, ApplyError>
where
    K: Resource + Clone + Debug + Serialize + DeserializeOwned,
{
    let body = Body::of(kind, wanted)?;
    write(cluster, api, kind, wanted, body, owned).await
}

async fn write<K>(
    cluster: Cluster<'_>,
    api: &Api<K>,
    kind: &str,
    wanted: &K,
    mut body: Body,
    owned: impl Fn(&ObjectMeta) -> bool,
) -> Result<K, ApplyError>
where
    K: Resource + Clone + Debug + Serialize + DeserializeOwned,
{
    let name = wanted.meta().name.clone().unwrap_or_default();
    let refused = |source| ApplyError::Api {
        kind: kind.to_string(),
        name: name.clone(),
        source,
    };
    let namespace = wanted.meta().namespace.clone().unwrap_or_default();
    let patch = async |value: &Value| {
        tracing::info!(
            object.kind = kind,
            object.name = name,
            object.namespace = namespace,
            "applying"
        );
        let parameters = PatchParams::apply(MANAGER).force();
        api.patch(&name, &parameters, &Patch::Apply(value)).await
    };
    if cluster.known.is_absent(kind, &namespace, &name) {
        let mut value = body.value.clone();
        value["metadata"]["resourceVersion"] = NEVER.into();
        match patch(&value).await {
            Ok(written) => {
                cluster.known.leave(kind, written.meta(), &body.digest);
                return Ok(written);
            }
            // It is there after all.
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(refused(error)),
        }
    }
    if let Some(live) = api.get_opt(&name).await.map_err(refused)? {
        if !owned(live.meta()) {
            return Err(ApplyError::NotOwned {
                kind: kind.to_string(),
                name,
            });
        }
        if covers(&serialized(kind, &live)?, &body.value) {
            cluster.known.leave(kind, live.meta(), &body.digest);
            return Ok(live);
        }
        // It keeps this write from a stranger's object that took the name in the meantime.
        body.value["metadata"]["uid"] = live.meta().uid.clone().into();
    }
    let written = patch(&body.value).await.map_err(refused)?;
    cluster.known.leave(kind, written.meta(), &body.digest);
    Ok(written)
}

/// What is sent, with its hash in an annotation.
struct Body {
    value: Value,
    digest: String,
}

impl Body {
    fn of<K: Resource + Serialize>(kind: &str, wanted: &K) -> Result<Self, ApplyError> {
        let (value, digest) = with_hash(serialized(kind, wanted)?);
        Ok(Self { value, digest })
    }
}

fn serialized<K: Resource + Serialize>(kind: &str, object: &K) -> Result<Value, ApplyError> {
    serde_json::to_value(object).map_err(|source| ApplyError::Serialize {
        kind: kind.to_string(),
        name: object.meta().name.clone().unwrap_or_default(),
        source,
    })
}

/// Deletes the object called `name` when it is there and `owned` says that it is ours; what it owns
/// goes after it. Whether there is none of ours now: finalizers may hold it.
///
/// # Errors
/// When the API server fails.
pub async fn remove<K>(
    api: &Api<K>,
    name: &str,
    owned: impl Fn(&ObjectMeta) -> bool,
) -> Result<bool, kube::Error>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let Some(live) = api.get_opt(name).await? else {
        return Ok(true);
    };
    if !owned(live.meta()) {
        return Ok(true);
    }
    if live.meta().deletion_timestamp.is_some() {
        return Ok(false);
    }
    tracing::info!(object.name = name, url = api.resource_url(), "deleting");
    let same_object = DeleteParams::background().preconditions(Preconditions {
        uid: live.meta().uid.clone(),
        resource_version: None,
    });
    match api.delete(name, &same_object).await {
        Ok(answer) => Ok(answer.is_right()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(true),
        Err(error) => Err(error),
    }
}

/// Hex of the SHA-256 of `text`.
pub fn hash(text: impl AsRef<[u8]>) -> String {
    Sha256::digest(text.as_ref())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn with_hash(mut body: Value) -> (Value, String) {
    let digest = hash(body.to_string());
    if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
        let annotations = metadata
            .entry("annotations")
            .or_insert_with(|| Value::Object(serde_json::Map::new()));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.insert(APPLIED_ANNOTATION.into(), digest.clone().into());
        }
    }
    (body, digest)
}

/// Whether `live` has every field of `wanted` with an equal value. What `live` has beyond that is
/// the API server's default or another manager's, and stays.
fn covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (_, Value::Null) => true,
        (Value::Object(live), Value::Object(wanted)) => wanted.iter().all(|(key, wanted)| {
            match live.get(key) {
                Some(live) => covers(live, wanted),
                // The API server drops empty maps and lists.
                None => is_empty(wanted),
            }
        }),
        (Value::Array(live), Value::Array(wanted)) => covers_list(live, wanted),
        (Value::String(live), Value::String(wanted)) => {
            live == wanted || same_quantity(live, wanted)
        }
        _ => live == wanted,
    }
}

/// Lists of named things (containers, ports, volumes) are merged by name by server-side apply;
/// all others are replaced as a whole.
fn covers_list(live: &[Value], wanted: &[Value]) -> bool {
    let name = |value: &Value| {
        value
            .get("name")
            .and_then(Value::as_str)
            .map(str::to_string)
    };
    if !wanted.is_empty() && wanted.iter().all(|item| name(item).is_some()) {
        return wanted.iter().all(|item| {
            live.iter()
                .any(|other| name(other) == name(item) && covers(other, item))
        });
    }
    live.len() == wanted.len()
        && live
            .iter()
            .zip(wanted)
            .all(|(live, wanted)| covers(live, wanted))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
        _ => false,
    }
}

/// The API server writes quantities its own way: `0.5` becomes `500m`.
fn same_quantity(live: &str, wanted: &str) -> bool {
    quantity::milli(live).is_some_and(|amount| quantity::milli(wanted) == Some(amount))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_of_the_server_are_no_difference() {
        let wanted = json!({"spec": {"replicas": 1, "containers": [{"name": "a", "args": ["x"]}], "volumes": []}});
        let live = json!({"spec": {"replicas": 1, "paused": false, "containers": [
            {"name": "injected"}, {"name": "a", "args": ["x"], "terminationMessagePath": "/dev/log"}]}});
        assert!(covers(&live, &wanted));
    }

    #[test]
    fn drift_is_a_difference() {
        let wanted = json!({"spec": {"replicas": 1, "containers": [{"name": "a", "args": ["x"]}]}});
        for live in [
            json!({"spec": {"replicas": 2, "containers": [{"name": "a", "args": ["x"]}]}}),
            json!({"spec": {"replicas": 1, "containers": [{"name": "a", "args": ["x", "y"]}]}}),
            json!({"spec": {"replicas": 1, "containers": [{"name": "b", "args": ["x"]}]}}),
            json!({"spec": {"containers": [{"name": "a", "args": ["x"]}]}}),
        ] {
            assert!(!covers(&live, &wanted), "{live}");
        }
    }

    #[test]
    fn quantities_are_compared_by_value() {
        let wanted = json!({"limits": {"cpu": "0.5", "memory": "1024Mi"}});
        assert!(covers(
            &json!({"limits": {"cpu": "500m", "memory": "1Gi"}}),
            &wanted
        ));
        assert!(!covers(
            &json!({"limits": {"cpu": "600m", "memory": "1Gi"}}),
            &wanted
        ));
    }

    #[test]
    fn the_hash_changes_with_what_is_wanted() {
        let (one, _) = with_hash(json!({"metadata": {"name": "a"}, "data": {"x": "1", "y": "2"}}));
        let (two, _) = with_hash(json!({"metadata": {"name": "a"}, "data": {"x": "1"}}));
        assert!(!covers(&one, &two), "a field left out must be noticed");
    }
}
