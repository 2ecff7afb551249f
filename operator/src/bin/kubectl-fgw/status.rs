//! A tree of what a gateway owns.

use std::fmt::Write as _;
use std::io::Write as _;

use crds::{FileGateway, FileGatewayStatus};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{
    ConfigMap, PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::NamespaceResourceScope;
use operator::gateway::build::{SERVE, WORKER};
use operator::meta::{PAUSED_ANNOTATION, children_selector, selector_text};
use operator::optional::{HTTP_ROUTE, POD_MONITOR, SERVICE_MONITOR};
use serde::de::DeserializeOwned;

use crate::Outcome;
use crate::cluster::{Cluster, said};

/// Prints the tree.
pub async fn show(cluster: &Cluster, name: &str) -> anyhow::Result<Outcome> {
    let gateway = cluster.gateway(name).await?;
    let status = gateway.status.clone().unwrap_or_default();
    let mut tree = Tree::new(head(cluster, &gateway));
    tree.branch("conditions", conditions(&status));
    tree.branch("outside of the cluster", outside(&status));
    tree.branch("pods", pods(cluster, name).await);
    tree.branch("objects", objects(cluster, name).await);
    // Whoever reads it may have seen enough.
    let _ = std::io::stdout().write_all(tree.text().as_bytes());
    let ready = condition(&status, "Ready").is_some_and(|ready| ready.status == "True");
    Ok(if ready {
        Outcome::Done
    } else {
        Outcome::NotReady
    })
}

fn head(cluster: &Cluster, gateway: &FileGateway) -> String {
    let status = gateway.status.clone().unwrap_or_default();
    let paused = gateway
        .annotations()
        .get(PAUSED_ANNOTATION)
        .is_some_and(|value| value == "true");
    format!(
        "FileGateway {}/{}: organization {}, class {}, {}{}",
        cluster.namespace,
        gateway.name_any(),
        gateway.spec.organization,
        gateway.spec.class_name,
        status.address.as_deref().unwrap_or("no address yet"),
        if paused { ", PAUSED" } else { "" }
    )
}

fn condition<'a>(status: &'a FileGatewayStatus, type_: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|one| one.type_ == type_)
}

/// What is true needs no words; the rest says what to do.
fn conditions(status: &FileGatewayStatus) -> Vec<String> {
    let lines = status.conditions.iter().map(|one| {
        let message = if one.status == "True" && one.type_ != "DeletionBlocked" {
            String::new()
        } else {
            format!(": {}", one.message)
        };
        format!("{} {} {}{message}", one.type_, one.status, one.reason)
    });
    lines.collect()
}

fn outside(status: &FileGatewayStatus) -> Vec<String> {
    let state = |type_: &str| {
        condition(status, type_).map_or_else(
            || "unknown".to_string(),
            |one| format!("{} {}", one.status, one.reason),
        )
    };
    let mut lines = Vec::new();
    if let Some(bucket) = &status.bucket {
        let Some(user) = &bucket.user else {
            return lines;
        };
        lines.push(format!(
            "bucket {} at {}: {}",
            bucket.name,
            bucket.endpoint,
            state("BucketReady")
        ));
        lines.push(format!("S3 user {user}: {}", state("CredentialsReady")));
    }
    if let Some(database) = &status.database {
        let server = database
            .server
            .as_ref()
            .map_or_else(String::new, |server| format!(" at {server}"));
        lines.push(format!(
            "database {}{server}: {}",
            database.name,
            state("DatabaseReady")
        ));
    }
    lines
}

async fn pods(cluster: &Cluster, name: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for component in [SERVE, WORKER] {
        let selector = selector_text(name, component);
        let describe = |pod: &Pod| {
            let status = pod.status.clone().unwrap_or_default();
            let containers = status.container_statuses.unwrap_or_default();
            let ready = containers.iter().filter(|one| one.ready).count();
            let restarts: i32 = containers.iter().map(|one| one.restart_count).sum();
            let waiting = containers.iter().find_map(|one| {
                let waiting = one.state.as_ref()?.waiting.as_ref()?;
                waiting.reason.clone()
            });
            format!(
                "{component} {}: {}, {ready} of {} containers ready, {restarts} restarts",
                pod.name_any(),
                waiting.or(status.phase).unwrap_or_else(|| "new".into()),
                pod.spec.as_ref().map_or(0, |spec| spec.containers.len()),
            )
        };
        lines.extend(listed::<Pod>(cluster, &selector, "pods", describe).await);
    }
    lines
}

