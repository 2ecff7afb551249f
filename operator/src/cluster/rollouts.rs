//! How Deployments do, as their watch tells: what a pass needs of them, so that it reads none.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::runtime::watcher::Event;

use crate::meta::{instance_of, worker_name};

/// What a Deployment says of its pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollout {
    /// Name of the Deployment.
    pub name: String,
    /// Pods that there are.
    pub replicas: i32,
    /// Those of them that are ready.
    pub ready_replicas: i32,
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
        Self {
            name: deployment.name_any(),
            replicas: status.and_then(|status| status.replicas).unwrap_or(0),
            ready_replicas: status.and_then(|status| status.ready_replicas).unwrap_or(0),
            available: observed >= deployment.metadata.generation
                && said("Available", "True").is_some(),
            replica_failure: said("ReplicaFailure", "True"),
            stuck: said("Progressing", "False"),
        }
    }
}

/// Of all Deployments of gateways, by namespace and name.
#[derive(Debug, Default)]
pub struct Rollouts(Mutex<HashMap<(String, String), Rollout>>);

impl Rollouts {
    /// Takes note of what the watch tells. Answers whether somebody waits for it: that the pods of all
    /// Deployments of a gateway are available, or that some are not any more.
    pub fn note(&self, event: &Event<Deployment>) -> bool {
        let key = |deployment: &Deployment| {
            let namespace = deployment.namespace().unwrap_or_default();
            (namespace, deployment.name_any())
        };
        match event {
            Event::Init => {
                self.lock().clear();
                false
            }
            Event::InitDone => false,
            Event::InitApply(deployment) | Event::Apply(deployment) => {
                let rollout = Rollout::from(deployment);
                let now = rollout.available;
                let mut all = self.lock();
                let before = all.insert(key(deployment), rollout);
                let changed = before.is_some_and(|before| before.available) != now;
                changed && (!now || others_available(&all, &deployment.metadata))
            }
            Event::Delete(deployment) => {
                self.lock().remove(&key(deployment));
                true
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
        assert!(!tell("False", 2), "pods come up");
        assert!(!tell("True", 1), "those are the pods of before");
        assert!(tell("True", 2));
        assert!(!tell("True", 2));
        assert!(tell("False", 2), "pods are lost");
        assert!(rollouts.note(&Event::Delete(deployment("False", 2))));
    }

    #[test]
    fn all_of_a_gateway_are_waited_for_together() {
        let rollouts = Rollouts::default();
        let tell = |name, available| rollouts.note(&Event::Apply(called(name, available, 2)));
        assert!(!tell("files", "False") && !tell("files-worker", "False"));
        assert!(!tell("files", "True"), "the worker comes up");
        assert!(tell("files-worker", "True"));
        assert!(tell("files-worker", "False"), "pods are lost");
        assert!(!tell("other", "True"), "they are still lost");
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
