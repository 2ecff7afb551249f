//! A throw-away identity provider: one issuer for every organization, signing with HMAC.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chrono::Utc;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use super::run_file::Tokens;
use crate::Result;

/// The `iss` claim of its tokens.
pub const ISSUER: &str = "https://identity.example.test";

/// The `aud` claim of its tokens.
pub const AUDIENCE: &str = "files";

/// An issuer that all organizations trust.
#[derive(Clone)]
pub struct Issuer {
    secret: String,
}

impl Issuer {
    /// A new issuer with a random secret.
    pub fn random() -> Self {
        Self {
            secret: STANDARD_NO_PAD.encode(rand::random::<[u8; 48]>()),
        }
    }

    /// The issuer with a known secret.
    pub fn with_secret(secret: impl Into<String>) -> Self {
        Self {
            secret: secret.into(),
        }
    }

    /// The shared secret, for the gateways' Secrets.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// A JWT for `subject` of `organization`, good for a day.
    ///
    /// # Errors
    /// When signing fails.
    pub fn token(&self, organization: &str, subject: &str, roles: &[&str]) -> Result<String> {
        let now = Utc::now().timestamp();
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "org": organization, "roles": roles,
            "iat": now, "nbf": now, "exp": now + 24 * 60 * 60,
        });
        let key = EncodingKey::from_secret(self.secret.as_bytes());
        Ok(jsonwebtoken::encode(
            &Header::new(Algorithm::HS256),
            &claims,
            &key,
        )?)
    }

    /// Tokens of the three callers that the main job plays.
    ///
    /// # Errors
    /// When signing fails.
    pub fn tokens(&self, organization: &str) -> Result<Tokens> {
        Ok(Tokens {
            member: self.token(organization, "ana", &["member"])?,
            other_member: self.token(organization, "bo", &["member"])?,
            admin: self.token(organization, "cleo", &["member", "admin"])?,
        })
    }
}
