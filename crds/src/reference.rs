//! References to Secrets.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What names of objects look like (a DNS subdomain, RFC 1123): a name is a part of the path that the API
/// server is asked for, so nothing else may be one.
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names>
pub const NAME: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// A Secret by name.
///
/// Which namespace it is looked up in is fixed by the field that holds the reference and can't be
/// chosen, so that nobody can point at somebody else's Secret.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretReference {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME))]
    pub name: String,
}

/// One key of a Secret by name.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyReference {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME))]
    pub name: String,
    /// Key in the Secret's data. Default: `secret`.
    #[serde(default = "default_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

fn default_key() -> String {
    "secret".into()
}

/// A Secret that holds the URL of a database.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseReference {
    /// Name of the Secret, in the FileGateway's namespace.
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME))]
    pub name: String,
    /// Key in the Secret's data, whose value is a URL such as
    /// `postgres://user:password@host:5432/name?sslmode=verify-full`. Default: `url`.
    #[serde(default = "default_database_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

fn default_database_key() -> String {
    "url".into()
}
