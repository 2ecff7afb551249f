//! FileGatewayClass: the platform team's side.

// Printer columns repeat their keys; the lint takes them for one attribute.
#![allow(clippy::duplicated_attributes)]

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bucket::BucketDefaults;
use crate::credentials::ClassCredentials;
use crate::exposure::ExposureRules;
use crate::monitoring::MonitoringRules;
use crate::network::NetworkRules;
use crate::reference::SecretReference;
use crate::tracing::TracingRules;
use crate::webhooks::WebhookRules;

/// Where gateways of this class keep their bytes and rows.
///
/// Every Secret named here lives in the operator's own namespace.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "filegateway.dev",
    version = "v1alpha1",
    kind = "FileGatewayClass",
    plural = "filegatewayclasses",
    singular = "filegatewayclass",
    shortname = "fgwc",
    category = "filegateway",
    status = "FileGatewayClassStatus",
    derive = "PartialEq",
    doc = "A FileGatewayClass names the object store, its IAM server, the database server, the \
           image and the rules for the FileGateways that refer to it. Secrets named in it live in \
           the operator's namespace.",
    validation = Rule::new("self.spec.credentials.type != 'IAMUser' || has(self.spec.iam)")
        .message("spec.iam: the operator makes users there; name the server, or set spec.credentials.type to Secret or WebIdentity"),
    printcolumn(
        name = "Accepted",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Accepted\")].status"
    ),
    printcolumn(
        name = "Endpoint",
        type_ = "string",
        json_path = ".spec.objectStore.endpoint"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Accepted\")].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct FileGatewayClassSpec {
    /// The S3 server that buckets are made on.
    pub object_store: ObjectStore,
    /// How buckets are set up where a FileGateway says nothing.
    #[serde(default)]
    pub bucket: BucketDefaults,
    /// How gateways prove to the object store who they are.
    #[serde(default)]
    pub credentials: ClassCredentials,
    /// The server that speaks the AWS IAM API, for users and keys that can touch one bucket alone. Needed
    /// where `spec.credentials.type` is `IAMUser`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iam: Option<IamServer>,
    /// The PostgreSQL server that databases are made on. Without it gateways of this class can
    /// only use SQLite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseServer>,
    /// The gateway's image. Default: the one that came with the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<GatewayImage>,
    /// How often what gateways sign and log in with is replaced.
    #[serde(default)]
    pub rotation: Rotation,
    /// The namespaces whose FileGateways may use this class. Default: all of them.
    #[serde(default)]
    pub allowed_namespaces: AllowedNamespaces,
    /// Whom gateway pods may talk to.
    #[serde(default)]
    pub network_policy: NetworkRules,
    /// What gateways may be reached by from outside of the cluster. Default: nothing.
    #[serde(default)]
    pub exposure: ExposureRules,
    /// Who reads gateways' metrics.
    #[serde(default)]
    pub monitoring: MonitoringRules,
    /// Where gateways send traces. Default: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracing: Option<TracingRules>,
    /// Where gateways may send events.
    #[serde(default)]
    pub webhooks: WebhookRules,
}

/// An S3 server.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStore {
    /// Its URL. Example: `http://s3.storage.svc:7070`.
    #[schemars(length(max = 1024))]
    #[x_kube(validation = Rule::new("self.startsWith('http://') || self.startsWith('https://')")
        .message("objectStore.endpoint: write a URL that starts with https:// or http://"))]
    pub endpoint: String,
    /// The region that requests are signed for. Default: `us-east-1`.
    #[serde(default = "default_region")]
    #[schemars(length(min = 1, max = 64))]
    pub region: String,
    /// Whether the bucket is named in the path rather than in the host. Default: `true`.
    #[serde(default = "default_true")]
    pub path_style: bool,
    /// A Secret with `access-key-id` and `secret-access-key` that may make, tag, empty and delete
    /// buckets.
    pub credentials_secret_ref: SecretReference,
}

