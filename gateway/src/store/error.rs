//! What can go wrong with the store.

use std::error::Error as StdError;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

/// An S3 call that failed. No message holds a key, an address or a header.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The object (or the upload) is not there.
    #[error("the object store has nothing to {action}")]
    NotFound {
        /// What was tried, as an infinitive without "to".
        action: &'static str,
    },
    /// The server answered with an error.
    #[error("the object store answered {code} when asked to {action}")]
    Answered {
        /// What was tried.
        action: &'static str,
        /// S3's error code, or the HTTP status when there is none.
        code: String,
        /// The SDK's error.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// No answer came.
    #[error("the object store could not be reached to {action}")]
    Unreachable {
        /// What was tried.
        action: &'static str,
        /// The SDK's error.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The answer, or our own question, made no sense.
    #[error("the object store's answer made no sense when asked to {action}")]
    Nonsense {
        /// What was tried.
        action: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl StoreError {
    /// Sorts an SDK error by what the caller can do about it.
    pub(super) fn from_sdk<E>(action: &'static str, error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|raw| raw.status().as_u16());
        let code = error.code().map(str::to_owned);
        match (&error, status) {
            (SdkError::ServiceError(_), Some(404)) if code.as_deref() != Some("NoSuchBucket") => {
                Self::NotFound { action }
            }
            (SdkError::ServiceError(_), _) => Self::Answered {
                action,
                code: code
                    .or_else(|| status.map(|status| status.to_string()))
                    .unwrap_or_else(|| "an error".into()),
                source: error.into(),
            },
            (SdkError::DispatchFailure(_) | SdkError::TimeoutError(_), _) => Self::Unreachable {
                action,
                source: error.into(),
            },
            _ => Self::Nonsense {
                action,
                source: error.into(),
            },
        }
    }

    /// What was tried, as an infinitive without "to".
    pub fn action(&self) -> &'static str {
        match self {
            Self::NotFound { action }
            | Self::Answered { action, .. }
            | Self::Unreachable { action, .. }
            | Self::Nonsense { action, .. } => action,
        }
    }

    /// Whether asking again can't help: what it takes is not there.
    pub fn is_for_good(&self) -> bool {
        match self {
            Self::NotFound { .. } => true,
            Self::Answered { code, .. } => code == "InvalidPart",
            Self::Unreachable { .. } | Self::Nonsense { .. } => false,
        }
    }

    /// Whether the server says that it does not know this call.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Answered { code, .. }
            if matches!(code.as_str(), "NotImplemented" | "MethodNotAllowed" | "501" | "405"))
    }
}
