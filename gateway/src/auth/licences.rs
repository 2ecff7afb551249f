//! The form of everything that the gateway signs for itself: a JWS (HS256) whose header has a type
//! of its own per purpose (RFC 8725, 3.11), so that none passes for another, nor for a caller's JWT.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AuthError, Caller, SigningKeys};

/// Longer ones are refused unread, in bytes: the longest subject fits in, and no browser keeps a
/// longer cookie.
const MAX_BYTES: usize = 4 * 1024;

/// What a licence is for.
pub(super) struct Kind {
    /// The header type that only this kind has.
    pub(super) typ: &'static str,
    /// The claim that repeats it.
    pub(super) purpose: &'static str,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    purpose: String,
    sub: String,
    org: String,
    admin: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<Uuid>,
    #[serde(default)]
    epoch: i64,
    iat: u64,
    exp: u64,
}

/// What a licence says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Licence {
    /// In whose name.
    pub(super) caller: Caller,
    /// The only file that it is good for.
    pub(super) file: Option<Uuid>,
    /// How many revocations had been made when it was signed.
    pub(super) epoch: i64,
    /// From when on, in seconds of the Unix epoch.
    pub(super) issued: u64,
    /// Until when, exclusive, in seconds of the Unix epoch.
    pub(super) expires: u64,
}

impl Licence {
    /// How long it is still good; nothing from the second on in which it ends.
    pub(super) fn remaining(&self, now: SystemTime) -> Duration {
        let end = UNIX_EPOCH + Duration::from_secs(self.expires);
        end.duration_since(now).unwrap_or_default()
    }

    /// Signs it with the current key.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] when the key can't sign, which no accepted key does.
    pub(super) async fn sign(self, kind: &Kind, keys: &SigningKeys) -> Result<String, AuthError> {
        let pair = keys.pair().await;
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(kind.typ.to_owned());
        header.kid = Some(pair.current.id.clone());
        let claims = Claims {
            purpose: kind.purpose.to_owned(),
            sub: self.caller.subject,
            org: self.caller.organization,
            admin: self.caller.admin,
            file: self.file,
            epoch: self.epoch,
            iat: self.issued,
            exp: self.expires,
        };
        encode(&header, &claims, &pair.current.encoding)
            .map_err(|_| AuthError::Invalid("it could not be signed"))
    }

    /// What `text` says, if it is one that this gateway signed for `organization`, be it over or not.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] if it is not.
    pub(super) async fn verify(
        text: &str,
        kind: &Kind,
        keys: &SigningKeys,
        organization: &str,
    ) -> Result<Self, AuthError> {
        const FOREIGN: AuthError = AuthError::Invalid("it is no file token");
        if text.len() > MAX_BYTES {
            return Err(AuthError::Invalid("it is too long"));
        }
        let header = decode_header(text).map_err(|_| FOREIGN)?;
        if header.typ.as_deref() != Some(kind.typ) || header.alg != Algorithm::HS256 {
            return Err(FOREIGN);
        }
        let pair = keys.pair().await;
        let key = header
            .kid
            .as_deref()
            .and_then(|kid| pair.find(kid))
            .ok_or(AuthError::Invalid("its key is not in use here"))?;
        let mut validation = Validation::new(Algorithm::HS256);
        // The end is the caller's to look at: `Claims` has it in any case.
        validation.validate_exp = false;
        validation.validate_aud = false;
        let claims = decode::<Claims>(text, &key.decoding, &validation)
            .map_err(|error| match error.kind() {
                ErrorKind::InvalidSignature => AuthError::Invalid("its signature is wrong"),
                _ => FOREIGN,
            })?
            .claims;
        if claims.purpose != kind.purpose || claims.org != organization {
            return Err(AuthError::Invalid("it is not for reading here"));
        }
        Ok(Self {
            caller: Caller {
                subject: claims.sub,
                organization: claims.org,
                admin: claims.admin,
            },
            file: claims.file,
            epoch: claims.epoch,
            issued: claims.iat,
            expires: claims.exp,
        })
    }
}

/// A time as claims have it.
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
