//! Answers changes that belong together once.
//!
//! Turned down: the debounce of kube's controller. Each change begins its wait anew, so a child that
//! somebody changes several times a second keeps its gateway from being looked at at all.

use std::collections::HashMap;
use std::future::poll_fn;
use std::hash::Hash;
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt};
use tokio::time::Instant;
use tokio_util::time::DelayQueue;
use tokio_util::time::delay_queue::Key;

/// How long what was changed is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// After each change, for the next one.
    pub quiet: Duration,
    /// After the first change, however many follow.
    pub most: Duration,
}

/// Each of `changes` once it was quiet about it, or has waited for too long.
pub fn gathered<T>(
    changes: impl Stream<Item = T> + Send + 'static,
    patience: Patience,
) -> impl Stream<Item = T> + Send + 'static
where
    T: Clone + Eq + Hash + Send + 'static,
{
    let waiting = Waiting {
        patience,
        queue: DelayQueue::new(),
        began: HashMap::new(),
    };
    let state = (Box::pin(changes), waiting);
    stream::unfold(state, |(mut changes, mut waiting)| async move {
        loop {
            tokio::select! {
                // What is due goes first, or a flood of changes would hold it up.
                biased;
                due = waiting.due() => return Some((due, (changes, waiting))),
                change = changes.next() => waiting.note(change?),
            }
        }
    })
}

struct Waiting<T> {
    patience: Patience,
    queue: DelayQueue<T>,
    /// When each of those in the queue was changed first.
    began: HashMap<T, (Instant, Key)>,
}

impl<T: Clone + Eq + Hash> Waiting<T> {
    fn note(&mut self, changed: T) {
        let Patience { quiet, most } = self.patience;
        let now = Instant::now();
        if let Some((began, key)) = self.began.get(&changed) {
            self.queue.reset_at(key, (now + quiet).min(*began + most));
            return;
        }
        let key = self.queue.insert_at(changed.clone(), now + quiet);
        self.began.insert(changed, (now, key));
    }

    async fn due(&mut self) -> T {
        let expired = poll_fn(|context| match self.queue.poll_expired(context) {
            // An empty queue says that it has ended; another change may come.
            std::task::Poll::Ready(None) => std::task::Poll::Pending,
            std::task::Poll::Ready(Some(expired)) => std::task::Poll::Ready(expired),
            std::task::Poll::Pending => std::task::Poll::Pending,
        });
        let due = expired.await.into_inner();
        self.began.remove(&due);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        quiet: Duration::from_millis(300),
        most: Duration::from_millis(600),
    };

    #[tokio::test]
    async fn changes_that_come_together_are_one() {
        let burst = stream::iter(["a", "b", "a", "a", "b"]).chain(stream::pending());
        let mut gathered = Box::pin(gathered(burst, PATIENCE));
        let mut found = [gathered.next().await, gathered.next().await];
        found.sort_unstable();
        assert_eq!(found, [Some("a"), Some("b")]);
        let more = tokio::time::timeout(Duration::from_secs(1), gathered.next());
        assert!(more.await.is_err(), "each of them once");
    }

    #[tokio::test]
    async fn changes_without_end_are_told_all_the_same() {
        let changes = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Some(("a", ()))
        });
        let gathered = gathered(changes, PATIENCE);
        let found = tokio::time::timeout(Duration::from_secs(30), gathered.take(3).count());
        assert_eq!(found.await, Ok(3));
    }
}
