//! Whether what this layer stands on is there: the database, the bucket, and one time for all.

use std::future::Future;
use std::time::{Duration, SystemTime};

use super::Files;
use crate::store::StoreError;

/// How long a dependency may take to answer. A probe gives up sooner, but the next one gets the answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// Which dependency is in the way; the messages name no address and no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// Whether the database answers.
    pub database: Result<(), String>,
    /// Whether the bucket answers.
    pub bucket: Result<(), String>,
    /// Whether the clock agrees with the object store's: signatures and file tokens rest on it.
    pub clock: Result<(), String>,
}

impl Files {
    /// Asks the database and the bucket for an answer, both at once, and holds the clock against the
    /// object store's, which may differ by `max_skew`. A server that tells no time is taken for right.
    pub async fn readiness(&self, max_skew: Duration) -> Readiness {
        let database = async {
            let answer = in_time("the database", self.catalog.ping()).await?;
            answer.map_err(|error| error.summary())
        };
        let store = async {
            let asked = SystemTime::now();
            let answer = in_time("the object store", self.store.head_bucket()).await;
            (answer, asked, SystemTime::now())
        };
        let (database, (answer, asked, answered)) = tokio::join!(database, store);
        let (bucket, clock) = match answer {
            Err(late) => (Err(late), Ok(())),
            Ok(answer) => {
                let clock = answer
                    .server_time
                    .map_or(Ok(()), |time| agree(asked, answered, time, max_skew));
                (answer.bucket.map_err(words), clock)
            }
        };
        Readiness {
            database,
            bucket,
            clock,
        }
    }
}

async fn in_time<T>(who: &str, answer: impl Future<Output = T>) -> Result<T, String> {
    tokio::time::timeout(PATIENCE, answer)
        .await
        .map_err(|_| format!("{who} did not answer in {} seconds", PATIENCE.as_secs()))
}

fn words(error: StoreError) -> String {
    match error {
        StoreError::NotFound { .. } => "the bucket does not exist".into(),
        other => other.to_string(),
    }
}

/// Whether `theirs`, told in whole seconds some time between `asked` and `answered`, agrees with ours.
fn agree(
    asked: SystemTime,
    answered: SystemTime,
    theirs: SystemTime,
    max_skew: Duration,
) -> Result<(), String> {
    let second = Duration::from_secs(1);
    let behind = theirs.duration_since(answered).unwrap_or_default();
    let ahead = asked.duration_since(theirs).unwrap_or_default();
    let (skew, word) = if behind > Duration::ZERO {
        (behind, "behind")
    } else {
        (ahead.saturating_sub(second), "ahead of")
    };
    if skew <= max_skew {
        return Ok(());
    }
    Err(format!(
        "the gateway's clock is {} seconds {word} the object store's, and {} are allowed: signatures \
         and tokens fail; run NTP (chrony, systemd-timesyncd) on the nodes of both",
        skew.as_secs(),
        max_skew.as_secs()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_which_clock_differs_by_how_much() {
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let minute = Duration::from_secs(60);
        for theirs in [940, 1000, 1001, 1062] {
            assert_eq!(agree(at(1000), at(1002), at(theirs), minute), Ok(()));
        }
        let behind = agree(at(1000), at(1002), at(1102), minute).unwrap_err();
        assert!(behind.contains("100 seconds behind the object"), "{behind}");
        let ahead = agree(at(1000), at(1002), at(849), minute).unwrap_err();
        assert!(ahead.contains("150 seconds ahead of the object"), "{ahead}");
        assert!(ahead.contains("NTP"), "{ahead}");
    }
}
