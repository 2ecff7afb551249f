//! The made-up issuer of `gateway dev` and its three callers.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use serde_json::json;

pub(super) const ISSUER: &str = "filegateway-dev";
pub(super) const AUDIENCE: &str = "filegateway";
pub(super) const ORGANIZATION: &str = "dev";

/// How long the callers' JWTs are good, in seconds: a day.
const LIFETIME: u64 = 24 * 60 * 60;

/// Signs the JWTs of callers.
pub(super) struct Identity {
    key: EncodingKey,
}

/// One JWT per caller.
#[derive(Serialize)]
pub(super) struct CallerTokens {
    pub(super) member: String,
    pub(super) other_member: String,
    pub(super) admin: String,
}

impl Identity {
    pub(super) fn new(secret: String) -> Self {
        let key = EncodingKey::from_secret(secret.as_bytes());
        Self { key }
    }

    pub(super) fn tokens(&self) -> anyhow::Result<CallerTokens> {
        Ok(CallerTokens {
            member: self.token("member", &[])?,
            other_member: self.token("other-member", &[])?,
            admin: self.token("admin", &["admin"])?,
        })
    }

    fn token(&self, subject: &str, roles: &[&str]) -> anyhow::Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let claims = json!({
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "org": ORGANIZATION,
            "roles": roles,
            "iat": now,
            "exp": now + LIFETIME,
        });
        encode(&Header::new(Algorithm::HS256), &claims, &self.key)
            .context("failed to sign a caller's token")
    }
}
