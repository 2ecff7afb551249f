//! Who is calling, and who may do what.
//!
//! Two credentials exist, and neither passes for the other:
//!
//! | credential | rides in | proves | made by |
//! | --- | --- | --- | --- |
//! | JWT | `Authorization: Bearer` | who is calling ([`Verifier`]) | the organization's issuer |
//! | file token | the query string | a short licence to read ([`FileTokens`]) | this gateway |

mod caller;
mod claims;
mod error;
mod file_tokens;
pub mod jwks;
pub mod policy;
mod signing_keys;
mod verifier;

pub use caller::Caller;
pub use claims::ClaimNames;
pub use error::AuthError;
pub use file_tokens::{FileTokens, MintedToken, ReadGrant};
pub use signing_keys::{SigningKeys, SigningKeysError};
pub use verifier::{KeySource, Verifier, VerifierSettings};
