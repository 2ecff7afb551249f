//! Reads what a spec refers to.

use std::collections::BTreeMap;

use crds::{FileGateway, FileGatewayClass};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;
use kube::runtime::reflector::ObjectRef;

use super::error::Error;
use super::given::{DatabaseSecret, look_for};
use super::webhook::{WebhookSecret, look_for_secret};
use crate::context::Context;
use crate::meta::Owner;
use crate::secrets::SecretError;

/// What the spec refers to, as found.
#[derive(Clone, Debug, Default)]
pub struct Dereferenced {
    /// The class, if there is one of that name.
    pub class: Option<FileGatewayClass>,
    /// Labels of the gateway's namespace.
    pub namespace_labels: BTreeMap<String, String>,
    /// The Secret that holds the issuer's shared secret.
    pub auth_secret: AuthSecret,
    /// The Secret that events are signed with.
    pub webhook_secret: WebhookSecret,
    /// The Secret that names the database.
    pub database_secret: DatabaseSecret,
}

/// Bytes that a shared secret must have: as many as its hash (RFC 7518, 3.2). Gateways refuse to start
/// with fewer.
pub const SHORTEST_SECRET: usize = 32;

/// The Secret of `spec.auth.secretRef`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuthSecret {
    /// The spec names none.
    #[default]
    NotNamed,
    /// It is not there or lacks the key.
    Missing,
    /// Its value is shorter than [`SHORTEST_SECRET`].
    TooShort,
    /// It is there. Pods follow it by themselves, whatever it holds.
    Found,
}

/// Reads them.
///
/// # Errors
/// When the API server fails; that something is absent is no error here.
pub async fn dereference(
    context: &Context,
    gateway: &FileGateway,
    owner: &Owner,
) -> Result<Dereferenced, Error> {
    let class = class(context, &gateway.spec.class_name).await?;
    let namespace_labels = labels(context, &owner.namespace).await?;
    let auth_secret = match &gateway.spec.auth.secret_ref {
        None => AuthSecret::NotNamed,
        Some(reference) => {
            match context
                .length_of(owner, &reference.name, &reference.key)
                .await
            {
                Ok(Some(length)) if length < SHORTEST_SECRET => AuthSecret::TooShort,
                Ok(Some(_)) => AuthSecret::Found,
                Ok(None) | Err(SecretError::Missing { .. }) => AuthSecret::Missing,
                Err(SecretError::Api { source, .. }) => {
                    return Err(Error::api("read the auth Secret")(source));
                }
                Err(
                    SecretError::NotOwned { .. }
                    | SecretError::NotLabelled { .. }
                    | SecretError::Delete { .. }
                    | SecretError::Apply(_),
                ) => AuthSecret::Missing,
            }
        }
    };
    Ok(Dereferenced {
        class,
        namespace_labels,
        auth_secret,
        webhook_secret: match &gateway.spec.webhooks {
            None => WebhookSecret::NotNamed,
            Some(webhooks) => look_for_secret(context, owner, &webhooks.secret_ref).await?,
        },
        database_secret: match &gateway.spec.database.secret_ref {
            None => DatabaseSecret::NotNamed,
            Some(reference) => look_for(context, owner, reference).await?,
        },
    })
}

/// Watched where controllers run; what is not there yet is asked for.
async fn class(context: &Context, name: &str) -> Result<Option<FileGatewayClass>, Error> {
    let stores = context.stores.get();
    if let Some(known) = stores.and_then(|stores| stores.classes.get(&ObjectRef::new(name))) {
        return Ok(Some(known.as_ref().clone()));
    }
    Api::all(context.client.clone())
        .get_opt(name)
        .await
        .map_err(Error::api("read the FileGatewayClass"))
}

async fn labels(context: &Context, namespace: &str) -> Result<BTreeMap<String, String>, Error> {
    let stores = context.stores.get();
    let known = stores.and_then(|stores| stores.namespaces.get(&ObjectRef::new(namespace)));
    let labels = match known {
        Some(known) => known.metadata.labels.clone(),
        None => Api::<Namespace>::all(context.client.clone())
            .get_opt(namespace)
            .await
            .map_err(Error::api("read the namespace"))?
            .and_then(|namespace| namespace.metadata.labels),
    };
    Ok(labels.unwrap_or_default())
}
