//! One class, several operators: each of other namespaces, with Secrets of its own.
//!
//! Whatever one of them writes wakes the others, so none may answer by writing what the first would put
//! right again. That FileGateways name the class is a list to which each adds itself, and `InUse` follows
//! from the list whoever looks at it. `Accepted` is of one of them; another one may only turn no into yes, so
//! that two which disagree come to an end.

use std::collections::BTreeSet;

use crds::FileGatewayClassStatus;
use crds::conditions::{ACCEPTED, Finding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// The operators that use the class, once `operator` uses it or not; as long as that is not known, it is
/// what it was.
pub fn users(
    before: &FileGatewayClassStatus,
    operator: &str,
    uses: Option<bool>,
) -> BTreeSet<String> {
    let mut users = before.used_by.clone();
    match uses {
        Some(true) => drop(users.insert(operator.to_string())),
        Some(false) => drop(users.remove(operator)),
        None => {}
    }
    users
}

/// What another operator says of a class of this `generation`, if `operator`, which found out `finding`, has
/// to leave it at that.
pub fn settled_by_another<'a>(
    before: &'a FileGatewayClassStatus,
    operator: &str,
    generation: Option<i64>,
    finding: &Finding,
) -> Option<&'a Condition> {
    let conditions = before.conditions.iter();
    let mut said = conditions.filter(|known| known.type_ == ACCEPTED);
    let said = said.find(|known| known.observed_generation == generation)?;
    let others = before
        .accepted_by
        .as_deref()
        .is_some_and(|by| by != operator);
    let better = finding.status == Some(true) && said.status != "True";
    (others && !better).then_some(said)
}

#[cfg(test)]
mod tests {
    use crds::conditions::{merge, reason};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn finding(accepted: bool) -> Finding {
        if accepted {
            Finding::yes(ACCEPTED, reason::ACCEPTED, "")
        } else {
            Finding::no(ACCEPTED, reason::CREDENTIALS_NOT_FOUND, "")
        }
    }

    fn status(by: Option<&str>, accepted: bool) -> FileGatewayClassStatus {
        let now = Time(Timestamp::UNIX_EPOCH);
        FileGatewayClassStatus {
            accepted_by: by.map(str::to_string),
            conditions: merge(&[], &[finding(accepted)], Some(1), &now),
            ..FileGatewayClassStatus::default()
        }
    }

    #[test]
    fn two_that_disagree_come_to_an_end() {
        let settled = |before: &FileGatewayClassStatus, generation, accepted| {
            let finding = finding(accepted);
            settled_by_another(before, "b/l", Some(generation), &finding).is_some()
        };
        assert!(settled(&status(Some("a/l"), true), 1, true));
        assert!(settled(&status(Some("a/l"), true), 1, false));
        assert!(settled(&status(Some("a/l"), false), 1, false));
        // It can do better, nobody has said anything of this generation, or it is its own word.
        assert!(!settled(&status(Some("a/l"), false), 1, true));
        assert!(!settled(&status(Some("a/l"), true), 2, false));
        assert!(!settled(&status(Some("b/l"), true), 1, false));
        assert!(!settled(&status(None, true), 1, false));
    }

    #[test]
    fn each_adds_and_removes_itself_alone() {
        let before = FileGatewayClassStatus {
            used_by: ["a/l".to_string()].into(),
            ..FileGatewayClassStatus::default()
        };
        let both = ["a/l".to_string(), "b/l".to_string()].into();
        assert_eq!(users(&before, "b/l", Some(true)), both);
        assert_eq!(users(&before, "b/l", Some(false)), before.used_by);
        assert_eq!(users(&before, "a/l", Some(false)), BTreeSet::new());
        assert_eq!(users(&before, "a/l", None), before.used_by);
    }
}
