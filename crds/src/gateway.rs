//! FileGateway: one organization's gateway.

// Printer columns repeat their keys; the lint takes them for one attribute.
#![allow(clippy::duplicated_attributes)]

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::{AccessSpec, CorsSpec, Delivery, TokensSpec};
use crate::auth::AuthSpec;
use crate::bucket::BucketSpec;
use crate::exposure::ExposureSpec;
use crate::limits::{QuotaSpec, UploadsSpec};
use crate::reference::{DatabaseReference, NAME};
use crate::scaling::ScalingSpec;
use crate::scheduling::SchedulingSpec;
use crate::server::ServerSpec;
use crate::shutdown::ShutdownSpec;
use crate::status::FileGatewayStatus;
use crate::video::VideoSpec;
use crate::webhooks::WebhooksSpec;

/// What one organization asks for.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "filegateway.dev",
    version = "v1alpha1",
    kind = "FileGateway",
    plural = "filegateways",
    singular = "filegateway",
    shortname = "fgw",
    category = "filegateway",
    namespaced,
    status = "FileGatewayStatus",
    derive = "PartialEq",
    doc = "A FileGateway is one organization's file storage: a bucket, credentials, a database, \
           signing keys, and the gateway pods that serve /v1/files.",
    scale(
        spec_replicas_path = ".spec.scaling.replicas",
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
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version", priority = 1),
    printcolumn(name = "Policy", type_ = "string", json_path = ".status.deletionPolicy", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.database.type != 'SQLite' || self.scaling.replicas <= 1")
    .message("spec.scaling.replicas: SQLite lives on one pod's volume; write 1, or set spec.database.type to PostgreSQL"))]
#[x_kube(validation = Rule::new("self.database.type != 'SQLite' || !has(self.scaling.autoscaling)")
    .message("spec.scaling.autoscaling: SQLite lives on one pod's volume; leave it out, or set spec.database.type to PostgreSQL"))]
#[x_kube(validation = Rule::new("!has(self.scaling.autoscaling) || !has(self.resources) || (has(self.resources.requests) && 'cpu' in self.resources.requests)")
    .message("spec.resources.requests.cpu: an autoscaler measures against it; write a number such as 250m, or leave spec.resources out"))]
#[x_kube(validation = Rule::new("self.database.type != 'SQLite' || self.video.worker.replicas <= 1")
    .message("spec.video.worker.replicas: with SQLite the gateway's one pod works on videos itself; leave it out, or set spec.database.type to PostgreSQL"))]
#[x_kube(validation = Rule::new("self.database.type != 'SQLite' || !has(self.video.worker.resources)")
    .message("spec.video.worker.resources: with SQLite the gateway's one pod works on videos itself; write spec.resources instead"))]
#[x_kube(validation = Rule::new("!has(self.uploads.memory) || !isQuantity(string(self.uploads.memory)) || (has(self.resources) ? (!has(self.resources.limits) || !('memory' in self.resources.limits) || !isQuantity(string(self.resources.limits['memory'])) || quantity(string(self.uploads.memory)).add(quantity(string(self.uploads.memory))).compareTo(quantity(string(self.resources.limits['memory']))) <= 0) : quantity(string(self.uploads.memory)).compareTo(quantity('256Mi')) <= 0)")
    .message("spec.uploads.memory: it is more than half of the memory that pods may use; write less, or at least twice as much in spec.resources.limits.memory"))]
#[x_kube(validation = Rule::new("!has(self.bucket.lifecycle) || !has(self.bucket.lifecycle.abortUploadsDays) || self.bucket.lifecycle.abortUploadsDays * 86400 > self.uploads.expireSeconds")
    .message("spec.bucket.lifecycle.abortUploadsDays: it would end uploads that spec.uploads.expireSeconds keeps open; write more days, or fewer seconds there"))]
// What nobody wrote is 5Gi, and contradicts nothing: a quota alone is enough.
#[x_kube(validation = Rule::new("!has(self.quota.size) || !isQuantity(string(self.uploads.maxFileSize)) || !isQuantity(string(self.quota.size)) || quantity(string(self.uploads.maxFileSize)).compareTo(quantity('5Gi')) == 0 || quantity(string(self.uploads.maxFileSize)).compareTo(quantity(string(self.quota.size))) <= 0")
    .message("spec.uploads.maxFileSize: it is more than spec.quota.size, so no such file could be stored; write less, or raise spec.quota.size"))]
#[x_kube(validation = Rule::new("!has(self.quota.perOwner.size) || !isQuantity(string(self.uploads.maxFileSize)) || !isQuantity(string(self.quota.perOwner.size)) || quantity(string(self.uploads.maxFileSize)).compareTo(quantity('5Gi')) == 0 || quantity(string(self.uploads.maxFileSize)).compareTo(quantity(string(self.quota.perOwner.size))) <= 0")
    .message("spec.uploads.maxFileSize: it is more than spec.quota.perOwner.size, so no such file could be stored; write less, or raise spec.quota.perOwner.size"))]
