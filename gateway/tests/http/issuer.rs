//! An issuer of JWTs with a shared secret, good ones and bad ones.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://issuer.test";
pub(crate) const AUDIENCE: &str = "files";
pub(crate) const ORGANIZATION: &str = "acme";
pub(crate) const SECRET: &str = "a shared secret of more than 32 bytes";

pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// The claims of a member.
pub(crate) fn claims(subject: &str) -> Value {
    json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "org": ORGANIZATION,
        "exp": now() + 600,
    })
}

/// The claims of a member with some changed; null leaves one out.
pub(crate) fn claims_with(subject: &str, changes: Value) -> Value {
    let mut claims = claims(subject);
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

pub(crate) fn encode(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

/// A JWS with any header, signed with HMAC-SHA-256 whatever the header says.
pub(crate) fn signed(header: &Value, claims: &Value, secret: &[u8]) -> String {
    signed_text(&header.to_string(), &claims.to_string(), secret)
}

/// The same of texts that need not be JSON.
pub(crate) fn signed_text(header: &str, claims: &str, secret: &[u8]) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = sign(&Key::new(HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}

/// A JWT with these claims, as the issuer would sign it.
pub(crate) fn jwt(claims: &Value) -> String {
    signed(
        &json!({"alg": "HS256", "typ": "JWT"}),
        claims,
        SECRET.as_bytes(),
    )
}

pub(crate) fn member(subject: &str) -> String {
    jwt(&claims(subject))
}

pub(crate) fn admin(subject: &str) -> String {
    jwt(&claims_with(subject, json!({"roles": ["admin"]})))
}

pub(crate) fn stranger(subject: &str) -> String {
    jwt(&claims_with(
        subject,
        json!({"org": "globex", "roles": ["admin"]}),
    ))
}
