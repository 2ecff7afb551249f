//! What a Lease says, and what it is to say next. Pure.
//!
//! Clocks of different machines are never compared: a candidate counts from the moment at which it
//! saw the Lease change, and times inside a Lease are for people.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

/// Who wants a Lease, and on which terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// The candidate: its pod's name.
    pub identity: String,
    /// How long candidates wait for a holder that says nothing.
    pub duration: Duration,
}

impl Terms {
    /// How often the holder renews.
    pub fn renew_every(&self) -> Duration {
        self.duration / 6
    }

    /// When a holder that can't renew stops, counted from its last renewal. The third that is left
    /// of the duration is for calls that are under way.
    pub fn give_up_after(&self) -> Duration {
        self.duration * 2 / 3
    }

    /// The Lease with this candidate as its holder; `found` is the one that it takes over.
    pub fn claim(&self, found: Option<&Lease>) -> Lease {
        let now = Some(MicroTime(Timestamp::now()));
        let before = found.and_then(|lease| lease.spec.as_ref());
        let transitions = before
            .and_then(|spec| spec.lease_transitions)
            .map_or(0, |count| count.saturating_add(1));
        Lease {
            metadata: found.map_or_else(
                || ObjectMeta {
                    name: Some(self.name.clone()),
                    namespace: Some(self.namespace.clone()),
                    ..ObjectMeta::default()
                },
                |lease| lease.metadata.clone(),
            ),
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: i32::try_from(self.duration.as_secs()).ok(),
                acquire_time: now.clone(),
                renew_time: now,
                lease_transitions: Some(transitions),
                ..LeaseSpec::default()
            }),
        }
    }
}

/// `held`, renewed.
pub fn renewed(held: &Lease) -> Lease {
    let mut lease = held.clone();
    lease.spec.get_or_insert_default().renew_time = Some(MicroTime(Timestamp::now()));
    lease
}

/// `held`, for anybody to take.
pub fn released(held: &Lease) -> Lease {
    let mut lease = renewed(held);
    lease.spec.get_or_insert_default().holder_identity = None;
    lease
}

/// Who holds `lease`.
pub fn holder(lease: &Lease) -> Option<&str> {
    let holder = lease.spec.as_ref()?.holder_identity.as_deref()?;
    (!holder.is_empty()).then_some(holder)
}

/// The Lease as a candidate last saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// It; `None` when there is none.
    pub lease: Option<Lease>,
    /// From when on it may be taken, unless it changes until then.
    pub free_at: Instant,
}

impl Seen {
    /// What is known after `found` was seen at `now`.
    pub fn next(before: Option<Self>, found: Option<Lease>, terms: &Terms, now: Instant) -> Self {
        let Some(lease) = found else {
            // One that was deleted may still have a holder, which has not noticed yet.
            let free_at = before.map_or(now, |seen| seen.free_at);
            return Self {
                lease: None,
                free_at,
            };
        };
        let version = |lease: &Lease| lease.metadata.resource_version.clone();
        if let Some(seen) = before
            && seen.lease.as_ref().and_then(version) == version(&lease)
        {
            return seen;
        }
        let free_at = match holder(&lease) {
            None => now,
            // A former process of this pod, which has ended.
            Some(holder) if holder == terms.identity => now,
            Some(_) => now + promised(&lease).unwrap_or(terms.duration),
        };
        Self {
            lease: Some(lease),
            free_at,
        }
    }
}

/// How long the holder asks others to wait.
fn promised(lease: &Lease) -> Option<Duration> {
    let seconds = lease.spec.as_ref()?.lease_duration_seconds?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(identity: &str) -> Terms {
        Terms {
            namespace: "system".into(),
            name: "operator".into(),
            identity: identity.into(),
            duration: Duration::from_secs(15),
        }
    }

    fn version(mut lease: Lease, version: &str) -> Lease {
        lease.metadata.resource_version = Some(version.into());
        lease
    }

    #[test]
    fn a_holder_that_says_nothing_loses_the_lease_and_one_that_renews_keeps_it() {
        let (mine, start) = (terms("b"), Instant::now());
        let later = start + Duration::from_secs(10);
        let lease = version(terms("a").claim(None), "1");
        let seen = Seen::next(None, Some(lease.clone()), &mine, start);
        assert_eq!(seen.free_at, start + mine.duration);
        let again = Seen::next(Some(seen.clone()), Some(lease.clone()), &mine, later);
        assert_eq!(again.free_at, start + mine.duration, "nothing was renewed");
        let renewed = version(renewed(&lease), "2");
        let seen = Seen::next(Some(seen), Some(renewed), &mine, later);
        assert_eq!(seen.free_at, later + mine.duration);
    }

    #[test]
    fn a_released_lease_is_free_at_once_and_so_is_ones_own() {
        let now = Instant::now();
        let lease = terms("a").claim(None);
        assert_eq!(holder(&lease), Some("a"));
        let free = released(&lease);
        assert_eq!(holder(&free), None);
        assert_eq!(Seen::next(None, Some(free), &terms("b"), now).free_at, now);
        assert_eq!(Seen::next(None, Some(lease), &terms("a"), now).free_at, now);
        assert_eq!(Seen::next(None, None, &terms("a"), now).free_at, now);
    }

    #[test]
    fn a_deleted_lease_is_not_free_before_its_time() {
        let (mine, now) = (terms("b"), Instant::now());
        let lease = version(terms("a").claim(None), "1");
        let seen = Seen::next(None, Some(lease), &mine, now);
        let gone = Seen::next(Some(seen), None, &mine, now + Duration::from_secs(1));
        assert_eq!(gone.free_at, now + mine.duration);
        assert!(gone.lease.is_none());
    }

    #[test]
    fn a_claim_keeps_the_version_that_it_was_made_for_and_counts() {
        let first = version(terms("a").claim(None), "7");
        let second = terms("b").claim(Some(&first));
        assert_eq!(second.metadata.resource_version.as_deref(), Some("7"));
        let spec = second.spec.unwrap();
        assert_eq!(spec.lease_transitions, Some(1));
        assert_eq!(spec.lease_duration_seconds, Some(15));
    }

    #[test]
    fn a_holder_stops_before_others_may_begin() {
        let terms = terms("a");
        assert!(terms.renew_every() < terms.give_up_after());
        assert!(terms.give_up_after() < terms.duration);
    }
}