pub struct FileGatewaySpec {
    /// The FileGatewayClass that says where buckets and databases live. Can't be changed.
    /// Default: `default`.
    #[serde(default = "default_class")]
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME))]
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

    /// Limits of uploads.
    #[serde(default)]
    pub uploads: UploadsSpec,

    /// How much may be stored. Default: there is no limit.
    #[serde(default)]
    pub quota: QuotaSpec,

    /// Whose web pages may call the gateway from a browser.
    #[serde(default)]
    pub cors: CorsSpec,

    /// What a connection and a caller may cost.
    #[serde(default)]
    pub server: ServerSpec,

    /// How bytes reach a reader. Default: `Proxy`.
    #[serde(default)]
    pub delivery: Delivery,

    /// What is made of videos, and by whom.
    #[serde(default)]
    pub video: VideoSpec,

    /// Whom the gateway tells what happens to its files. Default: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhooks: Option<WebhooksSpec>,

    /// How many pods serve requests. Default: 1.
    #[serde(default)]
    pub scaling: ScalingSpec,

    /// Which nodes pods may run on.
    #[serde(default)]
    pub scheduling: SchedulingSpec,

    /// How the gateway is reached from outside of the cluster. Default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<ExposureSpec>,

    /// How pods end.
    #[serde(default)]
    pub shutdown: ShutdownSpec,

    /// Compute resources of each gateway pod. Default: 50m CPU and 64Mi memory requested, and 512Mi
    /// memory at most, 4Gi where it works on videos itself as with SQLite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("!has(self.claims)")
        .message("spec.resources.claims: gateways use no devices; leave claims out"))]
    #[x_kube(validation = Rule::new("!has(self.requests) || !has(self.limits) || ['cpu', 'memory', 'ephemeral-storage'].all(r, !(r in self.requests) || !(r in self.limits) || !isQuantity(string(self.requests[r])) || !isQuantity(string(self.limits[r])) || quantity(string(self.requests[r])).compareTo(quantity(string(self.limits[r]))) <= 0)")
        .message("spec.resources.requests: more is requested than limits allow, and no pod could be made; request less, or raise spec.resources.limits"))]
    pub resources: Option<ResourceRequirements>,

    /// What happens to the bucket and the database when this resource is deleted; credentials are
    /// always revoked. May be changed at any time. Default: `Retain`.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

fn default_class() -> String {
    "default".into()
}

/// The database of a gateway.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.type != 'Secret' || has(self.secretRef)")
    .message("spec.database.secretRef: type Secret takes the database that a Secret names; write its name here"))]
#[x_kube(validation = Rule::new("self.type == 'Secret' || !has(self.secretRef)")
    .message("spec.database.secretRef: it names a database of type Secret only; leave it out, or write type Secret"))]
#[x_kube(validation = Rule::new("self.type != 'SQLite' || !isQuantity(string(self.sqlite.size)) || !isQuantity(string(oldSelf.sqlite.size)) || quantity(string(self.sqlite.size)).compareTo(quantity(string(oldSelf.sqlite.size))) >= 0")
    .message("spec.database.sqlite.size: a volume can't become smaller; write its former size, or more"))]
#[x_kube(validation = Rule::new("self.type != 'SQLite' || (has(self.sqlite.storageClassName) ? has(oldSelf.sqlite.storageClassName) && self.sqlite.storageClassName == oldSelf.sqlite.storageClassName : !has(oldSelf.sqlite.storageClassName))")
    .message("spec.database.sqlite.storageClassName can't be changed: a volume stays where it was made; make a new FileGateway with the other class"))]
pub struct DatabaseSpec {
    /// `PostgreSQL`: a role and a database of its own on the class's server. `SQLite`: a file on a
    /// volume, for one replica. `Secret`: a PostgreSQL database that is there already, which the operator
    /// never touches. Can't be changed. Default: `PostgreSQL`.
    #[serde(rename = "type", default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("spec.database.type can't be changed"))]
    pub type_: DatabaseType,

    /// Connections of each pod, at most. Default: 10.
    #[serde(default = "default_max_connections")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_connections: i32,

    /// The volume of a SQLite database.
    #[serde(default)]
    pub sqlite: SqliteVolume,

    /// The Secret that names a database of type `Secret`, with a login that owns it. Pods follow its
    /// changes without a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<DatabaseReference>,
}

impl Default for DatabaseSpec {
    fn default() -> Self {
        Self {
            type_: DatabaseType::default(),
            max_connections: default_max_connections(),
            sqlite: SqliteVolume::default(),
            secret_ref: None,
        }
    }
}

fn default_max_connections() -> i32 {
    10
}

/// A kind of database.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum DatabaseType {
    /// The class's PostgreSQL server.
    #[default]
    PostgreSQL,
    /// A file on a volume.
    SQLite,
    /// A PostgreSQL database that a Secret names.
    Secret,
}

/// The volume of a SQLite database.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SqliteVolume {
    /// Size of the volume, which can only grow. Default: `1Gi`.
    #[serde(default = "default_volume_size")]
    #[x_kube(validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('1')) >= 0")
        .message("spec.database.sqlite.size: write a size such as 1Gi"))]
    pub size: Quantity,
    /// StorageClass of the volume. Can't be changed. Default: the cluster's own default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME))]
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

/// What deletion does to the bucket and the database.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum DeletionPolicy {
    /// They stay, with all they hold.
    #[default]
    Retain,
    /// They are emptied and removed. An adopted bucket stays all the same.
    Delete,
}
