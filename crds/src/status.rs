//! The status of a FileGateway.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::class::{DatabaseServer, IamServer, ObjectStore};
use crate::gateway::{DatabaseType, DeletionPolicy};

/// What the operator found and made.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileGatewayStatus {
    // Parts are atomic, since one manager writes them: noting who owns each of their fields costs the API
    // server a fifth of a write.
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready` sums up; the others say which step stands where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The bucket: written before it is created, so that no crash can forget it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub bucket: Option<BucketStatus>,
    /// The database: written before it is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub database: Option<DatabaseStatus>,
    /// When keys and passwords were issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub rotations: Option<RotationStatuses>,
    /// The class as last used, so that deletion does not need it to exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub class: Option<ClassSnapshot>,
    /// Servers that the class named before: logins that were made there are revoked when no pod uses them any
    /// more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub former: Vec<FormerServers>,
    /// The deletion policy in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// The gateway's address: from outside of the cluster where it is exposed, else inside. Example:
    /// `http://files.acme.svc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Hosts that lead to the gateway from outside of the cluster, and one that it gives up until nothing
    /// leads from there any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub hosts: Vec<String>,
    /// The version of the gateway pods: the tag or digest of their image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Gateway pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Gateway pods that answer requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// Label selector of the gateway pods, for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
}

/// When keys and passwords were issued.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RotationStatuses {
    /// The key that signs file tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<RotationStatus>,
    /// The S3 access key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key: Option<RotationStatus>,
    /// The password of the PostgreSQL role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_password: Option<RotationStatus>,
}

/// When one credential was issued.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RotationStatus {
    /// When the current one was issued.
    pub issued_at: Time,
    /// When the next one is, by the class's schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Time>,
    /// The value of the annotation that was last answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

/// The servers of a class as they were last used.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassSnapshot {
    /// Name of the class.
    pub name: String,
    /// Its S3 server.
    pub object_store: ObjectStore,
    /// Its IAM server, if it has one, or the former one until the user there is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iam: Option<IamServer>,
    /// Its PostgreSQL server, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseServer>,
}

/// Servers that a class named before it named others, with what has to be revoked there.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FormerServers {
    /// When the class was seen to name others.
    pub since: Time,
    /// The class as it was.
    pub class: ClassSnapshot,
    /// The S3 user at its IAM server; none when that is done, or has not moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The database at its PostgreSQL server, whose roles are locked; none when that is done, or has not
    /// moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseStatus>,
}

/// The bucket as provisioned.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BucketStatus {
    /// Its name.
    pub name: String,
    /// The S3 endpoint that it was made at.
    pub endpoint: String,
    /// Its region.
    pub region: String,
    /// Whether the operator made it. Only such a bucket is ever deleted.
    pub created: bool,
    /// Written after the bucket was found absent and before it is created: after a crash between
    /// the creation and its mark, a bucket without a mark is still known as ours.
    #[serde(default)]
    pub creating: bool,
    /// While it is emptied: how many objects, versions and unfinished uploads are gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emptied: Option<i64>,
    /// The S3 user that can touch it, named here before it is created; none where the class makes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// The database as provisioned.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseStatus {
    /// Its kind.
    #[serde(rename = "type")]
    pub type_: DatabaseType,
    /// Its name, and that of its role, on PostgreSQL; the volume claim's name for SQLite.
    pub name: String,
    /// Host and port of the PostgreSQL server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Whether the operator made it. Only such a database is ever dropped.
    pub created: bool,
}
