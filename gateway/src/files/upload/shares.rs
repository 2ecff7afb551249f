//! What one caller may have of what all share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Semaphore;

/// One caller may hold a quarter: whoever sends slowly keeps the others waiting for nothing but the
/// rest.
const CALLERS: u32 = 4;

/// The shares of those who hold something just now; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Shares {
    each: u32,
    callers: Arc<Mutex<HashMap<String, Weak<Semaphore>>>>,
}

impl Shares {
    /// Shares of `total`, each at least `least`.
    pub(super) fn new(total: u32, least: u32) -> Self {
        Self {
            each: (total / CALLERS).max(least),
            callers: Arc::default(),
        }
    }

    /// How much each caller's is.
    pub(super) fn each(&self) -> u32 {
        self.each
    }

    /// The share of a caller, one for all that it does at once.
    pub(super) fn of(&self, caller: &str) -> Arc<Semaphore> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let own = callers.get(caller).and_then(Weak::upgrade);
        own.unwrap_or_else(|| {
            // No more are kept than there are uploads.
            callers.retain(|_, share| share.strong_count() > 0);
            let own = Arc::new(Semaphore::new(self.each as usize));
            callers.insert(caller.to_owned(), Arc::downgrade(&own));
            own
        })
    }

    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.callers.lock().unwrap().len()
    }
}
