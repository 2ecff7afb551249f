//! How callers are recognized.

use std::path::PathBuf;

use jsonwebtoken::{Algorithm, AlgorithmFamily};
use url::Url;

use super::reader::Reader;
use crate::auth::ClaimNames;

const ALGORITHMS: &str = "FILEGATEWAY_AUTH_ALGORITHMS";
const SECRET_FILE: &str = "FILEGATEWAY_AUTH_SECRET_FILE";
const JWKS_URL: &str = "FILEGATEWAY_AUTH_JWKS_URL";

/// What a caller's JWT is held against.
#[derive(Debug, Clone)]
pub struct Auth {
    /// `FILEGATEWAY_AUTH_ISSUER`: the expected `iss`; required.
    pub issuer: String,
    /// `FILEGATEWAY_AUTH_AUDIENCE`: the expected `aud`; required.
    pub audience: String,
    /// Where the keys come from.
    pub keys: KeysFrom,
    /// `FILEGATEWAY_AUTH_ALGORITHMS`: a comma list; `RS256,ES256` with published keys, `HS256` with
    /// a secret by default.
    pub algorithms: Vec<Algorithm>,
    /// `FILEGATEWAY_AUTH_SUBJECT_CLAIM`, `FILEGATEWAY_AUTH_ORGANIZATION_CLAIM`,
    /// `FILEGATEWAY_AUTH_ROLES_CLAIM`, `FILEGATEWAY_AUTH_ADMIN_ROLE`: `sub`, `org`, `roles`, `admin`
    /// by default.
    pub claims: ClaimNames,
}

/// Where the keys come from that signatures are checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysFrom {
    /// From the issuer's discovery document.
    Discovery,
    /// `FILEGATEWAY_AUTH_JWKS_URL`: from a JSON Web Key Set.
    Jwks(Url),
    /// `FILEGATEWAY_AUTH_SECRET_FILE`: from a file with a secret shared with the issuer.
    SecretFile(PathBuf),
}

impl Auth {
    pub(super) fn from(reader: &mut Reader<'_>) -> Self {
        let issuer = reader.required("FILEGATEWAY_AUTH_ISSUER");
        let audience = reader.required("FILEGATEWAY_AUTH_AUDIENCE");
        let keys = keys(reader, &issuer);
        let algorithms = algorithms(reader, &keys);
        Self {
            issuer,
            audience,
            keys,
            algorithms,
            claims: ClaimNames {
                subject: reader.text("FILEGATEWAY_AUTH_SUBJECT_CLAIM", "sub"),
                organization: reader.text("FILEGATEWAY_AUTH_ORGANIZATION_CLAIM", "org"),
                roles: reader.text("FILEGATEWAY_AUTH_ROLES_CLAIM", "roles"),
                admin_role: reader.text("FILEGATEWAY_AUTH_ADMIN_ROLE", "admin"),
            },
        }
    }
}

fn keys(reader: &mut Reader<'_>, issuer: &str) -> KeysFrom {
    let secret = reader.optional(SECRET_FILE);
    let jwks = reader.http_url(JWKS_URL);
    match (secret, jwks) {
        (Some(_), Some(_)) => {
            reader.problem(SECRET_FILE, format!("excludes {JWKS_URL}; set one of them"));
            KeysFrom::Discovery
        }
        (Some(secret), None) => KeysFrom::SecretFile(secret.into()),
        (None, Some(url)) => KeysFrom::Jwks(url),
        (None, None) => {
            let discoverable = Url::parse(issuer)
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            if !issuer.is_empty() && !discoverable && reader.optional(JWKS_URL).is_none() {
                reader.problem(
                    "FILEGATEWAY_AUTH_ISSUER",
                    format!("{issuer:?} is no http or https URL to discover keys from; set {JWKS_URL} or {SECRET_FILE}"),
                );
            }
            KeysFrom::Discovery
        }
    }
}

/// A secret verifies HMAC and nothing else, published keys everything but HMAC: a list that mixes
/// the two is how a public key comes to be taken for a secret (RFC 8725, 2.1).
fn algorithms(reader: &mut Reader<'_>, keys: &KeysFrom) -> Vec<Algorithm> {
    let with_secret = matches!(keys, KeysFrom::SecretFile(_));
    let default = if with_secret { "HS256" } else { "RS256,ES256" };
    let mut algorithms = Vec::new();
    for name in reader.text(ALGORITHMS, default).split(',').map(str::trim) {
        match name.parse::<Algorithm>() {
            Ok(algorithm) if (algorithm.family() == AlgorithmFamily::Hmac) == with_secret => {
                algorithms.push(algorithm);
            }
            Ok(_) if with_secret => {
                reader.problem(ALGORITHMS, format!("{name} does not go with {SECRET_FILE}: a shared secret needs HS256, HS384 or HS512"));
            }
            Ok(_) => {
                reader.problem(ALGORITHMS, format!("{name} needs {SECRET_FILE}: published keys can't be secret"));
            }
            Err(_) => reader.problem(
                ALGORITHMS,
                format!("{name:?} is no signature algorithm known here (RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, HS256, HS384, HS512)"),
            ),
        }
    }
    algorithms
}
