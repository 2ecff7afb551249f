//! How much may be uploaded, stored and asked for.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A media range (RFC 9110, 12.5.1) without parameters: a type, or `image/*` for all of a kind.
const MEDIA_RANGE: &str = r"^[a-z0-9][a-z0-9!#$&^_.+-]*/(\*|[a-z0-9][a-z0-9!#$&^_.+-]*)$";

/// Limits of uploads.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!self.allowedTypes.exists(t, t in self.deniedTypes)")
    .message("spec.uploads: a type is both in allowedTypes and in deniedTypes, which wins; take it out of one of them"))]
pub struct UploadsSpec {
    /// The largest file. Default: `5Gi`.
    #[serde(default = "default_max_file_size")]
    #[x_kube(validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('1')) >= 0 && quantity(string(self)).compareTo(quantity('5Ti')) <= 0")
        .message("spec.uploads.maxFileSize: write a size such as 5Gi; S3 takes 5Ti at most"))]
    pub max_file_size: Quantity,

    /// The most files in one request. Default: 100.
    #[serde(default = "default_max_files")]
    #[schemars(range(min = 1, max = 10000))]
    pub max_files: i32,

    /// Media types that are taken, by what a file's first bytes show; `image/*` for all of a kind.
    /// Default: all. Example: `[image/*, application/pdf]`.
    #[serde(default)]
    #[schemars(
        length(max = 128),
        inner(
            length(max = 127),
            regex(pattern = MEDIA_RANGE)
        )
    )]
    pub allowed_types: Vec<String>,

    /// Media types that are not taken, even if allowed. Default: none.
    #[serde(default)]
    #[schemars(
        length(max = 128),
        inner(
            length(max = 127),
            regex(pattern = MEDIA_RANGE)
        )
    )]
    pub denied_types: Vec<String>,

    /// Requests that upload at once, in one pod; one more is answered 503 with `Retry-After`. One caller
    /// may have a quarter of them; one more of its is answered 429 with `Retry-After`. Default: 256.
    #[serde(default = "default_in_flight")]
    #[schemars(range(min = 1, max = 100_000))]
    pub in_flight: i32,

    /// Memory that all uploads share, in one pod; who finds none left waits. Default: half of what
    /// `spec.resources` allows, `256Mi` at most. Example: `512Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('8Mi')) >= 0 && quantity(string(self)).compareTo(quantity('1Ti')) <= 0")
        .message("spec.uploads.memory: write a size such as 512Mi, 8Mi at least and 1Ti at most"))]
    pub memory: Option<Quantity>,

    /// How long an unfinished resumable upload may rest, in seconds. Default: 86400, a day.
    #[serde(default = "default_expire_seconds")]
    #[schemars(range(min = 60, max = 31_536_000))]
    pub expire_seconds: i32,
}

impl Default for UploadsSpec {
    fn default() -> Self {
        Self {
            max_file_size: default_max_file_size(),
            max_files: default_max_files(),
            allowed_types: Vec::new(),
            denied_types: Vec::new(),
            in_flight: default_in_flight(),
            memory: None,
            expire_seconds: default_expire_seconds(),
        }
    }
}

fn default_max_file_size() -> Quantity {
    Quantity("5Gi".into())
}

fn default_max_files() -> i32 {
    100
}

fn default_in_flight() -> i32 {
    256
}

fn default_expire_seconds() -> i32 {
    24 * 60 * 60
}

/// How much may be stored.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.size) || !has(self.perOwner.size) || !isQuantity(string(self.size)) || !isQuantity(string(self.perOwner.size)) || quantity(string(self.perOwner.size)).compareTo(quantity(string(self.size))) <= 0")
    .message("spec.quota.perOwner.size: it is more than spec.quota.size, which no owner could use up; write less, or leave it out"))]
#[x_kube(validation = Rule::new("!has(self.files) || !has(self.perOwner.files) || self.perOwner.files <= self.files")
    .message("spec.quota.perOwner.files: it is more than spec.quota.files, which no owner could use up; write less, or leave it out"))]
pub struct QuotaSpec {
    /// How much the organization may store. Default: no limit. Example: `1Ti`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('1')) >= 0 && quantity(string(self)).compareTo(quantity('8Ei')) < 0")
        .message("spec.quota.size: write a size such as 1Ti"))]
    pub size: Option<Quantity>,

    /// How many files the organization may store. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub files: Option<i64>,

    /// How much of that each owner may store.
    #[serde(default)]
    pub per_owner: OwnerQuota,
}

/// How much each owner may store.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct OwnerQuota {
    /// How much. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('1')) >= 0 && quantity(string(self)).compareTo(quantity('8Ei')) < 0")
        .message("spec.quota.perOwner.size: write a size such as 10Gi"))]
    pub size: Option<Quantity>,

    /// How many files. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub files: Option<i64>,
}
