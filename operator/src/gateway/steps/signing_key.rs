//! The keys that sign file tokens.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crds::conditions::{Finding, SIGNING_KEY_READY, reason};
use serde::{Deserialize, Serialize};

use super::{Step, StepError};
use crate::events;
use crate::meta::signing_secret_name;
use crate::secrets;
use crate::sensitive::Sensitive;

const FILE: &str = "keys.json";
/// HS256 wants as many bytes as its hash gives (RFC 7518, section 3.2).
const KEY_BYTES: usize = 32;

/// `keys.json`, as the gateway reads it.
#[derive(Serialize, Deserialize)]
struct Keys {
    current: Key,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<Key>,
}

#[derive(Serialize, Deserialize)]
struct Key {
    kid: String,
    /// Base64 of [`KEY_BYTES`] bytes.
    secret: String,
}

impl Key {
    fn random() -> Self {
        Self {
            kid: format!("{:016x}", rand::random::<u64>()),
            secret: STANDARD.encode(rand::random::<[u8; KEY_BYTES]>()),
        }
    }

    fn is_sound(&self) -> bool {
        !self.kid.is_empty()
            && STANDARD
                .decode(&self.secret)
                .is_ok_and(|bytes| bytes.len() == KEY_BYTES)
    }
}

/// Makes the Secret exist with a sound key.
///
/// # Errors
/// When the API server fails, or the Secret belongs to somebody else.
pub async fn ensure(step: &Step<'_>) -> Result<Finding, StepError> {
    let owner = &step.plan.owner;
    let name = signing_secret_name(&owner.name);
    let kept = secrets::owned(&step.context.client, owner, &name)
        .await?
        .filter(is_sound);
    let (data, new) = match kept {
        Some(data) => (data, false),
        None => (generate(), true),
    };
    secrets::keep(&step.context.client, owner, &name, &data).await?;
    if new {
        let note = format!("issued a signing key for file tokens into Secret {name}");
        events::normal(
            step.context,
            step.gateway,
            SIGNING_KEY_READY,
            events::KEY_ISSUED,
            note,
        )
        .await;
    }
    Ok(Finding::yes(
        SIGNING_KEY_READY,
        reason::CURRENT,
        format!("Secret {name} holds the signing key"),
    ))
}

fn generate() -> BTreeMap<String, Sensitive> {
    let keys = Keys {
        current: Key::random(),
        previous: None,
    };
    // Two strings always serialize.
    let text = serde_json::to_string(&keys).unwrap_or_default();
    BTreeMap::from([(FILE.to_string(), Sensitive::new(text))])
}

fn is_sound(data: &BTreeMap<String, Sensitive>) -> bool {
    data.get(FILE)
        .and_then(|text| serde_json::from_str::<Keys>(text.expose()).ok())
        .is_some_and(|keys| {
            keys.current.is_sound() && keys.previous.as_ref().is_none_or(Key::is_sound)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> BTreeMap<String, Sensitive> {
        BTreeMap::from([(FILE.to_string(), Sensitive::new(text))])
    }

    #[test]
    fn generated_keys_are_sound_and_differ() {
        let (one, two) = (generate(), generate());
        assert!(is_sound(&one));
        assert_ne!(one[FILE], two[FILE]);
    }

    #[test]
    fn broken_keys_are_told() {
        for text in ["", "{}", r#"{"current":{"kid":"a","secret":"c2hvcnQ="}}"#] {
            assert!(!is_sound(&file(text)), "{text}");
        }
        assert!(!is_sound(&BTreeMap::new()));
    }
}
