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

/// Keys that can't be had, in words for a readiness probe: no address, no path, no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeysTrouble {
    /// The file with the keys of file tokens is not there, or may not be read.
    #[error("the file with the keys of file tokens can't be read")]
    SigningFileUnreadable,
    /// It is not what it should be.
    #[error("the file with the keys of file tokens is malformed, or a key in it too short")]
    SigningFileMalformed,
    /// The issuer's keys have never been fetched.
    #[error("the issuer's keys could not be fetched yet; the log says why")]
    IssuerUnreachable,
    /// The issuer's keys are old and can't be fetched again.
    #[error("the issuer's keys are out of date and can't be fetched again; the log says why")]
    IssuerSilent,
}
