//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use super::connect::transfer;
use super::{MultipartUpload, Store, StoreError, UploadedPart};

impl Store {
    /// Makes the object of its parts, which must be in order and `size` bytes together.
    ///
    /// # Errors
    /// When the server does not say that it did.
    pub async fn complete_multipart_upload(
        &self,
        upload: &MultipartUpload,
        parts: &[UploadedPart],
        size: u64,
    ) -> Result<(), StoreError> {
        let action = "put an upload together";
        let parts = parts
            .iter()
            .map(|part| {
                CompletedPart::builder()
                    .part_number(part.number)
                    .e_tag(&part.etag)
                    .build()
            })
            .collect();
        let outcome = self
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(&upload.key)
            .upload_id(&upload.id)
            .multipart_upload(
                CompletedMultipartUpload::builder()
                    .set_parts(Some(parts))
                    .build(),
            )
            .customize()
            .config_override(transfer(0))
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(action, error));
        match outcome {
            Ok(_) => Ok(()),
            // The first try did it and its answer was lost: the SDK's second try finds no upload.
            Err(error @ StoreError::NotFound { .. }) => match self.head_object(&upload.key).await {
                Ok(found) if found == size => Ok(()),
                Ok(_) | Err(StoreError::NotFound { .. }) => Err(error),
                // Whether it is there is not known: that may pass.
                Err(unknown) => Err(unknown),
            },
            Err(error) => Err(error),
        }
    }
}
