//! SCRAM-SHA-256 verifiers (RFC 5802, RFC 7677) as PostgreSQL stores them, so that a password in
//! clear never reaches the server, its log or its statistics.
//! Format: <https://www.postgresql.org/docs/current/catalog-pg-authid.html>.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// What PostgreSQL itself uses by default.
const ITERATIONS: u32 = 4096;

/// A verifier for `password`, which must be ASCII, with a random salt.
pub fn verifier(password: &str) -> String {
    let (stored, server, salt) = keys(password, &rand::random::<[u8; 16]>(), ITERATIONS);
    format!("SCRAM-SHA-256${ITERATIONS}:{salt}${stored}:{server}")
}

/// StoredKey, ServerKey and salt, all in base64.
fn keys(password: &str, salt: &[u8], iterations: u32) -> (String, String, String) {
    let salted = salted_password(password.as_bytes(), salt, iterations);
    let client_key = sign(&salted, &[b"Client Key"]);
    let server_key = sign(&salted, &[b"Server Key"]);
    (
        STANDARD.encode(Sha256::digest(client_key)),
        STANDARD.encode(server_key),
        STANDARD.encode(salt),
    )
}

/// `Hi` of RFC 5802: PBKDF2 with HMAC-SHA-256 and one block of output.
fn salted_password(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    let mut block = sign(password, &[salt, &1_u32.to_be_bytes()]);
    let mut result = block;
    for _ in 1..iterations {
        block = sign(password, &[&block]);
        for (sum, byte) in result.iter_mut().zip(block) {
            *sum ^= byte;
        }
    }
    result
}

fn sign(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC (RFC 2104) takes a key of any length; the fallback can't be reached.
    let mut mac = Hmac::<Sha256>::new_from_slice(key)
        .unwrap_or_else(|_| Hmac::<Sha256>::new(&Default::default()));
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677, section 3: the server key must give its server signature.
    #[test]
    fn agrees_with_the_rfc() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let (_, server, _) = keys("pencil", &salt, 4096);
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                       s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = sign(&STANDARD.decode(server).unwrap(), &[message.as_bytes()]);
        assert_eq!(
            STANDARD.encode(signature),
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
    }
}
