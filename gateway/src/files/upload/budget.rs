//! How much memory all uploads together may hold, and each caller's of it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::FilesError;
use super::shares::Shares;

const MEBIBYTE: u64 = 1024 * 1024;

/// The memory of every part that is being filled or sent; cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::files) struct Budget {
    free: Arc<Semaphore>,
    total: u32,
    shares: Shares,
}

/// One caller's share of a [`Budget`]. Who finds none left waits, and so does its client. Nobody waits
/// while holding a part that only more memory would complete, so somebody always goes on.
#[derive(Debug, Clone)]
pub(in crate::files) struct Share {
    budget: Budget,
    own: Arc<Semaphore>,
}

/// Memory that was given out, until dropped.
#[derive(Debug)]
pub(in crate::files) struct Grant {
    _of_all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl Budget {
    /// A budget of `bytes`, but enough for one part of `part_bytes` at least, for each caller too.
    pub(in crate::files) fn new(bytes: u64, part_bytes: usize) -> Self {
        let part = mebibytes(part_bytes as u64);
        let total = mebibytes(bytes).max(part);
        Self {
            free: Arc::new(Semaphore::new(total as usize)),
            total,
            shares: Shares::new(total, part),
        }
    }

    /// The share of a caller, one for all of its uploads.
    pub(in crate::files) fn of(&self, caller: &str) -> Share {
        Share {
            budget: self.clone(),
            own: self.shares.of(caller),
        }
    }
}

impl Share {
    /// Waits for `bytes` of it.
    pub(in crate::files) async fn take(&self, bytes: usize) -> Result<Grant, FilesError> {
        let bytes = mebibytes(bytes as u64);
        // The caller's own first: in the queue for all, each caller is at most a quarter ahead.
        let own = take(&self.own, bytes.min(self.budget.shares.each())).await?;
        let of_all = take(&self.budget.free, bytes.min(self.budget.total)).await?;
        Ok(Grant {
            _of_all: of_all,
            _own: own,
        })
    }
}

async fn take(from: &Arc<Semaphore>, share: u32) -> Result<OwnedSemaphorePermit, FilesError> {
    let taken = from.clone().acquire_many_owned(share).await;
    taken.map_err(|closed| FilesError::Store {
        action: "find memory for a part",
        source: closed.into(),
    })
}

fn mebibytes(bytes: u64) -> u32 {
    // A semaphore has no more than 2^29 permits on small machines; a pod has less memory.
    u32::try_from(bytes.div_ceil(MEBIBYTE).clamp(1, 1 << 28)).unwrap_or(1 << 28)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const PART: usize = 8 << 20;

    #[tokio::test]
    async fn who_finds_none_waits_for_the_next() {
        let budget = Budget::new(16 << 20, PART);
        let first = budget.of("ana").take(PART).await.unwrap();
        let second = budget.of("ben").take(PART).await.unwrap();
        let waiting = tokio::spawn({
            let share = budget.of("cleo");
            async move { drop(share.take(PART).await) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
        drop(second);
    }

    #[tokio::test]
    async fn one_part_always_fits() {
        let budget = Budget::new(0, PART);
        drop(budget.of("ana").take(PART).await.unwrap());
        drop(budget.of("ana").take(10 * PART).await.unwrap());
    }

    #[tokio::test]
    async fn no_caller_holds_more_than_a_quarter() {
        let budget = Budget::new(256 << 20, PART);
        let share = budget.of("ana");
        let mut held = Vec::new();
        while let Some(grant) = share.take(PART).now_or_never() {
            held.push(grant.unwrap());
        }
        assert_eq!(held.len(), 8);
        // Whatever name of hers she comes by, and however many others there are.
        assert!(budget.of("ana").take(PART).now_or_never().is_none());
        drop(share);
        assert!(budget.of("ana").take(PART).now_or_never().is_none());
        assert!(budget.of("ben").take(PART).now_or_never().is_some());
        held.pop();
        assert!(budget.of("ana").take(PART).now_or_never().is_some());
        held.clear();
        budget.of("ben");
        budget.of("cleo");
        assert!(budget.shares.known() <= 2);
    }
}
