//! Whom gateways tell what happens to files.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reference::SecretKeyReference;

/// Whom the gateway tells what happens to its files, in the manner of Standard Webhooks.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct WebhooksSpec {
    /// Where events are sent. Plain HTTP and private addresses are for classes that allow them
    /// (`spec.webhooks.privateAddresses`). Example: `https://hooks.example.com/files`.
    #[schemars(length(max = 1024))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHost() != ''")
        .message("spec.webhooks.url: write a URL that starts with https://, or with http:// where the class allows private addresses"))]
    #[x_kube(validation = Rule::new("!self.split('?')[0].contains('@')")
        .message("spec.webhooks.url: leave user and password out; events are signed with the secret of spec.webhooks.secretRef"))]
    pub url: String,
    /// Which events. Default: all of them.
    #[serde(default = "every_event")]
    #[schemars(length(min = 1, max = 4))]
    pub events: Vec<WebhookEvent>,
    /// A Secret in this namespace with what events are signed with: `whsec_` and base64 of 24 to 64
    /// bytes; two of them, one a line, while one is replaced.
    pub secret_ref: SecretKeyReference,
}

fn every_event() -> Vec<WebhookEvent> {
    WebhookEvent::ALL.into()
}

/// What happened to a file.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum WebhookEvent {
    /// An upload was acknowledged.
    #[serde(rename = "file.created")]
    Created,
    /// The work on a video ended well.
    #[serde(rename = "file.ready")]
    Ready,
    /// The work on a video was given up.
    #[serde(rename = "file.failed")]
    Failed,
    /// A file was deleted.
    #[serde(rename = "file.deleted")]
    Deleted,
}

impl WebhookEvent {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Created, Self::Ready, Self::Failed, Self::Deleted];

    /// As the gateway knows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "file.created",
            Self::Ready => "file.ready",
            Self::Failed => "file.failed",
            Self::Deleted => "file.deleted",
        }
    }
}

/// Where gateways of a class may send events.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookRules {
    /// Whether receivers may have private addresses, such as those of the cluster, and plain HTTP.
    /// Default: `Deny`.
    #[serde(default)]
    pub private_addresses: PrivateAddresses,
}

/// Whether something may be.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum PrivateAddresses {
    /// Yes.
    Allow,
    /// No.
    #[default]
    Deny,
}
