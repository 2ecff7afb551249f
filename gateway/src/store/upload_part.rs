//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html>

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::connect::transfer;
use super::{MultipartUpload, Store, StoreError};

/// A part that the server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedPart {
    /// Its number, from 1.
    pub number: i32,
    /// The server's tag of it.
    pub etag: String,
}

impl Store {
    /// Sends one part. It is in memory, so the SDK can send it again by itself.
    ///
    /// # Errors
    /// When the server does not say that it has it.
    pub async fn upload_part(
        &self,
        upload: &MultipartUpload,
        number: i32,
        body: Bytes,
    ) -> Result<UploadedPart, StoreError> {
        let action = "store a part";
        let limits = transfer(body.len());
        let call = self
            .client
            .upload_part()
            .bucket(&self.bucket)
            .key(&upload.key)
            .upload_id(&upload.id)
            .part_number(number)
            .body(ByteStream::from(body))
            .customize()
            .config_override(limits);
        let call = match self.tls {
            true => call.disable_payload_signing(),
            false => call,
        };
        let output = call
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(action, error))?;
        let etag = output.e_tag.ok_or_else(|| StoreError::Nonsense {
            action,
            source: "no ETag".into(),
        })?;
        Ok(UploadedPart { number, etag })
    }
}
