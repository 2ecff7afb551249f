//! Whom the gateway tells what happens to its files.

use crds::conditions::{ACCEPTED, Finding, reason};
use crds::{FileGateway, FileGatewayClass, PrivateAddresses, SecretKeyReference, WebhooksSpec};

use super::error::Error;
use super::named::secret_missing;
use crate::context::Context;
use crate::meta::Owner;
use crate::secrets::SecretError;

/// The fewest bytes of a file with a secret: `whsec_` and base64 of 24 bytes. Gateways refuse to start
/// with fewer.
const SHORTEST: usize = 38;

/// The receiver of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookPlan {
    /// What the gateway's owner asks for.
    pub spec: WebhooksSpec,
    /// Whether the class lets it be inside.
    pub private_addresses: bool,
}

/// The Secret of `spec.webhooks.secretRef`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WebhookSecret {
    /// The spec names none.
    #[default]
    NotNamed,
    /// It is not there or lacks the key.
    Missing,
    /// Its value is too short to be one.
    TooShort,
    /// It is there. Pods follow it by themselves.
    Found,
}

/// Looks whether the Secret is there.
pub(super) async fn look_for_secret(
    context: &Context,
    owner: &Owner,
    reference: &SecretKeyReference,
) -> Result<WebhookSecret, Error> {
    let (name, key) = (&reference.name, &reference.key);
    match context.length_of(owner, name, key).await {
        Ok(Some(length)) if length < SHORTEST => Ok(WebhookSecret::TooShort),
        Ok(Some(_)) => Ok(WebhookSecret::Found),
        Err(SecretError::Api { source, .. }) => {
            Err(Error::api("read the webhook's Secret")(source))
        }
        Ok(None) | Err(_) => Ok(WebhookSecret::Missing),
    }
}

/// What the pods are told.
pub(super) fn webhook(
    gateway: &FileGateway,
    class: &FileGatewayClass,
    owner: &Owner,
    secret: &WebhookSecret,
) -> Result<Option<WebhookPlan>, Finding> {
    let Some(spec) = &gateway.spec.webhooks else {
        return Ok(None);
    };
    let private_addresses = class.spec.webhooks.private_addresses == PrivateAddresses::Allow;
    if !private_addresses && !spec.url.starts_with("https://") {
        return Err(Finding::no(
            ACCEPTED,
            reason::NOT_ALLOWED_BY_CLASS,
            format!(
                "spec.webhooks.url is no https URL, and FileGatewayClass {} has \
                 spec.webhooks.privateAddresses Deny: write a URL that starts with https://",
                gateway.spec.class_name
            ),
        ));
    }
    let SecretKeyReference { name, key } = &spec.secret_ref;
    let namespace = &owner.namespace;
    match secret {
        WebhookSecret::Found => Ok(Some(WebhookPlan {
            spec: spec.clone(),
            private_addresses,
        })),
        WebhookSecret::TooShort => Err(Finding::no(
            ACCEPTED,
            reason::SECRET_INVALID,
            format!(
                "Secret {name} in namespace {namespace} has under {key} no secret of a webhook: \
                 put `whsec_$(openssl rand -base64 32)` there, and give it to the receiver"
            ),
        )),
        WebhookSecret::NotNamed | WebhookSecret::Missing => {
            let value = format!("--from-literal={key}=whsec_$(openssl rand -base64 32)");
            Err(secret_missing(namespace, name, key, &value, ""))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(
        url: &str,
        rule: &str,
        secret: WebhookSecret,
    ) -> Result<Option<WebhookPlan>, String> {
        let gateway: FileGateway = serde_json::from_value(json!({
            "apiVersion": "filegateway.dev/v1alpha1", "kind": "FileGateway",
            "metadata": {"name": "files", "namespace": "tenant", "uid": "u"},
            "spec": {"organization": "acme", "auth": {"issuer": "i", "audience": "a"},
                "webhooks": {"url": url, "secretRef": {"name": "hook"}}},
        }))
        .unwrap();
        let class: FileGatewayClass = serde_json::from_value(json!({
            "apiVersion": "filegateway.dev/v1alpha1", "kind": "FileGatewayClass",
            "metadata": {"name": "default"},
            "spec": {
                "objectStore": {"endpoint": "http://s3", "credentialsSecretRef": {"name": "s3"}},
                "iam": {"endpoint": "http://s3"},
                "webhooks": {"privateAddresses": rule},
            },
        }))
        .unwrap();
        let owner = Owner::of(&gateway).unwrap();
        webhook(&gateway, &class, &owner, &secret).map_err(|finding| finding.message)
    }

    #[test]
    fn plain_http_is_for_classes_that_allow_the_inside() {
        let found = WebhookSecret::Found;
        let denied = checked("http://hooks.crm.svc", "Deny", found).unwrap_err();
        assert!(denied.contains("privateAddresses Deny"), "{denied}");
        let inside = checked("http://hooks.crm.svc", "Allow", found).unwrap();
        assert!(inside.unwrap().private_addresses);
        let outside = checked("https://hooks.example", "Deny", found)
            .unwrap()
            .unwrap();
        assert!(!outside.private_addresses);
        assert_eq!(outside.spec.events, crds::WebhookEvent::ALL);
    }

    #[test]
    fn a_secret_that_cannot_be_used_is_named() {
        for secret in [WebhookSecret::Missing, WebhookSecret::TooShort] {
            let told = checked("https://hooks.example", "Deny", secret).unwrap_err();
            assert!(told.contains("Secret hook in namespace tenant"), "{told}");
        }
    }
}
