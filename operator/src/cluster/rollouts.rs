//! How Deployments do, as their watch tells: what a pass needs of them, so that it reads none.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::runtime::watcher::Event;

use crate::meta::{instance_of, worker_name};

/// What a Deployment says of its pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollout {
    /// Name of the Deployment.
    pub name: String,
    /// What is wanted, as its generation.
    pub generation: Option<i64>,
    /// Pods that there are.
    pub replicas: i32,
    /// Those of them that are ready.
    pub ready_replicas: i32,
    /// Those of them that are as is wanted now.
    pub updated_replicas: i32,
    /// Whether there are enough pods of what is wanted now; an observation of an older generation does not
    /// count.
    pub available: bool,
    /// Why pods can't be made.
    pub replica_failure: Option<String>,
    /// Why there was no progress for too long.
    pub stuck: Option<String>,
}

impl From<&Deployment> for Rollout {
    fn from(deployment: &Deployment) -> Self {
        let status = deployment.status.as_ref();
        let conditions = status.and_then(|status| status.conditions.as_deref());
        let said = |type_: &str, value: &str| {
            let mut conditions = conditions.unwrap_or_default().iter();
            conditions
                .find(|found| found.type_ == type_ && found.status == value)
                .map(|found: &DeploymentCondition| found.message.clone().unwrap_or_default())
        };
        let observed = status.and_then(|status| status.observed_generation);
        let count = |of: fn(&DeploymentStatus) -> Option<i32>| status.and_then(of).unwrap_or(0);
        Self {
            name: deployment.name_any(),
            generation: deployment.metadata.generation,
            replicas: count(|status| status.replicas),
            ready_replicas: count(|status| status.ready_replicas),
            updated_replicas: count(|status| status.updated_replicas),
            available: observed >= deployment.metadata.generation
                && said("Available", "True").is_some(),
            replica_failure: said("ReplicaFailure", "True"),
            stuck: said("Progressing", "False"),
        }
    }
}

/// What an event says of how a Deployment does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing that anybody is told.
    Nothing,
    /// It is on its way to be available.
    Progress,
    /// It is available, with another number of pods.
    Scaled,
    /// What is waited for: the pods of all Deployments of the gateway are available, or some are not any
    /// more, or it is said that something keeps them from it.
    Turned,
}

/// Of all Deployments of gateways, by namespace and name.
#[derive(Debug, Default)]
pub struct Rollouts(Mutex<HashMap<(String, String), Rollout>>);

impl Rollouts {
    /// Takes note of what the watch tells of how a Deployment does.
    pub fn note(&self, event: &Event<Deployment>) -> Told {
        let key = |deployment: &Deployment| {
            let namespace = deployment.namespace().unwrap_or_default();
            (namespace, deployment.name_any())
        };
        match event {
            Event::Init => {
                self.lock().clear();
                Told::Nothing
            }
            Event::InitDone => Told::Nothing,
            Event::InitApply(deployment) | Event::Apply(deployment) => {
                let now = Rollout::from(deployment);
                let mut all = self.lock();
                let before = all.insert(key(deployment), now.clone());
                let before = before.unwrap_or_default();
                if before.available != now.available {
                    let all = !now.available || others_available(&all, &deployment.metadata);
                    return if all { Told::Turned } else { Told::Progress };
                }
                let trouble = |rollout: &Rollout| {
                    (rollout.replica_failure.is_some(), rollout.stuck.is_some())
                };
                if trouble(&before) != trouble(&now) {
                    return Told::Turned;
                }
                match before == now {
                    true => Told::Nothing,
                    false if now.available => Told::Scaled,
                    false => Told::Progress,
                }
            }
            Event::Delete(deployment) => {
                self.lock().remove(&key(deployment));
                Told::Turned
            }
        }
    }

