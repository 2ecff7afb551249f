//! Why a credential was not accepted, without a word of HTTP.

use std::error::Error as StdError;

/// A credential that does not prove a caller of this organization.
///
/// The messages are for the client: they name the rule that failed and never repeat the
/// credential. `api::error` maps each variant to a status and a code.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// There is no credential.
    #[error("not signed in: send `Authorization: Bearer <token>`")]
    Missing,
    /// There is one, and it proves nothing.
    #[error("the token was not accepted: {0}")]
    Invalid(&'static str),
    /// It was good once.
    #[error("the token has expired")]
    Expired,
    /// It proves somebody whom this gateway does not serve.
    #[error("this gateway serves another organization")]
    OtherOrganization,
    /// Whether it is good can't be told now.
    #[error("the issuer's keys can't be fetched at the moment")]
    KeysUnavailable {
        /// Why; for the log, never for the client.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}
