//! Secrets: reading the class's in the operator's namespace, and keeping those of a gateway.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, ObjectMeta, Preconditions};
use kube::{Client, ResourceExt};
use thiserror::Error;

use crate::apply::{ApplyError, hash, settle};
use crate::cluster::Cluster;
use crate::meta::{CONTENT_ANNOTATION, CREDENTIALS_LABEL, Owner};
use crate::sensitive::Sensitive;

/// The component label of Secrets.
const COMPONENT: &str = "secret";

/// A Secret can't be used.
#[derive(Debug, Error)]
pub enum SecretError {
    /// It is not there, or lacks a key.
    #[error("Secret {name} in namespace {namespace} is missing or lacks the key {key}: create it")]
    Missing {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The key.
        key: String,
    },
    /// It is there, and nobody has said that it is for gateways.
    #[error(
        "Secret {name} in namespace {namespace} lacks the label {CREDENTIALS_LABEL}=true, without which no \
         FileGateway gets what is in it: if its key is for this one, `kubectl label secret {name} -n \
         {namespace} {CREDENTIALS_LABEL}=true`"
    )]
    NotLabelled {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// It is there and belongs to somebody else.
    #[error(
        "Secret {name} exists and was not made for this FileGateway: delete or rename it, or give \
         the FileGateway another name"
    )]
    NotOwned {
        /// Its name.
        name: String,
    },
    /// The API server failed or refused.
    #[error("the API server refused to read Secret {name}: {source}")]
    Api {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: kube::Error,
    },
    /// It could not be deleted.
    #[error("the API server refused to delete Secret {name}: {source}")]
    Delete {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: kube::Error,
    },
    /// It could not be written.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

/// The values of `keys`, in their order, of a Secret that somebody else keeps.
///
/// # Errors
/// When the Secret or one of the keys is missing, or the API server fails.
pub async fn read<const N: usize>(
    client: &Client,
    namespace: &str,
    name: &str,
    keys: [&str; N],
) -> Result<[Sensitive; N], SecretError> {
    let secret = get(client, namespace, name).await?;
    values(secret.as_ref(), namespace, name, keys)
}

/// The same of a Secret whose values may be handed to a gateway: it has to have the label that says so.
///
/// # Errors
/// As [`read`], and when there is no such label.
pub async fn read_for_gateway<const N: usize>(
    client: &Client,
    namespace: &str,
    name: &str,
    keys: [&str; N],
) -> Result<[Sensitive; N], SecretError> {
    let secret = get(client, namespace, name).await?;
    if let Some(secret) = &secret
        && secret.labels().get(CREDENTIALS_LABEL).map(String::as_str) != Some("true")
    {
        return Err(SecretError::NotLabelled {
            namespace: namespace.into(),
            name: name.into(),
        });
    }
    values(secret.as_ref(), namespace, name, keys)
}

fn values<const N: usize>(
    secret: Option<&Secret>,
    namespace: &str,
    name: &str,
    keys: [&str; N],
) -> Result<[Sensitive; N], SecretError> {
    let mut values = keys.map(|_| None);
    for (slot, key) in values.iter_mut().zip(keys) {
        let value = secret
            .and_then(|secret| secret.data.as_ref()?.get(key))
            .and_then(|bytes| String::from_utf8(bytes.0.clone()).ok())
            .map(|text| text.trim_end_matches(['\n', '\r']).to_string())
            .filter(|text| !text.is_empty());
        match value {
            Some(text) => *slot = Some(Sensitive::new(text)),
            None => {
                return Err(SecretError::Missing {
                    namespace: namespace.into(),
                    name: name.into(),
                    key: key.into(),
                });
            }
        }
    }
    Ok(values.map(|value| value.unwrap_or_else(|| Sensitive::new(""))))
}

/// How long the value under `key` of a Secret is in bytes, without the newline at its end that gateways trim
/// too; `None` when the Secret is missing or has no value there.
///
/// # Errors
/// When the API server fails.
pub async fn length_of(
    client: &Client,
    namespace: &str,
    name: &str,
    key: &str,
) -> Result<Option<usize>, SecretError> {
    let Some(secret) = get(client, namespace, name).await? else {
        return Ok(None);
    };
    let value = secret.data.as_ref().and_then(|data| data.get(key));
    let length = value.map_or(0, |value| value.0.trim_ascii_end().len());
    Ok(Some(length).filter(|length| *length > 0))
}

