//! Who may look at the outside world although nothing says that anything is wrong. After a hand-over, or when a
//! class changes, that is every gateway at once; and what a person has just changed must not wait for all of
//! them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Of the controller's sixteen; the others are left to changes.
const PLACES: usize = 12;
/// The least that one waits before it asks again.
const LEAST: Duration = Duration::from_millis(200);
/// For each that waits, so that together they ask about a hundred times a second, however many they are.
const EACH: Duration = Duration::from_millis(20);

/// A place among those that look.
pub type Turn = OwnedSemaphorePermit;

/// The line that they wait in.
#[derive(Debug)]
pub struct Turns {
    places: Arc<Semaphore>,
    /// By UID.
    waiting: Mutex<HashSet<String>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(PLACES)),
            waiting: Mutex::default(),
        }
    }
}

impl Turns {
    /// A place for the gateway of this UID, until it is dropped.
    ///
    /// # Errors
    /// When there is none: how long to wait before asking again.
    pub fn take(&self, uid: &str) -> Result<Turn, Duration> {
        let place = self.places.clone().try_acquire_owned();
        let mut waiting = self.lock();
        if let Ok(place) = place {
            waiting.remove(uid);
            return Ok(place);
        }
        if !waiting.contains(uid) {
            waiting.insert(uid.to_string());
        }
        let line = u32::try_from(waiting.len()).unwrap_or(u32::MAX);
        let most = EACH.saturating_mul(line).mul_f64(2.0);
        Err(LEAST + most.mul_f64(rand::random::<f64>()))
    }

    /// A gateway does not wait any more.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_than_there_are_places_waits_until_one_is_free() {
        let turns = Turns::default();
        let mut held: Vec<Turn> = (0..PLACES)
            .map(|number| turns.take(&number.to_string()).unwrap())
            .collect();
        assert!(turns.take("a").unwrap_err() >= LEAST);
        held.pop();
        let _a = turns.take("a").unwrap();
        assert!(turns.take("b").is_err());
        turns.forget("b");
        assert!(turns.lock().is_empty());
    }

    #[test]
    fn the_longer_the_line_the_less_each_asks() {
        let turns = Turns::default();
        let _held: Vec<Turn> = (0..PLACES).map(|_| turns.take("a").unwrap()).collect();
        let mut longest = Duration::ZERO;
        for number in 0..1000 {
            longest = longest.max(turns.take(&number.to_string()).unwrap_err());
        }
        assert!(longest > Duration::from_secs(10), "{longest:?}");
        assert!(longest <= LEAST + EACH * 2000, "{longest:?}");
    }
}
