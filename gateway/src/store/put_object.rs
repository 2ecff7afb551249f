//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::connect::transfer;
use super::{Store, StoreError};

impl Store {
    /// Writes a whole object. The body is in memory, so the SDK can send it again by itself.
    ///
    /// # Errors
    /// When the server does not say that it has it.
    pub async fn put_object(
        &self,
        key: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<(), StoreError> {
        let limits = transfer(body.len());
        let call = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type(content_type)
            .body(ByteStream::from(body))
            .customize()
            .config_override(limits);
        let call = match self.tls {
            true => call.disable_payload_signing(),
            false => call,
        };
        call.send()
            .await
            .map_err(|error| StoreError::from_sdk("store an object", error))?;
        Ok(())
    }
}
