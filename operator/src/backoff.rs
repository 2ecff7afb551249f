//! How long to wait before an object is tried again: twice as long after each failure, from one
//! second to five minutes, give or take a fifth so that a thousand gateways of one broken server do
//! not come back in the same moment.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// Failures in a row, by object.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: Mutex<HashMap<String, u32>>,
}

impl Backoff {
    /// Counts a failure of `object` and says how long to wait.
    pub fn failed(&self, object: &str) -> Duration {
        let mut failures = self.lock();
        let count = failures.entry(object.to_string()).or_insert(0);
        let wait = FIRST
            .saturating_mul(2_u32.saturating_pow(*count))
            .min(LONGEST);
        *count = count.saturating_add(1);
        jittered(wait, 0.2)
    }

    /// Forgets the failures of `object`: it succeeded, or it is gone.
    pub fn settled(&self, object: &str) {
        self.lock().remove(object);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `duration` give or take `share` of it, at random.
pub fn jittered(duration: Duration, share: f64) -> Duration {
    duration.mul_f64(1.0 + share * (rand::random::<f64>() * 2.0 - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_five_minutes_and_start_over() {
        let backoff = Backoff::default();
        let waits: Vec<_> = (0..12)
            .map(|_| backoff.failed("a/b").as_secs_f64())
            .collect();
        assert!((0.8..=1.2).contains(&waits[0]), "{waits:?}");
        assert!((6.4..=9.6).contains(&waits[3]), "{waits:?}");
        assert!((240.0..=360.0).contains(&waits[11]), "{waits:?}");
        backoff.settled("a/b");
        assert!(backoff.failed("a/b").as_secs_f64() <= 1.2);
        for _ in 0..100 {
            backoff.failed("overflow");
        }
    }
}
