//! The keys that sign file tokens, and their rotation.
//!
//! A pod that has not seen a new key yet must not be shown tokens signed with it. So the next key is
//! given to the pods as the other one that they accept, signs when all of them had time to see it,
//! and the former is accepted for as long as anything that it signed may live.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crds::conditions::{Finding, SIGNING_KEY_READY, reason};
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::rotation::{Progress, Rotated, Schedule, Stage, now};
use super::{Step, StepError};
use crate::events;
use crate::gateway::workload;
use crate::meta::signing_secret_name;
use crate::secrets::{self, Owned};
use crate::sensitive::Sensitive;

const FILE: &str = "keys.json";
/// HS256 wants as many bytes as its hash gives (RFC 7518, section 3.2).
const KEY_BYTES: usize = 32;

/// `keys.json`, as the gateway reads it: it signs with `current` and accepts both.
#[derive(Clone, Serialize, Deserialize)]
struct Keys {
    current: Key,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<Key>,
}

#[derive(Clone, Serialize, Deserialize)]
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

/// How long things take.
struct Waits {
    /// Until every pod has seen a change of the Secret.
    spread: Duration,
    /// Until nothing lives any more that the former key has signed.
    life: Duration,
}

/// The keys, and how far their rotation is.
#[derive(Clone)]
struct Ring {
    keys: Keys,
    progress: Progress,
}

impl Ring {
    fn new(schedule: &Schedule, now: Timestamp) -> Self {
        Self {
            keys: Keys {
                current: Key::random(),
                previous: None,
            },
            progress: Progress::new(schedule, now),
        }
    }

    /// `None` when a gateway could not use them.
    fn read(secret: &Owned) -> Option<Self> {
        let text = secret.data.get(FILE)?.expose();
        let keys: Keys = serde_json::from_str(text).ok()?;
        let sound = keys.current.is_sound() && keys.previous.as_ref().is_none_or(Key::is_sound);
        let mut progress = Progress::read(&secret.annotations, secret.created);
        // Whoever has changed the annotations by hand can't keep a former key for ever.
        match (&keys.previous, progress.stage) {
            (None, _) => progress.stage = Stage::Settled,
            (Some(_), Stage::Settled) => progress.stage = Stage::Retiring,
            _ => {}
        }
        sound.then_some(Self { keys, progress })
    }

    fn data(&self) -> BTreeMap<String, Sensitive> {
        // Strings always serialize.
        let text = serde_json::to_string(&self.keys).unwrap_or_default();
        BTreeMap::from([(FILE.to_string(), Sensitive::new(text))])
    }

    /// When this stage is over; settled rings stay until a rotation is due.
    fn ends(&self, waits: &Waits) -> Option<Timestamp> {
        match self.progress.stage {
            Stage::Settled => None,
            Stage::Spreading => Some(self.progress.end_of(waits.spread)),
            // Pods sign with the former key until they have seen the new order.
            Stage::Retiring => Some(self.progress.end_of(waits.spread + waits.life)),
        }
    }

    /// One step further. Called when it is time.
    fn advance(&mut self, schedule: &Schedule, now: Timestamp) {
        let stage = match self.progress.stage {
            Stage::Settled => {
                self.keys.previous = Some(Key::random());
                self.progress.request.clone_from(&schedule.request);
                Stage::Spreading
            }
            Stage::Spreading => {
                if let Some(next) = self.keys.previous.take() {
                    let former = std::mem::replace(&mut self.keys.current, next);
                    self.keys.previous = Some(former);
                }
                self.progress.issued = now;
                Stage::Retiring
            }
            Stage::Retiring => {
                self.keys.previous = None;
                Stage::Settled
            }
        };
        self.progress.enter(stage, now);
    }
}

/// Makes the Secret exist with a sound key, and rotates the key when that is due.
///
/// # Errors
/// When the API server fails, or the Secret belongs to somebody else.
pub async fn ensure(step: &Step<'_>) -> Result<(Finding, Rotated), StepError> {
    let plan = step.plan;
    let owner = &plan.owner;
    let client = &step.context.client;
    let name = signing_secret_name(&owner.name);
    let schedule = &plan.rotations.signing_key;
    // What is signed for so long must be accepted for so long.
    let life = plan.token_lifetime_seconds.max(plan.playback_seconds);
    let waits = Waits {
        spread: step.context.config.secret_delay,
        life: Duration::from_secs(u64::try_from(life).unwrap_or_default()),
    };
    let now = now();
    let kept = secrets::owned(client, owner, &name)
        .await?
        .and_then(|secret| Ring::read(&secret));
    let (mut ring, note) = match kept {
        Some(ring) => (ring, None),
        None => {
            let note = format!("issued a signing key for file tokens into Secret {name}");
            (Ring::new(schedule, now), Some((events::KEY_ISSUED, note)))
        }
    };
    let over = match ring.ends(&waits) {
        None => ring.progress.due(schedule, now),
        // A pod that is not ready may not have seen what the others have.
        Some(end) => end <= now && workload::all_ready(client, owner).await?,
    };
    let note = if over {
        ring.advance(schedule, now);
        announcement(&ring, &name, &waits)
    } else {
        note
    };
    secrets::keep(
        step.context.cluster(),
        owner,
        &name,
        &ring.data(),
        ring.progress.annotations(),
    )
    .await?;
    if let Some((event, note)) = note {
        events::normal(step.context, step.gateway, SIGNING_KEY_READY, event, note).await;
    }
    let look_at = ring.ends(&waits).or_else(|| ring.progress.due_at(schedule));
    let rotated = Rotated {
        status: ring.progress.status(schedule),
        look_at,
    };
    Ok((finding(&ring, &name, &waits), rotated))
}

