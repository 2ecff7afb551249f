//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html>

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;

use super::{Store, StoreError};

/// What a server said when it was asked for the bucket.
#[derive(Debug)]
pub struct BucketAnswer {
    /// Whether the bucket is there and ours to use.
    pub bucket: Result<(), StoreError>,
    /// What the server's clock showed, by the `Date` of its answer, whatever the answer was.
    pub server_time: Option<SystemTime>,
}

impl Store {
    /// Asks whether the bucket is there and ours to use, once: whoever asks will ask again, and wants
    /// to know now.
    ///
    /// [`StoreError::NotFound`] when it is not there, others when the keys are refused or nobody answers.
    pub async fn head_bucket(&self) -> BucketAnswer {
        let date = Date::default();
        let bucket = self
            .client
            .head_bucket()
            .bucket(&self.bucket)
            .customize()
            .config_override(aws_sdk_s3::Config::builder().retry_config(RetryConfig::disabled()))
            .interceptor(date.clone())
            .send()
            .await
            .map(|_| ())
            .map_err(|error| StoreError::from_sdk("find the bucket", error));
        BucketAnswer {
            bucket,
            server_time: date.read(),
        }
    }
}

/// Notes the `Date` of an answer (RFC 9110, 6.6.1), which the SDK keeps to itself.
#[derive(Debug, Clone, Default)]
struct Date(Arc<Mutex<Option<SystemTime>>>);

impl Date {
    fn read(&self) -> Option<SystemTime> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for Date {
    fn name(&self) -> &'static str {
        "Date"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            date.and_then(|date| httpdate::parse_http_date(date).ok());
        Ok(())
    }
}
