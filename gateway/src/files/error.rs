//! What can go wrong with a file, without a word of HTTP.

use std::error::Error as StdError;

use super::type_rules::TypeRule;
use crate::catalog::QuotaExceeded;

/// A failed use case of the service layer.
///
/// `api::error` maps each variant to a status and a stable code by an exhaustive match.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// It does not exist, or the caller may not know that it does.
    #[error("file not found")]
    NotFound,
    /// Nothing of this name was made of the file, or not yet.
    #[error("there is no {name} of the file")]
    NoOutput {
        /// The name.
        name: String,
        /// Whether a worker is still at it, or will be.
        processing: bool,
    },
    /// The work on the file was not given up, so it can't be begun anew.
    #[error("the work on the file was not given up")]
    NotFailed,
    /// The file token was revoked after it was made.
    #[error("the file token was revoked")]
    TokenRevoked,
    /// Only an admin of the organization may do this.
    #[error("only an admin may do this")]
    AdminOnly,
    /// An upload carried no file.
    #[error("the request carries no file")]
    NoFiles,
    /// An upload carried more files than one request may.
    #[error("at most {limit} files fit in one request")]
    TooManyFiles {
        /// The limit.
        limit: u32,
    },
    /// A file is longer than the gateway accepts.
    #[error("file {index} is larger than the limit of {limit} bytes")]
    TooLarge {
        /// Its place in the request, from 0.
        index: usize,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A file is of a type that the gateway does not take.
    #[error("file {index} is of a type that is not taken here: {content_type}")]
    TypeNotAllowed {
        /// Its place in the request, from 0.
        index: usize,
        /// What it is.
        content_type: String,
        /// The rule that it breaks.
        rule: TypeRule,
    },
    /// More would be stored than a quota allows.
    #[error(transparent)]
    QuotaExceeded(#[from] QuotaExceeded),
    /// This process is at work on as many uploads as it may be.
    #[error("{limit} uploads are in flight already")]
    TooManyUploads {
        /// The limit.
        limit: u32,
    },
    /// The caller is at work on as many uploads in this process as one may be.
    #[error("the caller has {limit} uploads in flight already")]
    TooManyUploadsOfCaller {
        /// The limit.
        limit: u32,
    },
    /// The caller has as many unfinished uploads in pieces as one may have.
    #[error("the caller has {limit} unfinished uploads already")]
    TooManyUnfinished {
        /// The limit.
        limit: u32,
    },
    /// A request with the same idempotency key is being carried out.
    #[error("a request with this idempotency key is being carried out")]
    KeyInUse,
    /// The client's body broke off or could not be read as what it claims to be.
    #[error("the request body could not be read: {message}")]
    Body {
        /// What is wrong with it, in words for the client.
        message: String,
    },
    /// An upload in pieces expired, or its parts are gone from the store.
    #[error("the upload has expired")]
    UploadGone,
    /// The bytes of a request do not begin where the upload stands.
    #[error("the upload stands at byte {offset}")]
    OffsetMismatch {
        /// Where it stands, in bytes.
        offset: u64,
    },
    /// The length that the client told can't be the upload's.
    #[error("the upload's length can't be that: {message}")]
    UploadLength {
        /// Why not, in words for the client.
        message: String,
    },
    /// A request carries more bytes than the upload's length allows.
    #[error("the upload is {length} bytes long, and the request carries more")]
    UploadOverrun {
        /// The upload's length, in bytes.
        length: u64,
    },
    /// A newer request goes on with the upload, or is just putting it together.
    #[error("another request is at work on the upload")]
    UploadTaken,
    /// The bytes of a request do not have the checksum that it says.
    #[error("the bytes do not have the checksum of the request")]
    ChecksumMismatch,
    /// The object store did not do what it was asked.
    #[error("the object store failed to {action}")]
    Store {
        /// What was tried, as an infinitive without "to".
        action: &'static str,
        /// Why it failed; for the log, never for the client.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The catalogue's database did not do what it was asked.
    #[error("the catalogue failed to {action}")]
    Catalog {
        /// What was tried, as an infinitive without "to".
        action: &'static str,
        /// Why it failed; for the log, never for the client.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}
