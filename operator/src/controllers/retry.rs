//! How soon a broken watch is started again.

use std::time::Duration;

use kube::runtime::utils::Backoff;
use kube::runtime::watcher::DefaultBackoff;

/// Until then nothing is known of what the watch is of.
const LONGEST: Duration = Duration::from_secs(5);

/// kube's own with jitter, which goes up to half a minute: too long to be blind in after the API
/// server was restarted.
#[derive(Default)]
pub struct Soon(DefaultBackoff);

impl Iterator for Soon {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next().map(|wait| wait.min(LONGEST))
    }
}

impl Backoff for Soon {
    /// A watch says that it begins before it has been let in, which is no success. One that has gone well for
    /// long is told from another by kube's own, which looks at the time.
    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_is_never_given_up_nor_left_alone_for_long() {
        let waits: Vec<Duration> = Soon::default().take(30).collect();
        assert_eq!(waits.len(), 30);
        assert!(waits.iter().all(|wait| *wait <= LONGEST), "{waits:?}");
    }

    #[test]
    fn one_that_only_begins_waits_longer_each_time() {
        let mut soon = Soon::default();
        let waits = std::iter::from_fn(|| {
            soon.reset();
            soon.next()
        });
        let together: Duration = waits.take(10).sum();
        assert!(together > Duration::from_secs(25), "{together:?}");
    }
}
