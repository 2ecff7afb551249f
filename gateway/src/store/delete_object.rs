//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html>

use super::{Store, StoreError};

impl Store {
    /// Deletes an object; one that is not there is as good as deleted.
    ///
    /// # Errors
    /// When the server does not say that it did.
    pub async fn delete_object(&self, key: &str) -> Result<(), StoreError> {
        let outcome = self
            .client
            .delete_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await;
        match outcome.map_err(|error| StoreError::from_sdk("delete an object", error)) {
            Ok(_) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
