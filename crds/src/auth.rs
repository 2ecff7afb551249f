//! How callers prove who they are.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reference::SecretKeyReference;

/// How callers prove who they are: a JWT, checked against the issuer's key set or a shared secret.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.jwksUrl) && has(self.secretRef))")
    .message("spec.auth: jwksUrl and secretRef exclude each other; keep one"))]
#[x_kube(validation = Rule::new("!has(self.secretRef) || !has(self.algorithms) || self.algorithms.all(a, a.startsWith('HS'))")
    .message("spec.auth.algorithms: a shared secret signs with HS256, HS384 or HS512 only"))]
#[x_kube(validation = Rule::new("has(self.secretRef) || !has(self.algorithms) || !self.algorithms.exists(a, a.startsWith('HS'))")
    .message("spec.auth.algorithms: HS256, HS384 and HS512 need spec.auth.secretRef"))]
#[x_kube(validation = Rule::new("has(self.secretRef) || has(self.jwksUrl) || self.allowHttp || self.issuer.startsWith('https://')")
    .message("spec.auth.issuer: keys are fetched from it, and over plain HTTP anybody on the way could put in his own; write a URL that starts with https://, or set jwksUrl, or for a trial allowHttp"))]
#[x_kube(validation = Rule::new("!has(self.jwksUrl) || self.allowHttp || self.jwksUrl.startsWith('https://')")
    .message("spec.auth.jwksUrl: over plain HTTP anybody on the way could put in his own keys; write a URL that starts with https://, or for a trial set allowHttp"))]
pub struct AuthSpec {
    /// The issuer: tokens' `iss` claim must equal it byte for byte. Its key set is discovered at
    /// `<issuer>/.well-known/openid-configuration` unless `jwksUrl` or `secretRef` is set.
    /// Example: `https://id.example.com`.
    #[schemars(length(min = 1, max = 1024))]
    pub issuer: String,
    /// The audience: tokens' `aud` claim must contain it. Example: `files`.
    #[schemars(length(min = 1, max = 1024))]
    pub audience: String,
    /// Where the issuer's JSON Web Key Set is (RFC 7517).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024), regex(pattern = "^https?://.+"))]
    pub jwks_url: Option<String>,
    /// Whether keys may be fetched over plain HTTP, as from an issuer on a trial cluster. Default:
    /// `false`.
    #[serde(default)]
    pub allow_http: bool,
    /// A Secret in this namespace that holds the shared secret (32 bytes or more), for issuers that
    /// sign with HMAC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeyReference>,
    /// Accepted signature algorithms (RFC 7518). Default: RS256 and ES256; HS256 with `secretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 12),
        inner(regex(pattern = "^((RS|PS|HS)(256|384|512)|ES(256|384)|EdDSA)$"))
    )]
    pub algorithms: Option<Vec<String>>,
    /// Names of the claims that say who the caller is.
    #[serde(default)]
    pub claims: ClaimNames,
    /// The role that makes a caller an admin of the organization. Default: `admin`.
    #[serde(default = "default_admin_role")]
    #[schemars(length(min = 1, max = 256))]
    pub admin_role: String,
}

fn default_admin_role() -> String {
    "admin".into()
}

/// Names of claims; a dot goes into an object, as in `realm_access.roles`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimNames {
    /// The claim that tells callers apart. Default: `sub`.
    #[serde(default = "default_subject_claim")]
    #[schemars(length(min = 1, max = 256))]
    pub subject: String,
    /// The claim that names the caller's organization. Default: `org`.
    #[serde(default = "default_organization_claim")]
    #[schemars(length(min = 1, max = 256))]
    pub organization: String,
    /// The claim that lists the caller's roles. Default: `roles`.
    #[serde(default = "default_roles_claim")]
    #[schemars(length(min = 1, max = 256))]
    pub roles: String,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self {
            subject: default_subject_claim(),
            organization: default_organization_claim(),
            roles: default_roles_claim(),
        }
    }
}

fn default_subject_claim() -> String {
    "sub".into()
}

fn default_organization_claim() -> String {
    "org".into()
}

fn default_roles_claim() -> String {
    "roles".into()
}
