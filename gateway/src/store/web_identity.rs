//! Temporary keys for a token that somebody else vouches for (AssumeRoleWithWebIdentity).
//!
//! No key is stored anywhere: the pod's ServiceAccount token is exchanged for keys that end by themselves.
//! The token's file is read at each exchange, since Kubernetes replaces it.
//!
//! Turned down: `aws-config`, which brings all other sources of keys with it, and a cache that fails a
//! request although the keys it holds are still good.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};
use std::{fmt, io};

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::timeout::TimeoutConfig;
use aws_sdk_sts::config::{BehaviorVersion, Region};
use aws_sdk_sts::error::ProvideErrorMetadata;
use thiserror::Error;
use tokio::sync::Mutex;
use url::Url;

use super::http;

/// What the sessions are called in the server's logs.
const SESSION: &str = "filegateway";
/// How long before their end keys are replaced, unless they live shorter than four times that.
const MARGIN: Duration = Duration::from_secs(300);
/// How often a failed exchange is tried again while the keys at hand are good.
const RETRY: Duration = Duration::from_secs(5);
/// How long one exchange may take: requests wait for the first.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// Which token is exchanged for keys, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebIdentity {
    /// The file with the token.
    pub token_file: PathBuf,
    /// The role that the keys are for.
    pub role_arn: String,
    /// The STS server; absent: AWS's own for the region.
    pub endpoint: Option<Url>,
}

/// No keys were got.
#[derive(Debug, Error)]
enum ExchangeError {
    #[error("the token's file {file} can't be read")]
    Token {
        file: String,
        #[source]
        source: io::Error,
    },
    #[error("the token's file {file} is empty")]
    Empty { file: String },
    #[error("the STS server gave no keys: {0}")]
    Refused(String),
    #[error("the STS server's answer has no keys, or no end of them")]
    Incomplete,
}

/// Keys, and when to get others.
struct Held {
    credentials: Credentials,
    ends: SystemTime,
    renew: SystemTime,
    /// When the last exchange failed.
    failed: Option<Instant>,
}

pub(super) struct WebIdentityKeys {
    settings: WebIdentity,
    client: Client,
    held: Mutex<Option<Held>>,
}

impl fmt::Debug for WebIdentityKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebIdentityKeys")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl WebIdentityKeys {
    /// Makes the client. No call is made.
    ///
    /// # Errors
    /// When the system has no certificates to check the server's with.
    pub(super) fn new(settings: WebIdentity, region: String) -> io::Result<Self> {
        let endpoint = settings.endpoint.as_ref();
        let tls = endpoint.is_none_or(|endpoint| endpoint.scheme() == "https");
        let mut config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http::client(tls)?)
            .region(Region::new(region))
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .build(),
            );
        if let Some(endpoint) = &settings.endpoint {
            config = config.endpoint_url(endpoint.as_str());
        }
        Ok(Self {
            client: Client::from_conf(config.build()),
            settings,
            held: Mutex::new(None),
        })
    }

    /// Keys that are good. Whoever comes while others are got waits for those.
    async fn current(&self) -> Result<Credentials, CredentialsError> {
        let mut held = self.held.lock().await;
        let now = SystemTime::now();
        if let Some(held) = held.as_ref() {
            let resting = held.failed.is_some_and(|at| at.elapsed() < RETRY);
            if now < held.renew || (resting && now < held.ends) {
                return Ok(held.credentials.clone());
            }
        }
        match (self.exchange().await, held.as_mut()) {
            (Ok(new), _) => Ok(held.insert(new).credentials.clone()),
            (Err(error), Some(old)) if SystemTime::now() < old.ends => {
                tracing::warn!(%error, "the S3 keys could not be renewed; using those that are left");
                old.failed = Some(Instant::now());
                Ok(old.credentials.clone())
            }
            (Err(error), _) => Err(CredentialsError::provider_error(error)),
        }
    }

    async fn exchange(&self) -> Result<Held, ExchangeError> {
        let token = self.token().await?;
        let answer = self
            .client
            .assume_role_with_web_identity()
            .role_arn(&self.settings.role_arn)
            .role_session_name(SESSION)
            .web_identity_token(token)
            .send()
            .await
            .map_err(|error| ExchangeError::Refused(reason(&error)))?;
        let keys = answer.credentials.ok_or(ExchangeError::Incomplete)?;
        let ends = SystemTime::try_from(keys.expiration).map_err(|_| ExchangeError::Incomplete)?;
        let credentials = Credentials::new(
            keys.access_key_id,
            keys.secret_access_key,
            Some(keys.session_token),
            Some(ends),
            "filegateway",
        );
        Ok(Held {
            credentials,
            ends,
            renew: renewal(SystemTime::now(), ends),
            failed: None,
        })
    }

    async fn token(&self) -> Result<String, ExchangeError> {
        let path = &self.settings.token_file;
        let file = path.display().to_string();
        let text = match tokio::fs::read_to_string(path).await {
            Ok(text) => text,
            Err(source) => return Err(ExchangeError::Token { file, source }),
        };
        let token = text.trim();
        if token.is_empty() {
            return Err(ExchangeError::Empty { file });
        }
        Ok(token.to_owned())
    }
}

impl ProvideCredentials for WebIdentityKeys {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        Provided::new(self.current())
    }
}

/// The server's own words, or why it could not be asked. Never the request, which holds the token.
fn reason<E: ProvideErrorMetadata + std::error::Error + 'static>(error: &E) -> String {
    if let Some(code) = error.code() {
        return format!("{code}: {}", error.message().unwrap_or_default());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// When keys that end at `ends` are replaced: in the last quarter of their life, and no sooner than
/// [`MARGIN`] before its end.
fn renewal(now: SystemTime, ends: SystemTime) -> SystemTime {
    let life = ends.duration_since(now).unwrap_or_default();
    ends.checked_sub(MARGIN.min(life / 4)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_replaced_before_they_end() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let after = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(renewal(now, after(3600)), after(3300));
        assert_eq!(renewal(now, after(40)), after(30));
        assert_eq!(
            renewal(now, now - Duration::from_secs(9)),
            now - Duration::from_secs(9)
        );
    }
}
