//! Who is calling, and who may do what.
//!
//! Three credentials exist, and none passes for another:
//!
//! | credential | rides in | proves | made by |
//! | --- | --- | --- | --- |
//! | JWT | `Authorization: Bearer` | who is calling ([`Verifier`]) | the organization's issuer |
//! | file token | the query string | a short licence to read ([`FileTokens`]) | this gateway |
//! | playback licence | a cookie, beside a file token | that a film may go on ([`Playback`]) | this gateway |

mod caller;
mod claims;
mod error;
mod file_tokens;
pub mod jwks;
mod licences;
mod playback;
pub mod policy;
pub(crate) mod secret_file;
mod shared_secret;
mod signing_keys;
mod verifier;

pub use caller::Caller;
pub use claims::ClaimNames;
pub use error::{AuthError, KeysTrouble};
pub use file_tokens::{FileTokens, MintedToken, ReadGrant};
pub use playback::{MintedPlayback, Playback};
pub use shared_secret::{SharedSecret, SharedSecretError};
pub use signing_keys::{SigningKeys, SigningKeysError};
pub use verifier::{KeySource, Verifier, VerifierSettings};
