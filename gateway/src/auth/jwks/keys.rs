//! The keys of a set that a signature may be checked with (RFC 7517).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// Shorter RSA keys are refused, in bits (RFC 7518, 3.3).
const MIN_RSA_BITS: usize = 2048;

/// A key set as published. Keys are read one by one, so that one of a kind unknown here does not
/// spoil the others.
#[derive(Deserialize)]
pub(super) struct Published {
    keys: Vec<Value>,
}

/// Public keys, each with the algorithms that it may be used for.
pub(super) struct KeySet {
    keys: Vec<Key>,
}

struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

impl From<Published> for KeySet {
    fn from(published: Published) -> Self {
        let keys = published
            .keys
            .into_iter()
            .filter_map(|key| serde_json::from_value(key).ok())
            .filter_map(|key: Jwk| usable(&key))
            .collect();
        Self { keys }
    }
}

impl KeySet {
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The key called `kid`; without a `kid`, the only one for `algorithm`.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let mut fitting = self.keys.iter().filter(|key| {
            key.algorithms.contains(&algorithm) && (kid.is_none() || key.id.as_deref() == kid)
        });
        let key = fitting.next()?;
        match fitting.next() {
            Some(_) => None,
            None => Some(key.key.clone()),
        }
    }
}

fn usable(jwk: &Jwk) -> Option<Key> {
    let common = &jwk.common;
    let for_signatures = common
        .public_key_use
        .as_ref()
        .is_none_or(|usage| *usage == PublicKeyUse::Signature);
    let for_verifying = common
        .key_operations
        .as_ref()
        .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    if !for_signatures || !for_verifying {
        return None;
    }
    let mut algorithms = algorithms_of(&jwk.algorithm)?;
    if let Some(own) = common.key_algorithm {
        let own = Algorithm::try_from(own).ok()?;
        algorithms.retain(|algorithm| *algorithm == own);
    }
    if algorithms.is_empty() {
        return None;
    }
    Some(Key {
        id: common.key_id.clone(),
        algorithms,
        key: DecodingKey::from_jwk(jwk).ok()?,
    })
}

/// What a key of this kind can verify. Symmetric keys are none: a published secret proves nothing.
fn algorithms_of(parameters: &AlgorithmParameters) -> Option<Vec<Algorithm>> {
    match parameters {
        AlgorithmParameters::RSA(rsa) if !is_exponent(&rsa.e) => None,
        AlgorithmParameters::RSA(rsa) => (modulus_bits(&rsa.n)? >= MIN_RSA_BITS).then(|| {
            vec![
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
            ]
        }),
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => Some(vec![Algorithm::ES256]),
            EllipticCurve::P384 => Some(vec![Algorithm::ES384]),
            _ => None,
        },
        AlgorithmParameters::OctetKeyPair(pair) => {
            (pair.curve == EllipticCurve::Ed25519).then(|| vec![Algorithm::EdDSA])
        }
        _ => None,
    }
}

/// Whether an RSA exponent is odd and not 1: with 1, every text is its own signature.
fn is_exponent(exponent: &str) -> bool {
    let bytes = URL_SAFE_NO_PAD.decode(exponent).unwrap_or_default();
    let is_one = bytes.iter().rev().skip(1).all(|byte| *byte == 0) && bytes.last() == Some(&1);
    bytes.last().is_some_and(|last| last % 2 == 1) && !is_one
}

fn modulus_bits(modulus: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(modulus).ok()?;
    let significant = bytes.iter().position(|byte| *byte != 0)?;
    let first = bytes.get(significant)?;
    Some((bytes.len() - significant) * 8 - first.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(keys: Value) -> KeySet {
        KeySet::from(Published {
            keys: keys.as_array().unwrap().clone(),
        })
    }

    fn rsa(bits: usize, extra: Value) -> Value {
        let mut modulus = vec![0xA5; bits / 8];
        modulus[0] |= 0x80;
        let mut key =
            json!({"kty": "RSA", "kid": "k", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode(modulus)});
        key.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        key
    }

    #[test]
    fn short_rsa_keys_are_left_out() {
        assert_eq!(set(json!([rsa(1024, json!({}))])).len(), 0);
        assert_eq!(set(json!([rsa(2048, json!({}))])).len(), 1);
    }

    #[test]
    fn padding_a_short_modulus_does_not_lengthen_it() {
        let mut modulus = vec![0; 128];
        modulus.extend([0xA5; 128]);
        let key = json!({"kty": "RSA", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode(modulus)});
        assert_eq!(set(json!([key])).len(), 0);
    }

    #[test]
    fn exponents_that_sign_nothing_are_left_out() {
        for exponent in ["AQ", "AAAB", "Ag", "AA", "", "!"] {
            let key = rsa(2048, json!({"e": exponent}));
            assert_eq!(set(json!([key])).len(), 0, "{exponent}");
        }
        assert_eq!(set(json!([rsa(2048, json!({"e": "Aw"}))])).len(), 1);
    }

    #[test]
    fn symmetric_keys_are_left_out() {
        let key =
            json!({"kty": "oct", "kid": "k", "k": URL_SAFE_NO_PAD.encode([7; 32]), "alg": "HS256"});
        assert_eq!(set(json!([key])).len(), 0);
    }

    #[test]
    fn keys_for_encryption_are_left_out() {
        assert_eq!(set(json!([rsa(2048, json!({"use": "enc"}))])).len(), 0);
        assert_eq!(
            set(json!([rsa(2048, json!({"key_ops": ["encrypt"]}))])).len(),
            0
        );
        assert_eq!(set(json!([rsa(2048, json!({"alg": "RSA-OAEP"}))])).len(), 0);
    }

    #[test]
    fn a_keys_own_algorithm_binds() {
        let set = set(json!([rsa(2048, json!({"alg": "RS256"}))]));
        assert!(set.find(Some("k"), Algorithm::RS256).is_some());
        assert!(set.find(Some("k"), Algorithm::PS256).is_none());
        assert!(set.find(Some("k"), Algorithm::HS256).is_none());
    }

    #[test]
    fn an_unknown_kind_does_not_spoil_the_others() {
        let odd = json!({"kty": "LATTICE", "kid": "new"});
        assert_eq!(set(json!([odd, "nonsense", rsa(2048, json!({}))])).len(), 1);
    }

    #[test]
    fn a_token_without_kid_needs_a_single_candidate() {
        let one = set(json!([rsa(2048, json!({}))]));
        assert!(one.find(None, Algorithm::RS256).is_some());
        let two = set(json!([
            rsa(2048, json!({"kid": "a"})),
            rsa(2048, json!({"kid": "b"}))
        ]));
        assert!(two.find(None, Algorithm::RS256).is_none());
    }
}
