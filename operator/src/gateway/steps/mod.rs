//! The steps outside the pods: each makes one thing exist, can be run again at any time, and has a
//! condition of its own. `remove` is its opposite.

pub mod bucket;
pub mod credentials;
pub mod database;
pub mod rotation;
pub mod signing_key;
pub mod volume;

use crds::conditions::{Finding, reason};
use thiserror::Error;

use super::draft::Draft;
use super::error::Error as ReconcileError;
use super::validate::Plan;
use crate::apply::ApplyError;
use crate::context::Context;
use crate::remote::{Kind, RemoteError, System};
use crate::secrets::SecretError;

/// What a step works with.
pub struct Step<'a> {
    /// Clients and configuration.
    pub context: &'a Context,
    /// For events.
    pub gateway: &'a crds::FileGateway,
    /// What is wanted.
    pub plan: &'a Plan,
    /// What is known.
    pub draft: &'a Draft<'a>,
}

impl Step<'_> {
    /// Called before anything is made that outlives its gateway: no crash may come before the status says
    /// what there may be.
    ///
    /// # Errors
    /// When the status can't be written.
    pub async fn intent_is_known(&self) -> Result<(), StepError> {
        Ok(self.draft.write().await?)
    }
}

/// Why a step did not succeed.
#[derive(Debug, Error)]
pub enum StepError {
    /// A server outside the cluster failed.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// A Secret can't be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// An object can't be written.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The step must not go on.
    #[error("{message}")]
    Refused {
        /// The condition's reason.
        reason: &'static str,
        /// What is the matter and what to do.
        message: String,
    },
    /// Something that people made is of no use. Nobody else's is in the way.
    #[error("{message}")]
    Unusable {
        /// The condition's reason.
        reason: &'static str,
        /// What is the matter and what to do.
        message: String,
    },
    /// The status can't be written; nothing may be created then.
    #[error(transparent)]
    Status(#[from] ReconcileError),
}

impl StepError {
    /// The condition's reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Remote(error) => match (error.kind, error.system) {
                (Kind::Unreachable, _) => reason::BACKEND_UNREACHABLE,
                (Kind::Denied, System::PostgreSql) => reason::AUTHENTICATION_FAILED,
                (Kind::Denied, _) => reason::ACCESS_DENIED,
                (Kind::Other, _) => reason::BACKEND_ERROR,
            },
            Self::Secret(SecretError::Missing { .. }) => reason::CREDENTIALS_NOT_FOUND,
            Self::Secret(SecretError::NotLabelled { .. }) => reason::SECRET_NOT_LABELLED,
            Self::Secret(SecretError::NotOwned { .. }) => reason::SECRET_NOT_OWNED,
            Self::Secret(SecretError::Apply(ApplyError::NotOwned { .. })) => {
                reason::SECRET_NOT_OWNED
            }
            Self::Apply(ApplyError::NotOwned { .. }) => reason::OBJECT_NOT_OWNED,
            Self::Secret(_) | Self::Apply(_) | Self::Status(_) => reason::API_SERVER_ERROR,
            Self::Refused { reason, .. } | Self::Unusable { reason, .. } => reason,
        }
    }

    /// Whether what stands in the way belongs to somebody else, so that running pods must not be
    /// pointed at it.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// The false condition of the type `condition`.
    pub fn finding(&self, condition: &'static str) -> Finding {
        Finding::no(condition, self.reason(), self.to_string())
    }
}

/// What became of a thing outside the cluster when its gateway was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// There is none, or it is not ours to touch.
    Nothing,
    /// It stays. In words, for people.
    Retained(String),
    /// It is gone. In words, for people.
    Deleted(String),
    /// It takes more than one pass.
    Unfinished(String),
}
