//! What the operator makes of a FileGateway inside the cluster, as it can be made once more without it.

use anyhow::Context as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, PostParams};
use kube::{Client, ResourceExt};
use operator::meta::{Owner, children_selector};
use serde_json::Value;

/// The children of one gateway, to be made for others.
pub struct Pattern {
    owner: Owner,
    children: Vec<(ApiResource, Value)>,
    /// Deployments among them.
    pub deployments: usize,
}

/// Kinds of children.
pub fn kinds() -> [ApiResource; 9] {
    [
        ApiResource::erase::<Secret>(&()),
        ApiResource::erase::<ConfigMap>(&()),
        ApiResource::erase::<ServiceAccount>(&()),
        ApiResource::erase::<Service>(&()),
        ApiResource::erase::<NetworkPolicy>(&()),
        ApiResource::erase::<PodDisruptionBudget>(&()),
        ApiResource::erase::<HorizontalPodAutoscaler>(&()),
        ApiResource::erase::<Ingress>(&()),
        ApiResource::erase::<Deployment>(&()),
    ]
}

impl Pattern {
    /// Reads what `owner` has.
    pub async fn of(client: &Client, owner: Owner) -> anyhow::Result<Self> {
        let mut children = Vec::new();
        let mut deployments = 0;
        let selector = ListParams::default().labels(&children_selector(&owner.name));
        for kind in kinds() {
            let api: Api<DynamicObject> =
                Api::namespaced_with(client.clone(), &owner.namespace, &kind);
            for child in api.list(&selector).await? {
                deployments += usize::from(kind.kind == "Deployment");
                children.push((kind.clone(), wanted(child)?));
            }
        }
        Ok(Self {
            owner,
            children,
            deployments,
        })
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.children.len()
    }

    /// Makes them for `owner`, one after the other.
    pub async fn make(&self, client: &Client, owner: &Owner) -> anyhow::Result<()> {
        for (kind, child) in &self.children {
            let mut child: DynamicObject = serde_json::from_value(child.clone())?;
            rename(&mut child.data, &self.owner.name, &owner.name);
            let name = child.name_any().replacen(&self.owner.name, &owner.name, 1);
            let labels = child.labels_mut();
            for label in labels.values_mut() {
                if *label == self.owner.name {
                    label.clone_from(&owner.name);
                }
            }
            child.metadata.name = Some(name);
            child.metadata.namespace = Some(owner.namespace.clone());
            child.metadata.owner_references = Some(vec![owner.reference()]);
            Api::<DynamicObject>::namespaced_with(client.clone(), &owner.namespace, kind)
                .create(&PostParams::default(), &child)
                .await?;
        }
        Ok(())
    }
}

/// An object without what the API server gave it.
fn wanted(mut object: DynamicObject) -> anyhow::Result<Value> {
    let metadata = &mut object.metadata;
    metadata.uid = None;
    metadata.resource_version = None;
    metadata.creation_timestamp = None;
    metadata.generation = None;
    metadata.managed_fields = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove("deployment.kubernetes.io/revision");
    }
    let data = object.data.as_object_mut().context("no object")?;
    data.remove("status");
    if let Some(spec) = data.get_mut("spec").and_then(Value::as_object_mut) {
        for given in ["clusterIP", "clusterIPs"] {
            spec.remove(given);
        }
    }
    Ok(serde_json::to_value(object)?)
}

/// Puts another gateway's name wherever a value is one of the names that come of `former`: selectors, volumes.
fn rename(value: &mut Value, former: &str, name: &str) {
    match value {
        Value::String(text) => {
            let tail = text.strip_prefix(former);
            if let Some(tail) = tail.filter(|tail| tail.is_empty() || tail.starts_with('-')) {
                *text = format!("{name}{tail}");
            }
        }
        Value::Array(values) => values
            .iter_mut()
            .for_each(|value| rename(value, former, name)),
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|value| rename(value, former, name)),
        _ => {}
    }
}
