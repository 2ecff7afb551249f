//! What the S3 and the IAM client share: credentials, time limits, and the meaning of errors.

use std::error::Error;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::error::{Kind, RemoteError, System};
use crate::sensitive::Sensitive;

/// An access key, the operator's own or a gateway's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// Its public half.
    pub id: String,
    /// Its secret half.
    pub secret: Sensitive,
}

impl AccessKey {
    pub(super) fn credentials(&self) -> Credentials {
        Credentials::new(
            &self.id,
            self.secret.expose(),
            None,
            None,
            "filegateway-operator",
        )
    }
}

/// The reconcile loop is what retries; the SDK only bridges a dropped connection.
pub(super) fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(2)
}

/// A dead server must not hold one of the few reconcile slots for long.
pub(super) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(20))
        .operation_timeout(Duration::from_secs(45))
        .build()
}

/// Translates an SDK error.
pub(super) fn translate<E>(
    system: System,
    endpoint: &str,
    action: &'static str,
    error: &SdkError<E, HttpResponse>,
) -> RemoteError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let (kind, code) = match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let code = match service.err().code() {
                Some(code) => code.to_string(),
                None => format!("HTTP {status}"),
            };
            (kind_of(status, &code), code)
        }
        SdkError::ResponseError(response) => (
            Kind::Unreachable,
            format!(
                "an answer that is not of this protocol, HTTP {}",
                response.raw().status().as_u16()
            ),
        ),
        SdkError::TimeoutError(_) => (Kind::Unreachable, "no answer in time".into()),
        SdkError::DispatchFailure(_) => (Kind::Unreachable, root_cause(error)),
        _ => (Kind::Other, root_cause(error)),
    };
    RemoteError {
        system,
        endpoint: endpoint.into(),
        action,
        kind,
        code,
    }
}

fn kind_of(status: u16, code: &str) -> Kind {
    const DENIED: [&str; 8] = [
        "AccessDenied",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
        "AuthorizationHeaderMalformed",
    ];
    match status {
        _ if code == "NotImplemented" => Kind::Other,
        401 | 403 => Kind::Denied,
        _ if DENIED.contains(&code) => Kind::Denied,
        429 | 500.. => Kind::Unreachable,
        _ if code == "Throttling" || code == "SlowDown" => Kind::Unreachable,
        _ => Kind::Other,
    }
}

fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_codes_have_a_meaning() {
        let cases = [
            (403, "AccessDenied", Kind::Denied),
            (400, "AuthorizationHeaderMalformed", Kind::Denied),
            (503, "SlowDown", Kind::Unreachable),
            (501, "NotImplemented", Kind::Other),
            (409, "BucketNotEmpty", Kind::Other),
        ];
        for (status, code, kind) in cases {
            assert_eq!(kind_of(status, code), kind, "{status} {code}");
        }
    }
}
