//! What all rotations have in common: when one is due, and how far it is. Pure.
//!
//! A rotation spans many passes and may be interrupted by a crash at any point. How far it is stands
//! in annotations of the Secret, so it changes in the same write as the credential, and there is
//! nothing that could disagree with it.

use std::collections::BTreeMap;
use std::time::Duration;

use crds::RotationStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// When the current credential was issued.
const ISSUED: &str = "filegateway.dev/issued-at";
/// How far the rotation is.
const STAGE: &str = "filegateway.dev/rotation-stage";
/// Since when it is that far.
const SINCE: &str = "filegateway.dev/rotation-since";
/// The value of the annotation that was last answered.
const REQUEST: &str = "filegateway.dev/rotation-request";

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How far a rotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// There is one credential.
    Settled,
    /// The Secret has been changed, and pods may not have seen it yet.
    Spreading,
    /// The former credential is on its way out.
    Retiring,
}

/// What asks for a rotation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// How old a credential may become, in days; 0 for as old as it likes.
    pub days: i32,
    /// The value of the annotation that asks for one.
    pub request: Option<String>,
}

/// Where the rotation of one credential stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// When the current credential was issued.
    pub issued: Timestamp,
    /// How far the rotation is.
    pub stage: Stage,
    /// Since when it is that far.
    pub since: Timestamp,
    /// The request that was last answered.
    pub request: Option<String>,
}

impl Progress {
    /// A credential that is issued now, and answers whatever was requested.
    pub fn new(schedule: &Schedule, now: Timestamp) -> Self {
        Self {
            issued: now,
            stage: Stage::Settled,
            since: now,
            request: schedule.request.clone(),
        }
    }

    /// From the annotations of a Secret that was made at `created`. What can't be read counts from
    /// then on.
    pub fn read(annotations: &BTreeMap<String, String>, created: Timestamp) -> Self {
        let time = |key: &str| annotations.get(key)?.parse::<Timestamp>().ok();
        let issued = time(ISSUED).unwrap_or(created);
        Self {
            issued,
            stage: match annotations.get(STAGE).map(String::as_str) {
                Some("Spreading") => Stage::Spreading,
                Some("Retiring") => Stage::Retiring,
                _ => Stage::Settled,
            },
            since: time(SINCE).unwrap_or(issued),
            request: annotations.get(REQUEST).cloned(),
        }
    }

    /// The annotations that say so.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::from([(ISSUED.to_string(), self.issued.to_string())]);
        let stage = match self.stage {
            Stage::Settled => None,
            Stage::Spreading => Some("Spreading"),
            Stage::Retiring => Some("Retiring"),
        };
        if let Some(stage) = stage {
            all.insert(STAGE.into(), stage.into());
            all.insert(SINCE.into(), self.since.to_string());
        }
        if let Some(request) = &self.request {
            all.insert(REQUEST.into(), request.clone());
        }
        all
    }

    /// Whether a rotation has to begin.
    pub fn due(&self, schedule: &Schedule, now: Timestamp) -> bool {
        let asked = schedule.request.is_some() && schedule.request != self.request;
        self.stage == Stage::Settled
            && (asked || self.due_at(schedule).is_some_and(|due| due <= now))
    }

    /// When one begins by itself.
    pub fn due_at(&self, schedule: &Schedule) -> Option<Timestamp> {
        let age = DAY
            .checked_mul(schedule.days)
            .filter(|age| age.is_positive())?;
        self.issued.checked_add(age).ok()
    }

    /// The next stage, which begins now.
    pub fn enter(&mut self, stage: Stage, now: Timestamp) {
        self.stage = stage;
        self.since = now;
    }

    /// When `wait` has passed in this stage.
    pub fn end_of(&self, wait: Duration) -> Timestamp {
        self.since.checked_add(wait).unwrap_or(Timestamp::MAX)
    }

    /// What the status says.
    pub fn status(&self, schedule: &Schedule) -> RotationStatus {
        RotationStatus {
            issued_at: Time(self.issued),
            due_at: self.due_at(schedule).map(Time),
            request: self.request.clone(),
        }
    }
}

/// What a step found out about its credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// For the status.
    pub status: RotationStatus,
    /// When to look again, if not before.
    pub look_at: Option<Timestamp>,
}

/// This moment, without the fraction of a second that annotations would not keep.
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn schedule(days: i32, request: Option<&str>) -> Schedule {
        Schedule {
            days,
            request: request.map(str::to_string),
        }
    }

    #[test]
    fn annotations_say_all() {
        let mut progress = Progress::new(&schedule(30, Some("a")), at("2026-01-01T00:00:00Z"));
        for stage in [Stage::Settled, Stage::Spreading, Stage::Retiring] {
            progress.stage = stage;
            let created = at("2020-01-01T00:00:00Z");
            assert_eq!(Progress::read(&progress.annotations(), created), progress);
        }
    }

    #[test]
    fn a_secret_without_them_counts_from_its_creation() {
        let created = at("2026-01-01T00:00:00Z");
        let progress = Progress::read(&BTreeMap::new(), created);
        assert_eq!(progress.issued, created);
        assert!(!progress.due(&schedule(30, None), at("2026-01-30T00:00:00Z")));
        assert!(progress.due(&schedule(30, None), at("2026-01-31T00:00:00Z")));
        assert!(!progress.due(&schedule(0, None), at("2036-01-31T00:00:00Z")));
    }

    #[test]
    fn a_request_is_answered_once() {
        let now = at("2026-01-01T00:00:00Z");
        let mut progress = Progress::new(&schedule(0, Some("a")), now);
        assert!(!progress.due(&schedule(0, Some("a")), now), "it is new");
        assert!(!progress.due(&schedule(0, None), now), "nothing is asked");
        assert!(progress.due(&schedule(0, Some("b")), now));
        progress.enter(Stage::Spreading, now);
        assert!(!progress.due(&schedule(0, Some("b")), now), "one at a time");
    }
}
