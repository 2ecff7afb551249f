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

/// One change makes several events; they are answered together.
pub const TOGETHER: Patience = Patience {
    quiet: Duration::from_millis(300),
    most: Duration::from_secs(1),
};

/// A status is told of in several steps, of which the last is the one that matters.
pub const STATUS: Patience = Patience {
    quiet: Duration::from_secs(1),
    most: Duration::from_secs(2),
};

/// Pods come up as fast as they can, and the end of it is told apart.
pub const PROGRESS: Patience = Patience {
    quiet: Duration::from_secs(10),
    most: Duration::from_secs(30),
};

/// Each of `changes` once it was quiet about it, or has waited for too long.
pub fn gathered<T>(
    changes: impl Stream<Item = (T, Patience)> + Send + 'static,
) -> impl Stream<Item = T> + Send + 'static
where
    T: Clone + Eq + Hash + Send + 'static,
{
    let waiting = Waiting {
        queue: DelayQueue::new(),
        known: HashMap::new(),
    };
    let state = (Box::pin(changes), waiting);
    stream::unfold(state, |(mut changes, mut waiting)| async move {
        loop {
            tokio::select! {
                // What is due goes first, or a flood of changes would hold it up.
                biased;
                due = waiting.due() => return Some((due, (changes, waiting))),
                change = changes.next() => {
                    let (changed, patience) = change?;
                    waiting.note(changed, patience);
                }
            }
        }
    })
}

struct Waiting<T> {
    queue: DelayQueue<T>,
    known: HashMap<T, Known>,
}

/// One that is in the queue.
struct Known {
    key: Key,
    /// When it is told at the latest, however many changes follow.
    latest: Instant,
    quiet: Duration,
}

impl<T: Clone + Eq + Hash> Waiting<T> {
    fn note(&mut self, changed: T, patience: Patience) {
        let now = Instant::now();
        let latest = now + patience.most;
        if let Some(known) = self.known.get_mut(&changed) {
            // The least patient of its changes counts.
            known.latest = known.latest.min(latest);
            known.quiet = known.quiet.min(patience.quiet);
            self.queue
                .reset_at(&known.key, (now + known.quiet).min(known.latest));
            return;
        }
        let key = self.queue.insert_at(changed.clone(), now + patience.quiet);
        let known = Known {
            key,
            latest,
            quiet: patience.quiet,
        };
        self.known.insert(changed, known);
    }

    async fn due(&mut self) -> T {
        let expired = poll_fn(|context| match self.queue.poll_expired(context) {
            // An empty queue says that it has ended; another change may come.
            std::task::Poll::Ready(None) => std::task::Poll::Pending,
            std::task::Poll::Ready(Some(expired)) => std::task::Poll::Ready(expired),
            std::task::Poll::Pending => std::task::Poll::Pending,
        });
        let due = expired.await.into_inner();
        self.known.remove(&due);
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
        let burst = ["a", "b", "a", "a", "b"].map(|change| (change, PATIENCE));
        let burst = stream::iter(burst).chain(stream::pending());
        let mut gathered = Box::pin(gathered(burst));
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
            Some((("a", PATIENCE), ()))
        });
        let gathered = gathered(changes);
        let found = tokio::time::timeout(Duration::from_secs(30), gathered.take(3).count());
        assert_eq!(found.await, Ok(3));
    }

    #[tokio::test]
    async fn the_least_patient_change_counts() {
        let never = Patience {
            quiet: Duration::from_secs(3600),
            most: Duration::from_secs(3600),
        };
        let changes = stream::iter([("a", never), ("a", PATIENCE), ("a", never), ("b", never)]);
        let mut gathered = Box::pin(gathered(changes.chain(stream::pending())));
        let found = tokio::time::timeout(Duration::from_secs(30), gathered.next());
        assert_eq!(found.await, Ok(Some("a")));
    }
}
