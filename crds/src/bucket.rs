//! The bucket of a gateway, and how it is set up.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The bucket of a gateway.
///
/// What is left out here and in the class is left as it is on the server. The rest is held: a setting
/// that somebody else changed is written again. A setting that the server can't do is told by the
/// condition `BucketConfigured` and keeps no gateway from running.
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

    /// Take over a bucket that exists already, and whose tag `filegateway.dev/namespace` is this
    /// namespace: one that a FileGateway left here has it, to others whoever runs the store adds it.
    /// Without `adopt` an existing bucket is refused; an adopted bucket is never deleted. Can't be
    /// changed. Default: `false`.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("spec.bucket.adopt can't be changed"))]
    pub adopt: bool,

    /// Whether former contents of objects are kept. Default: the class's, else as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versioning: Option<BucketVersioning>,

    /// How the server encrypts what it stores. Default: the class's, else as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<BucketEncryption>,

    /// Whose web pages may read the bucket itself, which they do when `spec.delivery` is `Redirect`.
    /// These are all the rules of the bucket; an empty list removes those that it has. Default: as it
    /// is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub cors: Option<Vec<BucketCorsRule>>,

    /// What the server deletes by itself. Rules of others are kept; `{}` removes ours. Default: the
    /// class's, else as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<BucketLifecycle>,

    /// Whether the server refuses to make objects public, whatever a policy or an ACL says.
    /// Default: the class's, else as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_access: Option<PublicAccess>,
}

/// How buckets of a class are set up where a FileGateway says nothing.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BucketDefaults {
    /// Whether former contents of objects are kept. Default: as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versioning: Option<BucketVersioning>,

    /// How the server encrypts what it stores. Default: as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<BucketEncryption>,

    /// The KMS keys that FileGateways may name, beside that of `encryption` above. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 2048)))]
    pub kms_key_ids: Vec<String>,

    /// What the server deletes by itself. Default: as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<BucketLifecycle>,

    /// Whether the server refuses to make objects public. Default: as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_access: Option<PublicAccess>,
}

/// Whether former contents of objects are kept.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum BucketVersioning {
    /// They are: what is deleted or overwritten goes on taking space until a lifecycle rule ends it.
    Enabled,
    /// They are not. Versions that are there already stay.
    Suspended,
}

/// How the server encrypts what it stores.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.kmsKeyId) || self.type == 'SSE-KMS'")
    .message("encryption.kmsKeyId: only SSE-KMS has a key; set encryption.type to SSE-KMS, or leave the key out"))]
pub struct BucketEncryption {
    /// `SSE-S3`: with keys of the server's own. `SSE-KMS`: with a key of a key management service.
    #[serde(rename = "type")]
    pub type_: EncryptionType,

    /// The key for `SSE-KMS`, as the server names it (on AWS its ARN); one that the class allows. The
    /// gateway's S3 user has to be permitted its use. Default: the server's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub kms_key_id: Option<String>,
}

/// Whose keys encrypt what is stored.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum EncryptionType {
    /// The server's own.
    #[serde(rename = "SSE-S3")]
    SseS3,
    /// Those of a key management service.
    #[serde(rename = "SSE-KMS")]
    SseKms,
}

/// What some web pages may do with the bucket.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BucketCorsRule {
    /// Origins (RFC 6454). A browser that was redirected from a gateway on another origin than its
    /// page says `null`, so `*` is what lets it read; the presigned URL is the permission. Example:
    /// `https://app.example.com`.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 300)))]
    pub allowed_origins: Vec<String>,

    /// What they may do. Default: `GET` and `HEAD`.
    #[serde(default = "default_methods")]
    #[schemars(length(min = 1, max = 5))]
    pub allowed_methods: Vec<CorsMethod>,

    /// Headers that requests may have. Default: none beyond those that need no permission. Example:
    /// `Range`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 128)))]
    pub allowed_headers: Vec<String>,

    /// Headers of answers that pages may read. Example: `Content-Range`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 128)))]
    pub expose_headers: Vec<String>,

    /// For how long browsers may remember the answer, in seconds. Default: 3600.
    #[serde(default = "default_max_age")]
    #[schemars(range(min = 0, max = 86400))]
    pub max_age_seconds: i32,
}

fn default_methods() -> Vec<CorsMethod> {
    vec![CorsMethod::Get, CorsMethod::Head]
}

fn default_max_age() -> i32 {
    3600
}

/// A method that a web page may use.
#[derive(
    Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum CorsMethod {
    /// Read.
    Get,
    /// Read what describes it.
    Head,
    /// Write.
    Put,
    /// Write by a form.
    Post,
    /// Delete.
    Delete,
}

impl CorsMethod {
    /// As it stands in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// What the server deletes by itself.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BucketLifecycle {
    /// After how many days a former version of an object, or one that was deleted, is gone. Default:
    /// never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 36500))]
    pub expire_noncurrent_days: Option<i32>,

    /// How many days after its beginning an upload in parts that was not finished is gone. The gateway
    /// ends its own when nobody goes on with them (`spec.uploads.expireSeconds`, which has to be
    /// shorter); this is for what others leave. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 36500))]
    pub abort_uploads_days: Option<i32>,
}

/// Whether objects can be made public.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum PublicAccess {
    /// The server refuses ACLs and policies that would.
    Blocked,
    /// Whatever ACLs and policies say.
    Allowed,
}
