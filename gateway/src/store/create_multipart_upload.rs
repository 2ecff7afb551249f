//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html>

use super::{Store, StoreError};

/// An upload in parts that was begun and must be completed or aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultipartUpload {
    /// The object that it will become.
    pub key: String,
    /// The server's id of it.
    pub id: String,
}

impl Store {
    /// Begins an upload in parts.
    ///
    /// # Errors
    /// When the server does not name the upload.
    pub async fn create_multipart_upload(
        &self,
        key: &str,
        content_type: &str,
    ) -> Result<MultipartUpload, StoreError> {
        let action = "begin an upload in parts";
        let output = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(key)
            .content_type(content_type)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(action, error))?;
        let id = output.upload_id.ok_or_else(|| StoreError::Nonsense {
            action,
            source: "no upload id".into(),
        })?;
        Ok(MultipartUpload {
            key: key.to_owned(),
            id,
        })
    }
}