/// An IAM server.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct IamServer {
    /// Its URL. Example: `http://s3.storage.svc:7071`.
    #[schemars(length(max = 1024))]
    #[x_kube(validation = Rule::new("self.startsWith('http://') || self.startsWith('https://')")
        .message("iam.endpoint: write a URL that starts with https:// or http://"))]
    pub endpoint: String,
    /// A Secret with `access-key-id` and `secret-access-key` that may make and delete users, keys
    /// and user policies. Default: the object store's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretReference>,
}

/// A PostgreSQL server.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseServer {
    /// Its host, as both the operator and the gateway pods reach it. Example: `postgres.storage.svc`.
    #[schemars(length(min = 1, max = 253))]
    pub host: String,
    /// Its port. Default: 5432.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// How far TLS is demanded, in libpq's words. Default: `prefer`.
    #[serde(default = "default_ssl_mode")]
    #[schemars(regex(pattern = "^(disable|allow|prefer|require|verify-ca|verify-full)$"))]
    pub ssl_mode: String,
    /// A Secret with `username` and `password` of a role that may make roles and databases.
    pub credentials_secret_ref: SecretReference,
}

/// The image of the gateway pods.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayImage {
    /// Its name with tag or digest.
    #[schemars(length(min = 1, max = 1024))]
    pub name: String,
    /// When the node pulls it. Default: `IfNotPresent`.
    #[serde(default)]
    pub pull_policy: PullPolicy,
    /// Secrets in the gateway's namespace to pull it with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pull_secrets: Vec<SecretReference>,
}

/// When a node pulls an image.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum PullPolicy {
    /// When it is not there yet.
    #[default]
    IfNotPresent,
    /// At each start.
    Always,
    /// Never.
    Never,
}

/// How often what gateways sign and log in with is replaced, without a restart and without a failed
/// request. An annotation on a FileGateway asks for it at once.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rotation {
    /// How old a key that signs file tokens may become, in days; 0 for any age. At once: the annotation
    /// `filegateway.dev/rotate-signing-key` with a new value. Default: 30.
    #[serde(default = "default_signing_key_days")]
    #[schemars(range(min = 0, max = 3650))]
    pub signing_key_days: i32,
    /// How old an S3 access key may become, in days; 0 for any age. At once: the annotation
    /// `filegateway.dev/rotate-access-key` with a new value. Default: 90.
    #[serde(default = "default_credential_days")]
    #[schemars(range(min = 0, max = 3650))]
    pub access_key_days: i32,
    /// How old a database password may become, in days; 0 for any age. At once: the annotation
    /// `filegateway.dev/rotate-database-password` with a new value. Default: 90.
    #[serde(default = "default_credential_days")]
    #[schemars(range(min = 0, max = 3650))]
    pub database_password_days: i32,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            signing_key_days: default_signing_key_days(),
            access_key_days: default_credential_days(),
            database_password_days: default_credential_days(),
        }
    }
}

/// Which namespaces may use a class.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowedNamespaces {
    /// Labels of the allowed namespaces. Default: every namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// What the operator found out about a class.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileGatewayClassStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Accepted`: the Secrets that it names are there and complete. `InUse`: FileGateways name it, and it
    /// can't be deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The operator that `Accepted` is of: its namespace and the name of its Lease. Another one that finds
    /// the class acceptable takes its place when it says no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_by: Option<String>,
    /// The operators that look after FileGateways which name the class, called as above. While there is one
    /// it can't be deleted, as far as that one's chart is installed. Each writes itself alone.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub used_by: BTreeSet<String>,
}

fn default_region() -> String {
    "us-east-1".into()
}

fn default_true() -> bool {
    true
}

fn default_signing_key_days() -> i32 {
    30
}

fn default_credential_days() -> i32 {
    90
}

fn default_port() -> i32 {
    5432
}

fn default_ssl_mode() -> String {
    "prefer".into()
}
