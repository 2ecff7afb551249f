//! Which of several operators works: the one that holds a Lease of `coordination.k8s.io`.
//!
//! The holder renews the Lease, and stops when it could not for two thirds of its duration; others
//! take it when they have seen no change for all of it. Every write names the version that it was
//! decided on, so of two candidates one is refused. A holder that stops releases the Lease, and the
//! others see that at once, because they watch it.
//!
//! None of it is a fence: a call that is under way can't be taken back. What keeps two operators from
//! harm are the marks on what they make (decision 15).
//!
//! Turned down: the crates for it. The one that fits this version of kube (kube-lease-manager) compares
//! the clocks of two machines, renews without naming a version, and looks at a Lease again only when it
//! would have ended, so that a released one lies idle.

mod lease;

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use kube::api::{Api, PostParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use thiserror::Error;
use tokio::time::{Instant, sleep, sleep_until, timeout};

pub use lease::Terms;
use lease::{Seen, holder, released, renewed};

/// The pause after a call that failed.
const PAUSE: Duration = Duration::from_millis(500);

/// Why an operator is the leader no longer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Lost {
    /// It could not renew the Lease in time.
    #[error("the Lease could not be renewed for {} s", .0.as_secs())]
    NotRenewed(Duration),
    /// The Lease says another.
    #[error("the Lease has another holder: {0}")]
    Taken(String),
    /// The Lease is gone.
    #[error("the Lease was deleted")]
    Deleted,
}

/// Why a candidate did not get the Lease.
#[derive(Debug, Error)]
enum Refused {
    #[error("another was faster")]
    Conflict,
    #[error("no answer in time")]
    Late,
    #[error(transparent)]
    Api(kube::Error),
}

/// A candidate.
pub struct Election {
    api: Api<Lease>,
    terms: Terms,
}

/// The Lease of a leader.
pub struct Held {
    lease: Lease,
    /// When the call was made that last renewed it.
    renewed: Instant,
}

impl Election {
    /// A candidate on these terms.
    pub fn new(client: Client, terms: Terms) -> Self {
        Self {
            api: Api::namespaced(client, &terms.namespace),
            terms,
        }
    }

    /// Waits until this candidate holds the Lease. `standing_by` is called when another does.
    pub async fn won(&self, standing_by: impl Fn()) -> Held {
        let mut changes = pin!(watch_object(self.api.clone(), &self.terms.name).default_backoff());
        let mut seen: Option<Seen> = None;
        loop {
            tokio::select! {
                change = changes.next() => match change {
                    Some(Ok(found)) => {
                        seen = Some(Seen::next(seen.take(), found, &self.terms, Instant::now()));
                    }
                    Some(Err(error)) => {
                        tracing::warn!(%error, "the Lease can't be watched; trying again");
                    }
                    None => sleep(PAUSE).await,
                },
                () = until(seen.as_ref()) => {}
            }
            let Some(last) = &mut seen else { continue };
            if last.free_at > Instant::now() {
                standing_by();
                continue;
            }
            match self.claim(last.lease.as_ref()).await {
                Ok(held) => {
                    tracing::info!(lease = self.terms.name, "leading");
                    return held;
                }
                Err(error) => {
                    // The watch is behind: the holder is alive, or another has become it.
                    let held = last.lease.as_ref().and_then(holder).is_some();
                    if held && matches!(error, Refused::Conflict) {
                        last.free_at = Instant::now() + self.terms.duration;
                    }
                    tracing::info!(%error, "the Lease was not taken; trying again");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Keeps the Lease, for as long as that works.
    pub async fn kept(&self, held: &mut Held) -> Lost {
        loop {
            sleep_until(held.renewed + self.terms.renew_every()).await;
            let give_up = held.renewed + self.terms.give_up_after();
            loop {
                let left = give_up.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Lost::NotRenewed(self.terms.give_up_after());
                }
                // A call that hangs leaves time for another.
                let patience = left.min(self.terms.renew_every());
                match timeout(patience, self.renew(held)).await {
                    Ok(Ok(None)) => break,
                    Ok(Ok(Some(lost))) => return lost,
                    Ok(Err(error)) => {
                        tracing::warn!(%error, "the Lease was not renewed; trying again");
                        sleep(PAUSE.min(left)).await;
                    }
                    Err(_) => tracing::warn!("the Lease was not renewed in time; trying again"),
                }
            }
        }
    }

    /// Lets others have it at once. When that fails they wait for its end.
    pub async fn release(&self, held: Held) {
        let free = released(&held.lease);
        let call = self.replace(&free);
        match timeout(self.terms.renew_every(), call).await {
            Ok(Ok(_)) => tracing::info!("released the Lease"),
            Ok(Err(error)) => tracing::warn!(%error, "the Lease was not released"),
            Err(_) => tracing::warn!("the Lease was not released in time"),
        }
    }

    async fn claim(&self, found: Option<&Lease>) -> Result<Held, Refused> {
        let renewed = Instant::now();
        let wanted = self.terms.claim(found);
        let call = async {
            match found {
                Some(_) => self.replace(&wanted).await,
                None => self.api.create(&PostParams::default(), &wanted).await,
            }
        };
        match timeout(self.terms.renew_every(), call).await {
            Ok(Ok(lease)) => Ok(Held { lease, renewed }),
            Ok(Err(error)) if is_conflict(&error) => Err(Refused::Conflict),
            Ok(Err(error)) => Err(Refused::Api(error)),
            Err(_) => Err(Refused::Late),
        }
    }

    async fn renew(&self, held: &mut Held) -> Result<Option<Lost>, kube::Error> {
        let sent = Instant::now();
        match self.replace(&renewed(&held.lease)).await {
            Ok(lease) => {
                *held = Held {
                    lease,
                    renewed: sent,
                };
                Ok(None)
            }
            Err(error) if is_conflict(&error) => self.read_again(held).await,
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Some(Lost::Deleted)),
            Err(error) => Err(error),
        }
    }

    /// After a conflict: somebody else has written, or an own call that was given up for lost.
    async fn read_again(&self, held: &mut Held) -> Result<Option<Lost>, kube::Error> {
        let Some(found) = self.api.get_opt(&self.terms.name).await? else {
            return Ok(Some(Lost::Deleted));
        };
        match holder(&found) {
            Some(holder) if holder == self.terms.identity => {
                let renewed = renewed(&found);
                let sent = Instant::now();
                let lease = self.replace(&renewed).await?;
                *held = Held {
                    lease,
                    renewed: sent,
                };
                Ok(None)
            }
            other => Ok(Some(Lost::Taken(other.unwrap_or("nobody").into()))),
        }
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, kube::Error> {
        self.api
            .replace(&self.terms.name, &PostParams::default(), lease)
            .await
    }
}

async fn until(seen: Option<&Seen>) {
    match seen {
        Some(seen) => sleep_until(seen.free_at).await,
        None => std::future::pending().await,
    }
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}
