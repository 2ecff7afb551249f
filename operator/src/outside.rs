//! What was found outside of the cluster, by gateway.
//!
//! Nobody tells of changes there, so it is looked at when something changes that it depends on, and slowly
//! all the time. A pass in between, since a pod has become ready or a child was deleted, asks no server.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::jiff::Timestamp;

/// Of all gateways, by UID.
#[derive(Debug, Default)]
pub struct Outside {
    found: Mutex<HashMap<String, Found>>,
    hasher: RandomState,
}

/// Versions of the objects that a look keeps in the cluster, of those that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// The Secret with the key to the bucket.
    pub access_key: Option<u64>,
    /// The Secret with the keys that sign file tokens.
    pub signing_key: Option<u64>,
    /// The Secret with the login to the database.
    pub login: Option<u64>,
    /// The volume of a database that is a file.
    pub volume: Option<u64>,
}

/// A look at which everything was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Changes with everything that the look depended on, but for what it has left in the cluster.
    pub inputs: u64,
    /// What it has left there.
    pub own: Own,
    /// When the next one is due.
    pub until: Timestamp,
    /// What tells the database's server apart.
    pub database: String,
}

impl Outside {
    /// A number for `inputs`, which another process would give another one.
    pub fn number(&self, inputs: impl Hash) -> u64 {
        self.hasher.hash_one(inputs)
    }

    /// The last look, when it was with the same `inputs` and is good at `now`.
    pub fn found(&self, uid: &str, inputs: u64, now: Timestamp) -> Option<Found> {
        let all = self.lock();
        let found = all.get(uid)?;
        (found.inputs == inputs && now < found.until).then(|| found.clone())
    }

    /// Whether there is a look that is good at `now`, whatever it depended on.
    pub fn is_known(&self, uid: &str, now: Timestamp) -> bool {
        self.lock().get(uid).is_some_and(|found| now < found.until)
    }

    /// Takes note of a look.
    pub fn remember(&self, uid: &str, found: Found) {
        self.lock().insert(uid.to_string(), found);
    }

    /// A gateway is gone, or has to be looked at anew.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Found>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_holds_for_the_same_inputs_until_its_time() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let outside = Outside::default();
        let [inputs, others] = ["a", "b"].map(|text| outside.number(text));
        let found = Found {
            inputs,
            own: Own::default(),
            until: at("2026-01-01T01:00:00Z"),
            database: "s".into(),
        };
        outside.remember("u", found.clone());
        let early = at("2026-01-01T00:59:59Z");
        assert_eq!(outside.found("u", inputs, early), Some(found));
        assert_eq!(outside.found("u", others, early), None);
        assert_eq!(outside.found("v", inputs, early), None);
        assert!(outside.is_known("u", early) && !outside.is_known("v", early));
        let late = at("2026-01-01T01:00:00Z");
        assert_eq!(outside.found("u", inputs, late), None);
        assert!(!outside.is_known("u", late));
        outside.forget("u");
        assert_eq!(outside.found("u", inputs, early), None);
    }
}