async fn objects(cluster: &Cluster, name: &str) -> Vec<String> {
    let selector = children_selector(name);
    let mut lines = listed::<Deployment>(cluster, &selector, "Deployments", |one| {
        let status = one.status.clone().unwrap_or_default();
        let wanted = one.spec.as_ref().and_then(|spec| spec.replicas);
        format!(
            "Deployment {}: {} of {} ready",
            one.name_any(),
            status.ready_replicas.unwrap_or_default(),
            wanted.unwrap_or(1)
        )
    })
    .await;
    lines.extend(named::<Service>(cluster, &selector, "Service").await);
    lines.extend(named::<Ingress>(cluster, &selector, "Ingress").await);
    lines.extend(
        listed::<HorizontalPodAutoscaler>(cluster, &selector, "HorizontalPodAutoscalers", |one| {
            let now = one.status.as_ref().map(|status| status.desired_replicas);
            let most = one.spec.as_ref().map(|spec| spec.max_replicas);
            format!(
                "HorizontalPodAutoscaler {}: {} of at most {} wanted",
                one.name_any(),
                now.unwrap_or_default(),
                most.unwrap_or_default()
            )
        })
        .await,
    );
    lines.extend(named::<PodDisruptionBudget>(cluster, &selector, "PodDisruptionBudget").await);
    lines.extend(named::<NetworkPolicy>(cluster, &selector, "NetworkPolicy").await);
    lines.extend(named::<ConfigMap>(cluster, &selector, "ConfigMap").await);
    lines.extend(named::<ServiceAccount>(cluster, &selector, "ServiceAccount").await);
    lines.extend(
        listed::<PersistentVolumeClaim>(cluster, &selector, "PersistentVolumeClaims", |one| {
            let phase = one.status.as_ref().and_then(|status| status.phase.clone());
            format!(
                "PersistentVolumeClaim {}: {}",
                one.name_any(),
                phase.unwrap_or_else(|| "new".into())
            )
        })
        .await,
    );
    lines.extend(secrets(cluster, &selector).await);
    for kind in [HTTP_ROUTE, SERVICE_MONITOR, POD_MONITOR] {
        if let Ok(true) = kind.is_served(&cluster.client).await {
            let api = kind.api(&cluster.client, &cluster.namespace);
            lines.extend(answer(
                api.list(&ListParams::default().labels(&selector)).await,
                kind.kind,
                |one: &DynamicObject| format!("{} {}", kind.kind, one.name_any()),
            ));
        }
    }
    lines
}

/// Names alone: what is in them is nobody's business here.
async fn secrets(cluster: &Cluster, selector: &str) -> Vec<String> {
    let api: Api<Secret> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let found = api
        .list_metadata(&ListParams::default().labels(selector))
        .await;
    answer(found, "Secrets", |one| format!("Secret {}", one.name_any()))
}

async fn named<K>(cluster: &Cluster, selector: &str, kind: &str) -> Vec<String>
where
    K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    listed::<K>(cluster, selector, kind, |one| {
        format!("{kind} {}", one.name_any())
    })
    .await
}

async fn listed<K>(
    cluster: &Cluster,
    selector: &str,
    kind: &str,
    describe: impl Fn(&K) -> String,
) -> Vec<String>
where
    K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let found = api.list(&ListParams::default().labels(selector)).await;
    answer(found, kind, describe)
}

/// Who may not list one kind still sees the others.
fn answer<K: Clone>(
    found: Result<kube::core::ObjectList<K>, kube::Error>,
    kind: &str,
    describe: impl Fn(&K) -> String,
) -> Vec<String> {
    match found {
        Ok(list) => list.items.iter().map(describe).collect(),
        Err(error) => vec![format!("{kind}: {:#}", said(error))],
    }
}

/// Two levels of lines.
struct Tree {
    head: String,
    branches: Vec<(&'static str, Vec<String>)>,
}

impl Tree {
    fn new(head: String) -> Self {
        Self {
            head,
            branches: Vec::new(),
        }
    }

    fn branch(&mut self, name: &'static str, lines: Vec<String>) {
        if !lines.is_empty() {
            self.branches.push((name, lines));
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", self.head);
        for (number, (name, lines)) in self.branches.iter().enumerate() {
            let last = number + 1 == self.branches.len();
            let (fork, trunk) = if last {
                ("└─", "  ")
            } else {
                ("├─", "│ ")
            };
            // Writing to a String does not fail.
            let _ = writeln!(text, "{fork} {name}");
            for (number, line) in lines.iter().enumerate() {
                let twig = if number + 1 == lines.len() {
                    "└─"
                } else {
                    "├─"
                };
                let _ = writeln!(text, "{trunk} {twig} {line}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_has_trunk_and_twigs() {
        let mut tree = Tree::new("head".into());
        tree.branch("one", vec!["a".into(), "b".into()]);
        tree.branch("none", Vec::new());
        tree.branch("two", vec!["c".into()]);
        let expected = "head\n├─ one\n│  ├─ a\n│  └─ b\n└─ two\n   └─ c\n";
        assert_eq!(tree.text(), expected);
    }
}
