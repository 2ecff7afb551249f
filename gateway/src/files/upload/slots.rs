//! How many uploads may be at work at once in this process, and each caller's of them.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::FilesError;
use super::shares::Shares;

/// The places of all uploads at work; cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::files) struct Slots {
    free: Arc<Semaphore>,
    limit: u32,
    shares: Shares,
}

/// A place, until dropped.
#[derive(Debug)]
pub(in crate::files) struct Slot {
    _of_all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl Slots {
    /// So many places, a quarter of them for each caller and one at least.
    pub(in crate::files) fn new(limit: u32) -> Self {
        Self {
            free: Arc::new(Semaphore::new(limit as usize)),
            limit,
            shares: Shares::new(limit, 1),
        }
    }

    /// Takes a place. Nobody waits for one: a client that is told at once has not sent its body yet.
    ///
    /// # Errors
    /// [`FilesError::TooManyUploadsOfCaller`] when the caller has its share,
    /// [`FilesError::TooManyUploads`] when there is none left.
    pub(in crate::files) fn take(&self, caller: &str) -> Result<Slot, FilesError> {
        let own = self.shares.of(caller).try_acquire_owned();
        let own = own.map_err(|_| FilesError::TooManyUploadsOfCaller {
            limit: self.shares.each(),
        })?;
        let of_all = self.free.clone().try_acquire_owned();
        let of_all = of_all.map_err(|_| FilesError::TooManyUploads { limit: self.limit })?;
        Ok(Slot {
            _of_all: of_all,
            _own: own,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_caller_has_more_than_a_quarter_of_the_places() {
        let slots = Slots::new(8);
        let mut held: Vec<_> = (0..2).map(|_| slots.take("ana").unwrap()).collect();
        let refused = slots.take("ana").unwrap_err();
        assert!(matches!(
            refused,
            FilesError::TooManyUploadsOfCaller { limit: 2 }
        ));
        for caller in ["ben", "cleo", "dan"] {
            held.extend((0..2).map(|_| slots.take(caller).unwrap()));
        }
        let refused = slots.take("eve").unwrap_err();
        assert!(matches!(refused, FilesError::TooManyUploads { limit: 8 }));
        held.remove(0);
        // What one is refused, nobody holds.
        drop(slots.take("eve").unwrap());
        held.push(slots.take("ana").unwrap());
        drop(held);
        drop(slots.take("ana").unwrap());
        assert_eq!(slots.shares.known(), 1);
    }

    #[test]
    fn one_place_is_for_whoever_comes_first() {
        let slots = Slots::new(1);
        let held = slots.take("ana").unwrap();
        let refused = slots.take("ben").unwrap_err();
        assert!(matches!(refused, FilesError::TooManyUploads { limit: 1 }));
        drop(held);
        slots.take("ben").unwrap();
    }
}
