//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ShareObjectPreSignedURL.html>

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use url::Url;

use super::{Store, StoreError};

/// The headers that the store is to answer a presigned URL with.
#[derive(Debug, Clone)]
pub struct Presented {
    /// `Content-Type`.
    pub content_type: String,
    /// `Content-Disposition`, a well-formed header value.
    pub disposition: String,
}

impl Store {
    /// A URL with which anyone may read an object for `lifetime`. No call is made.
    ///
    /// # Errors
    /// When there is no access key to sign with, or the lifetime is longer than a week.
    pub async fn presign(
        &self,
        key: &str,
        lifetime: Duration,
        presented: Presented,
    ) -> Result<Url, StoreError> {
        let action = "sign a URL";
        let config =
            PresigningConfig::expires_in(lifetime).map_err(|error| StoreError::Nonsense {
                action,
                source: error.into(),
            })?;
        let request = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .response_content_type(presented.content_type)
            .response_content_disposition(presented.disposition)
            .response_cache_control("private, max-age=0")
            .presigned(config)
            .await
            .map_err(|error| StoreError::from_sdk(action, error))?;
        Url::parse(request.uri()).map_err(|error| StoreError::Nonsense {
            action,
            source: error.into(),
        })
    }
}
