//! FileGateway: one organization's gateway.

// Printer columns repeat their keys; the lint takes them for one attribute.
#![allow(clippy::duplicated_attributes)]

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reference::SecretKeyReference;
use crate::status::FileGatewayStatus;

/// What one organization asks for.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "filegateway.dev",
    version = "v1alpha1",
    kind = "FileGateway",
    plural = "filegateways",
    singular = "filegateway",
    shortname = "fgw",
    namespaced,
    status = "FileGatewayStatus",
    derive = "PartialEq",
    doc = "A FileGateway is one organization's file storage: a bucket, credentials, a database, \
           signing keys, and the gateway pods that serve /v1/files.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    validation = Rule::new("size(self.metadata.name) <= 50")
        .message("metadata.name: at most 50 characters, since the names of its children are made from it"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name: lower-case letters, digits and hyphens, a letter first, since its Service carries this name"),
    printcolumn(name = "Class", type_ = "string", json_path = ".spec.className"),
    printcolumn(name = "Organization", type_ = "string", json_path = ".spec.organization"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.readyReplicas"),
    printcolumn(name = "Address", type_ = "string", json_path = ".status.address"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Bucket", type_ = "string", json_path = ".status.bucket.name", priority = 1),
    printcolumn(name = "Database", type_ = "string", json_path = ".status.database.name", priority = 1),
    printcolumn(name = "Policy", type_ = "string", json_path = ".status.deletionPolicy", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.database.type != 'SQLite' || self.replicas <= 1")
    .message("spec.replicas: SQLite lives on one pod's volume; write 1, or set spec.database.type to PostgreSQL"))]
pub struct FileGatewaySpec {
    /// The FileGatewayClass that says where buckets and databases live. Can't be changed.
    /// Default: `default`.
    #[serde(default = "default_class")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self == oldSelf")
        .message("spec.className can't be changed: make a new FileGateway of the other class"))]
    pub class_name: String,

    /// The organization that this gateway serves, as callers' tokens name it in their organization
    /// claim. Callers of any other organization are refused. Can't be changed. Example: `acme`.
    #[schemars(
        length(min = 1, max = 128),
        regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
    )]
    #[x_kube(validation = Rule::new("self == oldSelf")
        .message("spec.organization can't be changed: make a new FileGateway for the other organization"))]
    pub organization: String,

    /// The bucket that holds the organization's files.
    #[serde(default)]
    pub bucket: BucketSpec,

    /// The database that holds what is known about the files.
    #[serde(default)]
    pub database: DatabaseSpec,

    /// How callers prove who they are.
    pub auth: AuthSpec,

    /// The short-lived tokens that ride in stream URLs.
    #[serde(default)]
    pub tokens: TokensSpec,

    /// Who may read what, beyond owners and admins.
    #[serde(default)]
    pub access: AccessSpec,

    /// Limits of one upload request.
    #[serde(default)]
    pub uploads: UploadsSpec,

    /// How bytes reach a reader. Default: `Proxy`.
    #[serde(default)]
    pub delivery: Delivery,

    /// Gateway pods that serve requests. Default: 1.
    #[serde(default = "default_replicas")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: i32,

    /// Compute resources of each gateway pod. Default: 50m CPU and 64Mi memory requested, 512Mi
    /// memory at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,

    /// What happens to the bucket and the database when this resource is deleted; credentials are
    /// always revoked. May be changed at any time. Default: `Retain`.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

fn default_class() -> String {
    "default".into()
}

fn default_replicas() -> i32 {
    1
}

/// The bucket of a gateway.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!self.adopt || has(self.name)")
    .message("spec.bucket.name: name the bucket that is to be adopted"))]
#[x_kube(validation = Rule::new("has(self.name) == has(oldSelf.name)")
    .message("spec.bucket.name can be neither added nor removed once the gateway exists"))]
pub struct BucketSpec {
    /// Name of the bucket. Can't be changed. Default: made from the namespace, the name and the
    /// UID of this resource, and shown in `status.bucket.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 3, max = 63),
        regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    )]
    #[x_kube(validation = Rule::new("self == oldSelf").message("spec.bucket.name can't be changed"))]
    pub name: Option<String>,

    /// Take over a bucket that exists already. Without it an existing bucket is refused; an
    /// adopted bucket is never deleted. Can't be changed. Default: `false`.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("spec.bucket.adopt can't be changed"))]
    pub adopt: bool,
}

