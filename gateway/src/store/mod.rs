//! The bytes: one S3 bucket. One file per S3 call; nothing here knows what a file is.

mod abort_multipart_upload;
mod complete_multipart_upload;
mod connect;
mod create_multipart_upload;
mod credentials;
mod delete_object;
pub mod embedded;
mod error;
mod get_object;
mod head_bucket;
mod head_object;
mod http;
mod list_multipart_uploads;
mod list_objects;
mod metered;
mod presign;
mod put_object;
mod upload_part;
mod web_identity;

pub use connect::StoreSettings;
pub use create_multipart_upload::MultipartUpload;
pub use credentials::Keys;
pub use error::StoreError;
pub use get_object::Body;
pub use head_bucket::BucketAnswer;
pub use list_multipart_uploads::{OpenUpload, OpenUploadPage};
pub use list_objects::{ObjectPage, StoredObject};
pub use presign::Presented;
pub use upload_part::UploadedPart;
pub use web_identity::WebIdentity;

use aws_sdk_s3::Client;

use crate::telemetry::Metrics;

/// The smallest part that S3 accepts, the last one excepted, in bytes.
pub const MIN_PART_BYTES: u64 = 5 * 1024 * 1024;
/// The most parts that one upload may have.
pub const MAX_PARTS: u64 = 10_000;

/// The organization's bucket; cheap to clone, one connection pool for all clones.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    bucket: String,
    /// Whether the bytes go over TLS, which checks them on the way.
    tls: bool,
    metrics: Metrics,
}

impl Store {
    /// What its calls are counted in.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}