fn announcement(ring: &Ring, secret: &str, waits: &Waits) -> Option<(&'static str, String)> {
    match (ring.progress.stage, ring.ends(waits)) {
        (Stage::Retiring, Some(end)) => Some((
            events::KEY_ROTATED,
            format!(
                "file tokens are signed with a new key of Secret {secret}; the former is accepted \
                 until {end}"
            ),
        )),
        (Stage::Settled, _) => Some((
            events::KEY_REVOKED,
            format!("the former signing key is no longer in Secret {secret}"),
        )),
        _ => None,
    }
}

fn finding(ring: &Ring, secret: &str, waits: &Waits) -> Finding {
    let (reason, message) = match (ring.progress.stage, ring.ends(waits)) {
        (Stage::Spreading, Some(end)) => (
            reason::ROTATION_IN_PROGRESS,
            format!(
                "Secret {secret} holds the next signing key, which is used from {end} on if all \
                 pods are ready then"
            ),
        ),
        (Stage::Retiring, Some(end)) => (
            reason::ROTATION_IN_PROGRESS,
            format!("Secret {secret} holds a new signing key, and the former until {end}"),
        ),
        _ => (
            reason::CURRENT,
            format!("Secret {secret} holds the signing key"),
        ),
    };
    Finding::yes(SIGNING_KEY_READY, reason, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn secret(text: &str, annotations: BTreeMap<String, String>) -> Owned {
        Owned {
            data: BTreeMap::from([(FILE.to_string(), Sensitive::new(text))]),
            annotations,
            created: at("2026-01-01T00:00:00Z"),
        }
    }

    fn stored(ring: &Ring) -> Owned {
        Owned {
            data: ring.data(),
            ..secret("", ring.progress.annotations())
        }
    }

    #[test]
    fn generated_keys_are_sound_and_differ() {
        let now = at("2026-01-01T00:00:00Z");
        let [one, two] = [0, 1].map(|_| Ring::new(&Schedule::default(), now));
        assert!(Ring::read(&stored(&one)).is_some());
        assert_ne!(one.data()[FILE], two.data()[FILE]);
    }

    #[test]
    fn broken_keys_are_told() {
        for text in ["", "{}", r#"{"current":{"kid":"a","secret":"c2hvcnQ="}}"#] {
            assert!(
                Ring::read(&secret(text, BTreeMap::new())).is_none(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_key_is_accepted_before_it_signs_and_after() {
        let (now, schedule) = (at("2026-01-01T00:00:00Z"), Schedule::default());
        let waits = Waits {
            spread: Duration::from_secs(60),
            life: Duration::from_secs(3600),
        };
        let mut ring = Ring::new(&schedule, now);
        let first = ring.keys.current.kid.clone();

        ring.advance(&schedule, now);
        let next = ring.keys.previous.clone().unwrap().kid;
        assert_eq!(ring.keys.current.kid, first, "it does not sign yet");
        assert_eq!(ring.ends(&waits), Some(at("2026-01-01T00:01:00Z")));

        // Whoever reads it again goes on.
        let mut ring = Ring::read(&stored(&ring)).unwrap();
        ring.advance(&schedule, now);
        assert_eq!(ring.keys.current.kid, next);
        assert_eq!(ring.keys.previous.clone().unwrap().kid, first);
        assert_eq!(ring.ends(&waits), Some(at("2026-01-01T01:01:00Z")));

        let mut ring = Ring::read(&stored(&ring)).unwrap();
        ring.advance(&schedule, now);
        assert_eq!(ring.keys.current.kid, next);
        assert!(ring.keys.previous.is_none());
        assert_eq!(ring.progress.stage, Stage::Settled);
    }

    #[test]
    fn a_stage_that_does_not_fit_the_keys_is_corrected() {
        let (now, schedule) = (at("2026-01-01T00:00:00Z"), Schedule::default());
        let mut ring = Ring::new(&schedule, now);
        ring.progress.stage = Stage::Spreading;
        let read = Ring::read(&stored(&ring)).unwrap();
        assert_eq!(read.progress.stage, Stage::Settled, "there is no other key");
        ring.keys.previous = Some(Key::random());
        ring.progress.stage = Stage::Settled;
        let read = Ring::read(&stored(&ring)).unwrap();
        assert_eq!(read.progress.stage, Stage::Retiring, "it must go one day");
    }
}
