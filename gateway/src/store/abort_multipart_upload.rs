//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html>

use super::{MultipartUpload, Store, StoreError};

impl Store {
    /// Forgets an upload and its parts; one that is not there is as good as forgotten.
    ///
    /// # Errors
    /// When the server does not say that it did.
    pub async fn abort_multipart_upload(&self, upload: &MultipartUpload) -> Result<(), StoreError> {
        let outcome = self
            .client
            .abort_multipart_upload()
            .bucket(&self.bucket)
            .key(&upload.key)
            .upload_id(&upload.id)
            .send()
            .await;
        match outcome.map_err(|error| StoreError::from_sdk("abort an upload in parts", error)) {
            Ok(_) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