    /// What the watch told last; `None` when it shows none of that name.
    pub fn of(&self, namespace: &str, name: &str) -> Option<Rollout> {
        let key = (namespace.to_string(), name.to_string());
        self.lock().get(&key).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), Rollout>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the other Deployments of the gateway that one belongs to are available, as far as there are any.
fn others_available(all: &HashMap<(String, String), Rollout>, one: &ObjectMeta) -> bool {
    let namespace = one.namespace.clone().unwrap_or_default();
    let gateway = instance_of(one).unwrap_or_default();
    [gateway.to_string(), worker_name(gateway)]
        .into_iter()
        .filter_map(|name| all.get(&(namespace.clone(), name)))
        .all(|rollout| rollout.available)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::meta::labels;

    fn deployment(available: &str, observed: i64) -> Deployment {
        called("files", available, observed)
    }

    fn called(name: &str, available: &str, observed: i64) -> Deployment {
        serde_json::from_value(json!({
            "metadata": {
                "name": name, "namespace": "acme", "generation": 2, "labels": labels("files", "")},
            "status": {"observedGeneration": observed, "replicas": 2, "readyReplicas": 1, "conditions": [
                {"type": "Available", "status": available}]},
        }))
        .unwrap()
    }

    #[test]
    fn what_is_waited_for_is_a_change_of_availability() {
        let rollouts = Rollouts::default();
        let tell =
            |available, observed| rollouts.note(&Event::Apply(deployment(available, observed)));
        assert_eq!(tell("False", 2), Told::Progress, "pods come up");
        let former = tell("True", 1);
        assert_eq!(former, Told::Nothing, "those are the pods of before");
        assert_eq!(tell("True", 2), Told::Turned);
        assert_eq!(tell("True", 2), Told::Nothing);
        let mut scaled = deployment("True", 2);
        scaled.status.as_mut().unwrap().ready_replicas = Some(2);
        assert_eq!(rollouts.note(&Event::Apply(scaled)), Told::Scaled);
        assert_eq!(tell("False", 2), Told::Turned, "pods are lost");
        let deleted = Event::Delete(deployment("False", 2));
        assert_eq!(rollouts.note(&deleted), Told::Turned);
    }

    #[test]
    fn trouble_is_told_at_once() {
        let rollouts = Rollouts::default();
        let tell = |conditions| {
            let mut deployment = deployment("False", 2);
            deployment.status.as_mut().unwrap().conditions =
                serde_json::from_value(conditions).unwrap();
            rollouts.note(&Event::Apply(deployment))
        };
        assert_eq!(tell(json!([])), Told::Progress);
        let stuck = json!([{"type": "Progressing", "status": "False", "message": "too slow"}]);
        assert_eq!(tell(stuck.clone()), Told::Turned);
        assert_eq!(tell(stuck), Told::Nothing);
        let failing = json!([{"type": "ReplicaFailure", "status": "True", "message": "quota"}]);
        assert_eq!(tell(failing), Told::Turned);
    }

    #[test]
    fn all_of_a_gateway_are_waited_for_together() {
        let rollouts = Rollouts::default();
        let tell = |name, available| rollouts.note(&Event::Apply(called(name, available, 2)));
        for name in ["files", "files-worker"] {
            assert_eq!(tell(name, "False"), Told::Progress);
        }
        assert_eq!(tell("files", "True"), Told::Progress, "its worker comes up");
        assert_eq!(tell("files-worker", "True"), Told::Turned);
        assert_eq!(tell("files-worker", "False"), Told::Turned, "pods are lost");
    }

    #[test]
    fn only_what_the_watch_shows_is_known() {
        let rollouts = Rollouts::default();
        assert_eq!(rollouts.of("acme", "files"), None);
        rollouts.note(&Event::Apply(deployment("True", 2)));
        let known = rollouts.of("acme", "files").unwrap();
        assert_eq!((known.replicas, known.ready_replicas), (2, 1));
        assert_eq!(rollouts.of("other", "files"), None);
        rollouts.note(&Event::Init);
        assert_eq!(rollouts.of("acme", "files"), None);
    }
}
