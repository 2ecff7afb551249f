//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html>

use super::{Store, StoreError};

impl Store {
    /// The length of an object in bytes.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not there.
    pub async fn head_object(&self, key: &str) -> Result<u64, StoreError> {
        let action = "find an object";
        let output = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(action, error))?;
        output
            .content_length
            .and_then(|length| u64::try_from(length).ok())
            .ok_or_else(|| StoreError::Nonsense {
                action,
                source: "no length".into(),
            })
    }
}
