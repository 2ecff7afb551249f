//! How the gateways of a class get at their buckets.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the gateways of a class prove to the object store who they are.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.type == 'Secret' || !has(self.secret)")
    .message("spec.credentials.secret: only the type Secret has it; set spec.credentials.type to Secret, or leave it out"))]
#[x_kube(validation = Rule::new("self.type == 'WebIdentity' || !has(self.webIdentity)")
    .message("spec.credentials.webIdentity: only the type WebIdentity has it; set spec.credentials.type to WebIdentity, or leave it out"))]
#[x_kube(validation = Rule::new("self.type != 'WebIdentity' || has(self.webIdentity)")
    .message("spec.credentials.webIdentity: the type WebIdentity needs it; write its roleARN and audience"))]
pub struct ClassCredentials {
    /// `IAMUser`: the operator makes a user and a key per gateway at the server that `spec.iam` names.
    /// `Secret`: you make a key per gateway, and put it into a Secret with the label
    /// `filegateway.dev/credentials: "true"`. `WebIdentity`: pods exchange their
    /// ServiceAccount's token for temporary keys, and none is stored. Default: `IAMUser`.
    #[serde(default, rename = "type")]
    pub type_: CredentialsType,
    /// Which Secret has a gateway's key; for the type `Secret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretCredentials>,
    /// What the token is exchanged for, and where; for the type `WebIdentity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_identity: Option<WebIdentityCredentials>,
}

/// Where keys come from.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum CredentialsType {
    /// The operator makes them by the AWS IAM API.
    #[default]
    IAMUser,
    /// An administrator makes them.
    Secret,
    /// An STS server gives temporary ones.
    WebIdentity,
}

/// Which Secrets in the operator's namespace have the keys of gateways.
///
/// Their names follow from the gateway's and can't be chosen by it, so that nobody can point at somebody
/// else's: `NAMESPACE.NAME`, or `PREFIX.NAMESPACE.NAME`, each with `access-key-id` and
/// `secret-access-key`, and with the label `filegateway.dev/credentials: "true"`, without which no gateway
/// gets it.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretCredentials {
    /// The first part of their names. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub prefix: Option<String>,
}

/// What the token of a gateway's ServiceAccount is exchanged for (AssumeRoleWithWebIdentity).
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct WebIdentityCredentials {
    /// The role, in which `{namespace}` and `{name}` stand for the gateway's. It must permit the
    /// gateway's own bucket alone; the operator makes no roles. Example:
    /// `arn:aws:iam::123456789012:role/fgw/{namespace}_{name}`.
    #[serde(rename = "roleARN")]
    #[schemars(
        length(min = 20, max = 2048),
        regex(pattern = r"^arn:[A-Za-z0-9:/_+=,.@{}-]+$")
    )]
    #[x_kube(validation = Rule::new("!self.replace('{namespace}', '').replace('{name}', '').matches('[{}]')")
        .message("spec.credentials.webIdentity.roleARN: write no braces but those of {namespace} and {name}"))]
    #[x_kube(validation = Rule::new("self.contains('{namespace}') == self.contains('{name}')")
        .message("spec.credentials.webIdentity.roleARN: write both {namespace} and {name}, or neither, else gateways share a role by accident"))]
    #[x_kube(validation = Rule::new("!self.contains('{name}') || self.matches('[{]namespace[}][^{}]*[/_+=,.@:][^{}]*[{]name[}]') || self.matches('[{]name[}][^{}]*[/_+=,.@:][^{}]*[{]namespace[}]')")
        .message("spec.credentials.webIdentity.roleARN: part {namespace} and {name} by a character that names don't have, such as _: with a hyphen two gateways may come to the same role"))]
    pub role_arn: String,
    /// Whom the token is for. Example: `sts.amazonaws.com`.
    #[schemars(length(min = 1, max = 1024))]
    pub audience: String,
    /// How long a token lives, in seconds; Kubernetes replaces it before its end. Default: 3600.
    #[serde(default = "default_token_seconds")]
    #[schemars(range(min = 600, max = 86400))]
    pub token_seconds: i32,
    /// URL of the STS server, as pods reach it. Default: AWS's own for the object store's region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    #[x_kube(validation = Rule::new("self.startsWith('http://') || self.startsWith('https://')")
        .message("spec.credentials.webIdentity.endpoint: write a URL that starts with https:// or http://"))]
    pub endpoint: Option<String>,
}

fn default_token_seconds() -> i32 {
    3600
}