/// A Secret of a gateway's own.
#[derive(Clone, Debug)]
pub struct Owned {
    /// What it holds.
    pub data: BTreeMap<String, Sensitive>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
}

/// `owner`'s Secret called `name`; `None` when it is not there, or when somebody has changed its data
/// since we wrote it, which is the same as lost.
///
/// # Errors
/// When it is not ours, or the API server fails. Neither may lead to a new credential.
pub async fn owned(
    client: &Client,
    owner: &Owner,
    name: &str,
) -> Result<Option<Owned>, SecretError> {
    let Some(secret) = get(client, &owner.namespace, name).await? else {
        return Ok(None);
    };
    if !owner.owns(&secret.metadata) {
        return Err(SecretError::NotOwned { name: name.into() });
    }
    let data: BTreeMap<String, Sensitive> = secret
        .data
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(key, value)| Some((key, Sensitive::new(String::from_utf8(value.0).ok()?))))
        .collect();
    let annotations = secret.metadata.annotations.unwrap_or_default();
    let intact = annotations
        .get(CONTENT_ANNOTATION)
        .is_none_or(|written| *written == content_hash(&data));
    let created = secret.metadata.creation_timestamp;
    Ok(intact.then_some(Owned {
        data,
        annotations,
        created: created.map_or(Timestamp::UNIX_EPOCH, |time| time.0),
    }))
}

/// Makes `owner`'s Secret called `name` hold `data`, with `annotations`, in one write.
///
/// # Errors
/// When it is not ours, or the API server fails.
pub async fn keep(
    cluster: Cluster<'_>,
    owner: &Owner,
    name: &str,
    data: &BTreeMap<String, Sensitive>,
    mut annotations: BTreeMap<String, String>,
) -> Result<(), SecretError> {
    annotations.insert(CONTENT_ANNOTATION.into(), content_hash(data));
    let mut metadata = ObjectMeta {
        annotations: Some(annotations),
        ..owner.child(name.into(), COMPONENT)
    };
    metadata.namespace = Some(owner.namespace.clone());
    let secret = Secret {
        metadata,
        type_: Some("Opaque".into()),
        data: Some(
            data.iter()
                .map(|(key, value)| (key.clone(), ByteString(value.expose().into())))
                .collect(),
        ),
        ..Secret::default()
    };
    settle(cluster, &secret, |live| owner.owns(live)).await?;
    Ok(())
}

/// Deletes `owner`'s Secret called `name`; one that is not there, or somebody else's, is fine.
///
/// # Errors
/// When the API server fails.
pub async fn delete(client: &Client, owner: &Owner, name: &str) -> Result<(), SecretError> {
    let Some(secret) = get(client, &owner.namespace, name).await? else {
        return Ok(());
    };
    if !owner.owns(&secret.metadata) {
        return Ok(());
    }
    let same_object = DeleteParams {
        preconditions: Some(Preconditions {
            uid: secret.metadata.uid,
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    let api: Api<Secret> = Api::namespaced(client.clone(), &owner.namespace);
    match api.delete(name, &same_object).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(source) => Err(SecretError::Delete {
            name: name.into(),
            source,
        }),
    }
}

/// SHA-256 over all keys and values. The values are random and long, so the hash tells nothing.
pub fn content_hash(data: &BTreeMap<String, Sensitive>) -> String {
    let mut text = String::new();
    for (key, value) in data {
        text.push_str(&format!(
            "{}:{key}:{}:{}\n",
            key.len(),
            value.expose().len(),
            value.expose()
        ));
    }
    hash(text)
}

async fn get(client: &Client, namespace: &str, name: &str) -> Result<Option<Secret>, SecretError> {
    Api::<Secret>::namespaced(client.clone(), namespace)
        .get_opt(name)
        .await
        .map_err(|source| SecretError::Api {
            name: name.into(),
            source,
        })
}
