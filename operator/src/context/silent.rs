//! Servers that do not answer, where each of a thousand gateways would wait for them in turn.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crds::FileGateway;

/// How long one gateway may take to ask.
const ASKING: Duration = Duration::from_secs(60);

/// By address.
#[derive(Debug, Default)]
pub struct Silent(Mutex<HashMap<String, Silence>>);

#[derive(Debug)]
struct Silence {
    until: Instant,
    error: String,
    /// The gateways that were told, by UID, and what they asked for then.
    told: HashMap<String, u64>,
}

impl Silent {
    /// Takes note that `server` has not answered `gateway`, which says so itself. Nobody asks it again for `wait`.
    pub fn note(&self, server: &str, gateway: &FileGateway, error: String, wait: Duration) {
        let (uid, asked) = asking(gateway);
        let silence = Silence {
            until: Instant::now() + wait,
            error,
            told: HashMap::from([(uid, asked)]),
        };
        self.lock().insert(server.to_string(), silence);
    }

    /// Whether `gateway` may ask `server` now. One that somebody has changed since it was told may.
    ///
    /// # Errors
    /// When it has to wait: why, unless it was told already.
    pub fn may_ask(&self, server: &str, gateway: &FileGateway) -> Result<(), Option<String>> {
        let mut all = self.lock();
        let Some(silence) = all.get_mut(server) else {
            return Ok(());
        };
        let now = Instant::now();
        if silence.until <= now {
            // The others wait for what this one is told.
            silence.until = now + ASKING;
            return Ok(());
        }
        let (uid, asked) = asking(gateway);
        match silence.told.insert(uid, asked) {
            None => Err(Some(silence.error.clone())),
            Some(before) if before == asked => Err(None),
            Some(_) => Ok(()),
        }
    }

    /// `server` has answered.
    pub fn forget(&self, server: &str) {
        self.lock().remove(server);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Silence>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Its UID, and a number that changes when somebody changes what is asked of it.
fn asking(gateway: &FileGateway) -> (String, u64) {
    let meta = &gateway.metadata;
    let mut hasher = DefaultHasher::new();
    (meta.generation, &meta.annotations).hash(&mut hasher);
    (meta.uid.clone().unwrap_or_default(), hasher.finish())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn gateway(uid: &str, generation: i64) -> FileGateway {
        serde_json::from_value(json!({
            "metadata": {"name": "files", "uid": uid, "generation": generation},
            "spec": {"organization": "acme", "auth": {"issuer": "i", "audience": "a"}},
        }))
        .unwrap()
    }

    #[test]
    fn each_gateway_is_told_once_and_asks_when_somebody_changes_it() {
        let silent = Silent::default();
        let [one, two] = ["1", "2"].map(|uid| gateway(uid, 1));
        let hour = Duration::from_secs(3600);
        assert_eq!(silent.may_ask("a", &one), Ok(()));
        silent.note("a", &one, "no answer".into(), hour);
        assert_eq!(silent.may_ask("a", &one), Err(None));
        let told = Some("no answer".to_string());
        assert_eq!(silent.may_ask("a", &two), Err(told));
        assert_eq!(silent.may_ask("a", &two), Err(None));
        assert_eq!(silent.may_ask("b", &two), Ok(()));
        let changed = gateway("2", 2);
        assert_eq!(silent.may_ask("a", &changed), Ok(()));
        assert_eq!(silent.may_ask("a", &changed), Err(None));
        silent.note("a", &one, "no answer".into(), Duration::ZERO);
        assert_eq!(silent.may_ask("a", &two), Ok(()), "it is asked again");
        assert!(silent.may_ask("a", &one).is_err(), "by one of them");
        silent.forget("a");
        assert_eq!(silent.may_ask("a", &one), Ok(()));
    }
}
