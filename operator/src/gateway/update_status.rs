//! From findings to conditions, and from a change of conditions to events.

use crds::FileGateway;
use crds::conditions::{
    ACCEPTED, BUCKET_CONFIGURED, BUCKET_READY, CREDENTIALS_READY, DATABASE_READY, DELETION_BLOCKED,
    Finding, READY, ROUTE_READY, SIGNING_KEY_READY, WORKLOAD_AVAILABLE, merge, reason,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use crate::context::Context;
use crate::events;

/// The conditions of the steps, in the order in which they are looked at and shown. `Ready` sums them
/// up, but for [`BUCKET_CONFIGURED`].
const STEPS: [&str; 8] = [
    ACCEPTED,
    BUCKET_READY,
    BUCKET_CONFIGURED,
    CREDENTIALS_READY,
    DATABASE_READY,
    SIGNING_KEY_READY,
    WORKLOAD_AVAILABLE,
    ROUTE_READY,
];

/// Conditions for `findings`, with `Ready` first. A step without a finding keeps the condition that
/// it has, of an older generation as it may be; one that never ran is unknown.
pub fn conditions(
    previous: &[Condition],
    findings: &[Finding],
    generation: Option<i64>,
) -> Vec<Condition> {
    let now = Time(Timestamp::now());
    let fresh = |finding: Finding| {
        merge(previous, &[finding], generation, &now)
            .into_iter()
            .next()
    };
    let steps: Vec<Condition> = STEPS
        .iter()
        .filter_map(|type_| {
            let found = findings.iter().find(|finding| finding.type_ == *type_);
            match (found, previous.iter().find(|old| old.type_ == *type_)) {
                (Some(finding), _) => fresh(finding.clone()),
                (None, Some(old)) => Some(old.clone()),
                (None, None) => fresh(Finding::unknown(
                    type_,
                    reason::WAITING,
                    "an earlier condition has to be true first",
                )),
            }
        })
        .collect();
    let ready = findings
        .iter()
        .find(|finding| finding.type_ == READY)
        .cloned()
        .unwrap_or_else(|| summary(findings, &steps));
    let blocked = findings
        .iter()
        .find(|finding| finding.type_ == DELETION_BLOCKED)
        .cloned();
    fresh(ready)
        .into_iter()
        .chain(steps)
        .chain(blocked.and_then(fresh))
        .collect()
}

/// False with the first step's reason that is not true.
fn summary(findings: &[Finding], steps: &[Condition]) -> Finding {
    let mut wrong = steps
        .iter()
        .filter(|step| step.status != "True" && step.type_ != BUCKET_CONFIGURED);
    let Some(first) = wrong.next() else {
        return Finding::yes(READY, reason::ALL_READY, "the gateway answers requests");
    };
    // A reason that is not this pass's own is an older pass's: the step's condition keeps it.
    match findings.iter().find(|finding| finding.type_ == first.type_) {
        Some(finding) => Finding::no(READY, finding.reason, finding.message.clone()),
        None => Finding::no(READY, reason::WAITING, first.message.clone()),
    }
}

/// Reasons that are a stage and no trouble: they get no Warning.
const STAGES: [&str; 3] = [
    reason::WAITING,
    reason::ROLLOUT_IN_PROGRESS,
    reason::TERMINATING,
];

/// Publishes what changed from `previous` to `next`.
pub async fn announce(
    context: &Context,
    gateway: &FileGateway,
    previous: &[Condition],
    next: &[Condition],
) {
    for condition in next {
        let before = previous.iter().find(|old| old.type_ == condition.type_);
        let same = before.is_some_and(|old| {
            old.status == condition.status
                && (old.reason == condition.reason || condition.status == "True")
        });
        if same {
            continue;
        }
        let note = condition.message.clone();
        match (condition.type_.as_str(), condition.status.as_str()) {
            (READY, "True") => events::normal(context, gateway, READY, events::READY, note).await,
            // Its cause is announced by the condition that it sums up.
            (READY, _) => {}
            (DELETION_BLOCKED, "True") | (_, "False")
                if !STAGES.contains(&condition.reason.as_str()) =>
            {
                events::warning(context, gateway, &condition.type_, &condition.reason, note).await;
            }
            (type_, "True") if before.is_some_and(was_wrong) => {
                events::normal(context, gateway, type_, events::RECOVERED, note).await;
            }
            _ => {}
        }
    }
}

fn was_wrong(before: &Condition) -> bool {
    before.status == "False" && !STAGES.contains(&before.reason.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_true() -> Vec<Finding> {
        STEPS
            .iter()
            .map(|type_| Finding::yes(type_, reason::CREATED, ""))
            .collect()
    }

    fn types(conditions: &[Condition]) -> Vec<(&str, &str, &str)> {
        conditions
            .iter()
            .map(|c| (c.type_.as_str(), c.status.as_str(), c.reason.as_str()))
            .collect()
    }

    #[test]
    fn ready_is_true_only_when_all_are() {
        let settled = conditions(&[], &all_true(), Some(1));
        assert_eq!(types(&settled)[0], (READY, "True", reason::ALL_READY));
        assert_eq!(settled.len(), 1 + STEPS.len());
    }

    #[test]
    fn ready_takes_the_first_reason_that_fails() {
        let mut findings = all_true();
        findings[4] = Finding::no(DATABASE_READY, reason::BACKEND_UNREACHABLE, "down");
        findings[6] = Finding::unknown(WORKLOAD_AVAILABLE, reason::WAITING, "waits");
        let found = conditions(&[], &findings, Some(1));
        assert_eq!(
            types(&found)[0],
            (READY, "False", reason::BACKEND_UNREACHABLE)
        );
        assert_eq!(found[0].message, "down");
    }

    #[test]
    fn what_a_server_lacks_keeps_nobody_from_being_ready() {
        let mut findings = all_true();
        findings[2] = Finding::no(BUCKET_CONFIGURED, reason::CORS_UNSUPPORTED, "no CORS");
        let found = conditions(&[], &findings, Some(1));
        assert_eq!(types(&found)[0], (READY, "True", reason::ALL_READY));
        let lacking = (BUCKET_CONFIGURED, "False", reason::CORS_UNSUPPORTED);
        assert_eq!(types(&found)[3], lacking);
    }

    #[test]
    fn steps_that_did_not_run_keep_what_they_had() {
        let settled = conditions(&[], &all_true(), Some(1));
        let refused = [Finding::no(ACCEPTED, reason::CLASS_NOT_FOUND, "no class")];
        let after = conditions(&settled, &refused, Some(2));
        assert_eq!(types(&after)[0], (READY, "False", reason::CLASS_NOT_FOUND));
        assert_eq!(after[2], settled[2]);
        let never = conditions(&[], &refused, Some(1));
        assert_eq!(types(&never)[2], (BUCKET_READY, "Unknown", reason::WAITING));
    }

    #[test]
    fn deletion_blocked_is_there_only_while_it_is_true() {
        let blocked = [
            Finding::no(READY, reason::TERMINATING, "goes"),
            Finding::yes(DELETION_BLOCKED, reason::BACKEND_UNREACHABLE, "down"),
        ];
        let found = conditions(&[], &blocked, Some(1));
        assert_eq!(
            found.last().map(|c| c.type_.as_str()),
            Some(DELETION_BLOCKED)
        );
        let after = conditions(&found, &blocked[..1], Some(1));
        assert!(after.iter().all(|c| c.type_ != DELETION_BLOCKED));
    }

    #[test]
    fn the_same_findings_give_the_same_conditions() {
        let first = conditions(&[], &all_true(), Some(1));
        assert_eq!(conditions(&first, &all_true(), Some(1)), first);
    }
}
