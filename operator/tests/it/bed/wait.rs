//! Words for what tests wait for, and what the controllers of Kubernetes would do meanwhile.

use std::fmt::Debug;
use std::time::Duration;

use crds::{FileGateway, FileGatewayClass};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::Bed;

/// How long anything may take that the operator does by itself.
pub(super) const PATIENCE: Duration = Duration::from_secs(40);

/// The same after failures for a minute: the next try may be more than another minute away.
const LONG_PATIENCE: Duration = Duration::from_secs(300);

impl Bed {
    /// Waits until a condition has this status and reason; answers its message.
    pub async fn condition(&self, name: &str, type_: &str, status: &str, reason: &str) -> String {
        let what = format!("{name}: {type_} {status} {reason}");
        let last = std::sync::Mutex::new(Vec::<Condition>::new());
        let found = within(&what, PATIENCE, async || {
            let gateway = self.gateways().get_opt(name).await.unwrap();
            let conditions = gateway?.status?.conditions;
            let found = conditions
                .iter()
                .find(|c| c.type_ == type_ && c.status == status && c.reason == reason)
                .map(|c| c.message.clone());
            *last.lock().unwrap() = conditions;
            found
        });
        match found.await {
            Ok(message) => message,
            Err(what) => panic!("{what}; last seen: {:#?}", last.lock().unwrap()),
        }
    }

    /// Says what the controllers of Kubernetes would say once the pods run.
    pub async fn pods_available(&self, deployment: &str) {
        let api = self.api::<Deployment>();
        let found = self
            .until(deployment, async || api.get_opt(deployment).await.unwrap())
            .await;
        self.say_available(&found).await.unwrap();
    }

    /// Says that the pods of a Deployment as it was `found` run.
    async fn say_available(&self, found: &Deployment) -> Result<Deployment, kube::Error> {
        let replicas = found.spec.as_ref().unwrap().replicas;
        let status = json!({"status": {
            "observedGeneration": found.metadata.generation,
            "replicas": replicas,
            "updatedReplicas": replicas,
            "readyReplicas": replicas,
            "availableReplicas": replicas,
            "conditions": [{"type": "Available", "status": "True", "reason": "Simulated"}],
        }});
        let name = found.metadata.name.as_deref().unwrap();
        self.api::<Deployment>()
            .patch_status(name, &PatchParams::default(), &Patch::Merge(&status))
            .await
    }

    /// Says so of every Deployment, for as long as it is polled.
    pub async fn all_pods_available(&self) {
        let api = self.api::<Deployment>();
        loop {
            for found in api.list(&ListParams::default()).await.unwrap() {
                let seen = found.status.as_ref().and_then(|s| s.observed_generation);
                if seen != found.metadata.generation {
                    // It may be gone by now.
                    let _ = self.say_available(&found).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until `name` is ready, simulating its pods.
    pub async fn ready(&self, name: &str) -> FileGateway {
        let pods = self.condition(name, "WorkloadAvailable", "False", "RolloutInProgress");
        pods.await;
        self.pods_available(name).await;
        let database = self.status(name).await.database.unwrap();
        if database.type_ != crds::DatabaseType::SQLite {
            self.pods_available(&format!("{name}-worker")).await;
        }
        self.condition(name, "Ready", "True", "AllReady").await;
        self.gateways().get(name).await.unwrap()
    }

    /// Waits for `look` to find something.
    pub async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        match within(what, PATIENCE, look).await {
            Ok(found) => found,
            Err(what) => panic!("{what}"),
        }
    }

    /// Waits for `look` to find something, of an operator that is killed again and again.
    pub async fn at_last<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        match within(what, LONG_PATIENCE, look).await {
            Ok(found) => found,
            Err(what) => panic!("{what}"),
        }
    }

    /// Waits until this test's class is used by `operators` and nobody else.
    pub async fn class_used_by(&self, operators: &[&str]) {
        let classes = Api::<FileGatewayClass>::all(self.client.clone());
        let what = format!("{} is used by {operators:?}", self.class);
        self.until(&what, async || {
            let class = classes.get(&self.class).await.unwrap();
            let status = class.status.unwrap_or_default();
            let in_use = status.conditions.iter().any(|one| one.type_ == "InUse");
            let said = status.used_by.iter().eq(operators) && in_use != operators.is_empty();
            said.then_some(())
        })
        .await;
    }

    /// Waits until a condition is true that was not for a minute.
    pub async fn recovered(&self, name: &str, type_: &str) {
        let what = format!("{name}: {type_} True again");
        let found = within(&what, LONG_PATIENCE, async || {
            let conditions = self.status(name).await.conditions;
            let found = conditions.iter().find(|c| c.type_ == type_)?;
            (found.status == "True").then_some(())
        });
        if let Err(what) = found.await {
            panic!("{what}");
        }
    }

    /// Waits until there is no object of this kind and name.
    pub async fn none_left<K>(&self, name: &str)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let api = self.api::<K>();
        self.until(&format!("{} {name} is gone", K::kind(&())), async || {
            api.get_opt(name).await.unwrap().is_none().then_some(())
        })
        .await;
    }

    pub async fn delete(&self, name: &str) {
        self.gateways()
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
    }

    pub async fn gone(&self, name: &str) {
        let api = self.gateways();
        self.until(&format!("{name} is gone"), async || {
            api.get_opt(name).await.unwrap().is_none().then_some(())
        })
        .await;
    }

    /// Waits for an event with this reason; answers its note.
    pub async fn event(&self, gateway: &str, reason: &str) -> String {
        let what = format!("event {reason} of {gateway}");
        self.until(&what, async || {
            self.events(gateway)
                .await
                .into_iter()
                .find(|event| event.reason.as_deref() == Some(reason))
                .and_then(|event| event.note)
        })
        .await
    }

    pub async fn events(&self, gateway: &str) -> Vec<Event> {
        let events = self.api::<Event>().list(&ListParams::default()).await;
        events
            .unwrap()
            .items
            .into_iter()
            .filter(|event| {
                let about = event.regarding.as_ref();
                about.and_then(|about| about.name.as_deref()) == Some(gateway)
            })
            .collect()
    }
}

pub(super) async fn within<T>(
    what: &str,
    patience: Duration,
    look: impl AsyncFn() -> Option<T>,
) -> Result<T, String> {
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        if let Some(found) = look().await {
            return Ok(found);
        }
        if tokio::time::Instant::now() > deadline {
            return Err(format!(
                "after {} s still waiting for: {what}",
                patience.as_secs()
            ));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
