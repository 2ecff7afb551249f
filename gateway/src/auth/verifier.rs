//! The check of a caller's JWT: RFC 7519 with the advice of RFC 8725.

use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::jwks::Jwks;
use super::{AuthError, Caller, ClaimNames, KeysTrouble, SharedSecret};

/// How far the issuer's clock may be off, in seconds.
const LEEWAY_SECONDS: u64 = 30;

/// Longer tokens are refused unread, in bytes.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The header types of a token that says who somebody is; anything else (a logout token, a file
/// token) was signed for another purpose (RFC 8725, 3.11).
const ACCEPTED_TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// What [`Verifier`] holds a JWT against.
#[derive(Debug, Clone)]
pub struct VerifierSettings {
    /// The organization that the caller must belong to.
    pub organization: String,
    /// The only accepted `iss`.
    pub issuer: String,
    /// What `aud` must be or contain.
    pub audience: String,
    /// The accepted signature algorithms; the token chooses among these and no others.
    pub algorithms: Vec<Algorithm>,
    /// Where the claims are.
    pub claims: ClaimNames,
}

/// Where the key comes from that a signature is checked with.
pub enum KeySource {
    /// One secret that issuer and gateway share (HMAC).
    Secret(SharedSecret),
    /// The issuer's published keys.
    Jwks(Arc<Jwks>),
}

/// Turns a bearer token into the caller whom it proves.
pub struct Verifier {
    settings: VerifierSettings,
    keys: KeySource,
}

impl Verifier {
    /// A verifier by `settings`, with keys from `keys`.
    pub fn new(settings: VerifierSettings, keys: KeySource) -> Self {
        Self { settings, keys }
    }

    /// Whether there are keys to check tokens with. Those of the issuer are fetched when there are
    /// none yet.
    ///
    /// # Errors
    /// [`KeysTrouble`] when they can't be had, or not any more for too long.
    pub async fn check_keys(&self) -> Result<(), KeysTrouble> {
        match &self.keys {
            KeySource::Secret(_) => Ok(()),
            KeySource::Jwks(jwks) => jwks.check().await,
        }
    }

    /// The caller whom `token` proves.
    ///
    /// Headers that carry or point to a key (`jwk`, `jku`, `x5u`, `x5c`) are never looked at.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] and [`AuthError::Expired`] for the token,
    /// [`AuthError::OtherOrganization`] for its owner, [`AuthError::KeysUnavailable`] when no key
    /// of the issuer is known and none can be fetched.
    pub async fn verify(&self, token: &str) -> Result<Caller, AuthError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(AuthError::Invalid("it is too long"));
        }
        let header = decode_header(token).map_err(|_| AuthError::Invalid("it is no signed JWT"))?;
        self.check_header(&header)?;
        let key = match &self.keys {
            KeySource::Secret(secret) => secret.key().await,
            KeySource::Jwks(jwks) => jwks.find(header.kid.as_deref(), header.alg).await?,
        };
        let claims = decode::<Map<String, Value>>(token, &key, &self.validation(header.alg))
            .map_err(|error| refusal(error.kind()))?
            .claims;
        // The library also takes a list of issuers, of which one is enough; RFC 7519 knows none.
        if claims.get("iss").and_then(Value::as_str) != Some(self.settings.issuer.as_str()) {
            return Err(AuthError::Invalid("another issuer made it"));
        }
        self.settings
            .claims
            .caller(&claims, &self.settings.organization)
    }

    fn check_header(&self, header: &Header) -> Result<(), AuthError> {
        if !self.settings.algorithms.contains(&header.alg) {
            return Err(AuthError::Invalid("its algorithm is not allowed here"));
        }
        // RFC 7515, 4.1.11: whoever does not understand a critical extension refuses the token;
        // this verifier understands none.
        if header.crit.is_some() {
            return Err(AuthError::Invalid(
                "it needs an extension that is unknown here",
            ));
        }
        let accepted = header.typ.as_deref().is_none_or(|typ| {
            let typ = typ.to_ascii_lowercase();
            let typ = typ.strip_prefix("application/").unwrap_or(&typ);
            ACCEPTED_TYPES.contains(&typ)
        });
        if !accepted {
            return Err(AuthError::Invalid("it was made for another purpose"));
        }
        Ok(())
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_audience(&[&self.settings.audience]);
        // Without this, a claim that is absent or of the wrong type would not be checked at all.
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation
    }
}

fn refusal(kind: &ErrorKind) -> AuthError {
    match kind {
        ErrorKind::ExpiredSignature => AuthError::Expired,
        ErrorKind::ImmatureSignature => AuthError::Invalid("it is not valid yet"),
        ErrorKind::InvalidSignature => AuthError::Invalid("its signature is wrong"),
        ErrorKind::InvalidIssuer => AuthError::Invalid("another issuer made it"),
        ErrorKind::InvalidAudience => AuthError::Invalid("it was made for another audience"),
        ErrorKind::MissingRequiredClaim(_) => {
            AuthError::Invalid("`exp`, `iss` or `aud` is missing or of the wrong type")
        }
        _ => AuthError::Invalid("it is no signed JWT"),
    }
}
