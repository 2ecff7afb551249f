//! What can go wrong with the catalogue.

use std::io;

use super::{QuotaExceeded, TooManyUnfinished};

/// A database that did not do what it was asked. No message holds the URL or a value of a row.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The URL is neither `sqlite:///path` nor `postgres://…`.
    #[error("the database URL must begin with sqlite:// or postgres:// and be well formed")]
    Url,
    /// No connection could be had.
    #[error("could not connect to the database")]
    Connect(#[source] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("could not migrate the database")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// A statement or transaction failed.
    #[error("the database failed to {action}")]
    Statement {
        /// What was tried, as an infinitive without "to".
        action: &'static str,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// No answer came in time; a transaction may still have been carried out.
    #[error("the database did not {action} in time")]
    Timeout {
        /// What was tried.
        action: &'static str,
    },
    /// The rows that were to be changed are no longer in the expected state.
    #[error("the catalogue changed underneath: could not {action}")]
    Conflict {
        /// What was tried.
        action: &'static str,
    },
    /// More would be stored than a quota allows; nothing was changed.
    #[error(transparent)]
    Quota(#[from] QuotaExceeded),
    /// The owner has as many unfinished uploads as one may have; nothing was changed.
    #[error(transparent)]
    Unfinished(#[from] TooManyUnfinished),
}

impl CatalogError {
    /// What was tried, as an infinitive without "to".
    pub fn action(&self) -> &'static str {
        match self {
            Self::Url | Self::Connect(_) => "connect",
            Self::Migrate(_) => "migrate",
            Self::Quota(_) => "keep to the quota",
            Self::Unfinished(_) => "keep to the limit of unfinished uploads",
            Self::Statement { action, .. }
            | Self::Timeout { action }
            | Self::Conflict { action } => action,
        }
    }

    /// The rule that a transaction broke and was rolled back for, if that is what the driver's error
    /// carries.
    pub(super) fn or_rule(self) -> Self {
        let Self::Statement {
            source: sqlx::Error::Encode(source),
            action,
        } = self
        else {
            return self;
        };
        let source = match source.downcast::<QuotaExceeded>() {
            Ok(exceeded) => return Self::Quota(*exceeded),
            Err(source) => source,
        };
        match source.downcast::<TooManyUnfinished>() {
            Ok(too_many) => Self::Unfinished(*too_many),
            Err(source) => Self::Statement {
                action,
                source: sqlx::Error::Encode(source),
            },
        }
    }

    /// Why, in words for an operator's readiness probe: no address, no login, no value.
    pub fn summary(&self) -> String {
        let source = match self {
            Self::Connect(source) | Self::Statement { source, .. } => source,
            Self::Url
            | Self::Migrate(_)
            | Self::Timeout { .. }
            | Self::Conflict { .. }
            | Self::Quota(_)
            | Self::Unfinished(_) => {
                return self.to_string();
            }
        };
        match source {
            sqlx::Error::PoolTimedOut => "no database connection could be had in time".into(),
            sqlx::Error::Io(error) => format!("the database cannot be reached: {}", kind(error)),
            sqlx::Error::Tls(_) => "the database's TLS handshake failed".into(),
            sqlx::Error::Database(error) => match error.code().as_deref() {
                Some("28P01" | "28000") => "the database refused the login".into(),
                Some("3D000") => "the database does not exist".into(),
                Some(code) => format!("the database answered with error {code}"),
                None => "the database answered with an error".into(),
            },
            _ => self.to_string(),
        }
    }
}

fn kind(error: &io::Error) -> String {
    error.kind().to_string()
}
