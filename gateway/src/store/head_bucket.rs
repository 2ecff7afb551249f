//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html>

use aws_sdk_s3::config::retry::RetryConfig;

use super::{Store, StoreError};

impl Store {
    /// Asks whether the bucket is there and ours to use, once: whoever asks will ask again, and wants
    /// to know now.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not there, others when the keys are refused or nobody answers.
    pub async fn head_bucket(&self) -> Result<(), StoreError> {
        self.client
            .head_bucket()
            .bucket(&self.bucket)
            .customize()
            .config_override(aws_sdk_s3::Config::builder().retry_config(RetryConfig::disabled()))
            .send()
            .await
            .map_err(|error| StoreError::from_sdk("find the bucket", error))?;
        Ok(())
    }
}
