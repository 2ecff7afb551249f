//! How much memory all uploads together may hold.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::FilesError;

const MEBIBYTE: u64 = 1024 * 1024;

/// The memory of every part that is being filled or sent; cheap to clone. Who finds none left waits,
/// and so does its client. Nobody waits while holding a part that only more memory would complete,
/// so somebody always goes on.
#[derive(Debug, Clone)]
pub(in crate::files) struct Budget {
    free: Arc<Semaphore>,
    total: u32,
}

/// Memory that was given out, until dropped.
pub(in crate::files) type Grant = OwnedSemaphorePermit;

impl Budget {
    /// A budget of `bytes`, but enough for one part of `part_bytes` at least.
    pub(in crate::files) fn new(bytes: u64, part_bytes: usize) -> Self {
        let mebibytes = mebibytes(bytes).max(mebibytes(part_bytes as u64));
        Self {
            free: Arc::new(Semaphore::new(mebibytes as usize)),
            total: mebibytes,
        }
    }

    /// Waits for `bytes` of it.
    pub(in crate::files) async fn take(&self, bytes: usize) -> Result<Grant, FilesError> {
        let share = mebibytes(bytes as u64).min(self.total);
        let taken = self.free.clone().acquire_many_owned(share).await;
        taken.map_err(|closed| FilesError::Store {
            action: "find memory for a part",
            source: closed.into(),
        })
    }
}

fn mebibytes(bytes: u64) -> u32 {
    // A semaphore has no more than 2^29 permits on small machines; a pod has less memory.
    u32::try_from(bytes.div_ceil(MEBIBYTE).clamp(1, 1 << 28)).unwrap_or(1 << 28)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_finds_none_waits_for_the_next() {
        let budget = Budget::new(16 << 20, 8 << 20);
        let first = budget.take(8 << 20).await.unwrap();
        let second = budget.take(8 << 20).await.unwrap();
        let waiting = tokio::spawn({
            let budget = budget.clone();
            async move { drop(budget.take(8 << 20).await) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
        drop(second);
    }

    #[tokio::test]
    async fn one_part_always_fits() {
        let budget = Budget::new(0, 8 << 20);
        drop(budget.take(8 << 20).await.unwrap());
        drop(budget.take(80 << 20).await.unwrap());
    }
}