/// The database of a gateway.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseSpec {
    /// `PostgreSQL`: a role and a database of its own on the class's server. `SQLite`: a file on a
    /// volume, for one replica. Can't be changed. Default: `PostgreSQL`.
    #[serde(rename = "type", default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("spec.database.type can't be changed"))]
    pub type_: DatabaseType,

    /// The volume of a SQLite database.
    #[serde(default)]
    pub sqlite: SqliteVolume,
}

/// A kind of database.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum DatabaseType {
    /// The class's PostgreSQL server.
    #[default]
    PostgreSQL,
    /// A file on a volume.
    SQLite,
}

/// The volume of a SQLite database.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SqliteVolume {
    /// Size of the volume. Default: `1Gi`.
    #[serde(default = "default_volume_size")]
    pub size: Quantity,
    /// StorageClass of the volume. Default: the cluster's own default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class_name: Option<String>,
}

impl Default for SqliteVolume {
    fn default() -> Self {
        Self {
            size: default_volume_size(),
            storage_class_name: None,
        }
    }
}

fn default_volume_size() -> Quantity {
    Quantity("1Gi".into())
}

/// How callers prove who they are: a JWT, checked against the issuer's key set or a shared secret.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.jwksUrl) && has(self.secretRef))")
    .message("spec.auth: jwksUrl and secretRef exclude each other; keep one"))]
#[x_kube(validation = Rule::new("!has(self.secretRef) || !has(self.algorithms) || self.algorithms.all(a, a.startsWith('HS'))")
    .message("spec.auth.algorithms: a shared secret signs with HS256, HS384 or HS512 only"))]
#[x_kube(validation = Rule::new("has(self.secretRef) || !has(self.algorithms) || !self.algorithms.exists(a, a.startsWith('HS'))")
    .message("spec.auth.algorithms: HS256, HS384 and HS512 need spec.auth.secretRef"))]
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

/// File tokens.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokensSpec {
    /// How long a file token is good for, in seconds. Default: 300.
    #[serde(default = "default_token_lifetime")]
    #[schemars(range(min = 30, max = 86400))]
    pub lifetime_seconds: i32,
}

impl Default for TokensSpec {
    fn default() -> Self {
        Self {
            lifetime_seconds: default_token_lifetime(),
        }
    }
}

fn default_token_lifetime() -> i32 {
    300
}

/// Access rules.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessSpec {
    /// Who may read a file by its location, the contract's deprecated way. `Members`: every member
    /// of the organization. `Owner`: those who may read it by id. Default: `Members`.
    #[serde(default)]
    pub locations: LocationAccess,
}

/// Who may read by location.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum LocationAccess {
    /// Every member of the organization.
    #[default]
    Members,
    /// Those who may read it by id.
    Owner,
}

/// Limits of one upload request.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UploadsSpec {
    /// The largest file. Default: `5Gi`.
    #[serde(default = "default_max_file_size")]
    pub max_file_size: Quantity,
    /// The most files in one request. Default: 100.
    #[serde(default = "default_max_files")]
    #[schemars(range(min = 1, max = 10000))]
    pub max_files: i32,
}

impl Default for UploadsSpec {
    fn default() -> Self {
        Self {
            max_file_size: default_max_file_size(),
            max_files: default_max_files(),
        }
    }
}

fn default_max_file_size() -> Quantity {
    Quantity("5Gi".into())
}

fn default_max_files() -> i32 {
    100
}

/// How bytes reach a reader.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum Delivery {
    /// Through the gateway.
    #[default]
    Proxy,
    /// A redirect (307) to a presigned URL of the object store, which readers must be able to reach.
    Redirect,
}

/// What deletion does to the bucket and the database.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum DeletionPolicy {
    /// They stay, with all they hold.
    #[default]
    Retain,
    /// They are emptied and removed. An adopted bucket stays all the same.
    Delete,
}
