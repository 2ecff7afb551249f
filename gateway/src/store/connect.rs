//! The SDK's client, with every knob that matters turned knowingly.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, IdentityCache, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use url::Url;

use super::metered::Metered;
use super::{Keys, Store};
use crate::telemetry::Metrics;

/// How long a TCP connection and its TLS handshake may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a call without a body may take to be answered, once.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// The same for a call that carries megabytes, or has the server put them together.
const TRANSFER_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(180);
/// Resting connections are dropped sooner than any server does (nginx 75 s, AWS about 20 s): one
/// that the server has dropped may hang (awslabs/aws-sdk-rust#1417).
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(15);

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
    pub fn connect(settings: StoreSettings, metrics: Metrics) -> Self {
        let tls = settings
            .endpoint
            .as_ref()
            .is_none_or(|endpoint| endpoint.scheme() == "https");
        let http = aws_smithy_http_client::Builder::new()
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .build_https();
        let keys = settings.credentials.provider(&settings.region, &http);
        let mut config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
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
        Self {
            client: Client::from_conf(config.build()),
            bucket: settings.bucket,
            tls,
            metrics,
        }
    }
}

/// An override for calls that carry megabytes.
pub(super) fn transfer() -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::Config::builder().timeout_config(timeouts(TRANSFER_ATTEMPT_TIMEOUT))
}

fn timeouts(attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(attempt)
        .operation_attempt_timeout(attempt)
        .build()
}
