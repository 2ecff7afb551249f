//! The SDK's client, with every knob that matters turned knowingly.

use std::io;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, IdentityCache, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use url::Url;

use super::metered::Metered;
use super::{Keys, Store, http};
use crate::telemetry::Metrics;

/// How long a call without a body may take to be answered, once.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// The same for a call that has the server do something with megabytes.
const WORK_TIMEOUT: Duration = Duration::from_secs(180);
/// The slowest that the server may take the bytes of a call, in bytes per second. One that is gone is
/// noticed sooner (see [`http`]).
const LEAST_PACE: u64 = 64 * 1024;

/// Which bucket, where, with whose keys.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// The server; absent: AWS's own for the region.
    pub endpoint: Option<Url>,
    /// The region, also for servers that know none: it is part of the signature.
    pub region: String,
    /// The organization's bucket.
    pub bucket: String,
    /// Whether the bucket is a path segment rather than a host name.
    pub path_style: bool,
    /// Whose keys.
    pub credentials: Keys,
}

impl Store {
    /// Makes the client, whose calls are counted in `metrics`. No call is made: see
    /// [`Store::head_bucket`].
    ///
    /// # Errors
    /// When the system has no certificates to check the server's with.
    pub fn connect(settings: StoreSettings, metrics: Metrics) -> io::Result<Self> {
        let tls = settings
            .endpoint
            .as_ref()
            .is_none_or(|endpoint| endpoint.scheme() == "https");
        let keys = settings.credentials.provider(&settings.region)?;
        let mut config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http::client(tls)?)
            .interceptor(Metered(metrics.clone()))
            .region(Region::new(settings.region))
            .force_path_style(settings.path_style)
            .credentials_provider(keys)
            // Ours watches files and ends; the SDK's cache would hold keys for 15 minutes.
            .identity_cache(IdentityCache::no_cache())
            .timeout_config(timeouts(ATTEMPT_TIMEOUT))
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            // It takes a slow client's back-pressure for a stall; `Body` has a guard of its own.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // The SDK's default adds CRC trailers that some servers refuse. The bytes are checked
            // by TLS, or over plain HTTP by the SHA-256 in the signature.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if let Some(endpoint) = settings.endpoint {
            config = config.endpoint_url(endpoint.as_str());
        }
        Ok(Self {
            client: Client::from_conf(config.build()),
            bucket: settings.bucket,
            tls,
            metrics,
        })
    }
}

/// An override for calls that carry `bytes`, or have the server put together what it has.
pub(super) fn transfer(bytes: usize) -> aws_sdk_s3::config::Builder {
    let sending = Duration::from_secs(bytes as u64 / LEAST_PACE);
    aws_sdk_s3::Config::builder().timeout_config(timeouts(WORK_TIMEOUT + sending))
}

fn timeouts(attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_attempt_timeout(attempt)
        .build()
}
