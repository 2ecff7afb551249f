//! Writes the objects inside the cluster and looks how the pods do.

use crds::conditions::{Finding, WORKLOAD_AVAILABLE, reason};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::Api;

use super::build::{self, Restarts};
use super::children::{absent, wanted_or_absent};
use super::scaling;
use super::validate::Plan;
use crate::apply::{ApplyError, apply, remove, settle};
use crate::cluster::{Cluster, Rollout};
use crate::meta::{Owner, worker_name};

/// What the Deployments say.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// The condition.
    pub finding: Finding,
    /// Pods that serve requests.
    pub replicas: i32,
    /// Those of them that are ready.
    pub ready_replicas: i32,
}

/// Writes what has to be there before pods start: ConfigMap, ServiceAccount, Service and
/// NetworkPolicy.
///
/// # Errors
/// When one of them is not ours, or the API server refuses.
pub async fn prepare(cluster: Cluster<'_>, plan: &Plan) -> Result<(), ApplyError> {
    let owner = &plan.owner;
    let ours = |live: &ObjectMeta| owner.owns(live);
    settle(cluster, &build::config_map(plan), ours).await?;
    settle(cluster, &build::service_account(plan), ours).await?;
    settle(cluster, &build::service(plan), ours).await?;
    wanted_or_absent(cluster, owner, build::network_policy(plan)).await?;
    Ok(())
}

/// Writes the Deployments, and what says how many of their pods there are.
///
/// # Errors
/// When one of them is not ours, or the API server refuses.
pub async fn run(
    cluster: Cluster<'_>,
    plan: &Plan,
    restarts: &Restarts,
) -> Result<Workload, ApplyError> {
    let owner = &plan.owner;
    let autoscaler = build::autoscaler(plan);
    if autoscaler.is_some() {
        scaling::hand_over(cluster.client, owner).await?;
    }
    wanted_or_absent(cluster, owner, autoscaler).await?;
    wanted_or_absent(cluster, owner, build::disruption_budget(plan)).await?;
    let serve = roll_out(cluster, owner, &build::serve(plan, restarts)).await?;
    let worker = match build::worker(plan, restarts) {
        Some(wanted) => Some(roll_out(cluster, owner, &wanted).await?),
        None => {
            absent::<Deployment>(cluster, owner, worker_name(&owner.name)).await?;
            None
        }
    };
    Ok(look(&plan.owner.namespace, &serve, worker.as_ref()))
}

/// Writes a Deployment if it has to be, and answers how it does.
async fn roll_out(
    cluster: Cluster<'_>,
    owner: &Owner,
    wanted: &Deployment,
) -> Result<Rollout, ApplyError> {
    let ours = |live: &ObjectMeta| owner.owns(live);
    if let Some(live) = settle(cluster, wanted, ours).await? {
        return Ok(Rollout::from(&live));
    }
    let name = wanted.metadata.name.as_deref().unwrap_or_default();
    match cluster.rollouts.of(&owner.namespace, name) {
        Some(known) => Ok(known),
        // The watch has just begun anew.
        None => Ok(Rollout::from(&apply(cluster, wanted, ours).await?)),
    }
}

/// The gateway's Deployments as they are, when there is one that serves.
///
/// # Errors
/// When the API server fails.
pub async fn find(
    client: &Client,
    owner: &Owner,
) -> Result<Option<(Deployment, Option<Deployment>)>, ApplyError> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), &owner.namespace);
    let read = async |name: String| {
        let found = api.get_opt(&name).await.map_err(|source| ApplyError::Api {
            kind: "Deployment".into(),
            name,
            source,
        })?;
        Ok(found.filter(|deployment| owner.owns(&deployment.metadata)))
    };
    match read(owner.name.clone()).await? {
        Some(serve) => Ok(Some((serve, read(worker_name(&owner.name)).await?))),
        None => Ok(None),
    }
}

/// Whether every pod that is wanted is there and ready, and no other: so each of them reads its
/// Secrets. True when there is no Deployment yet.
///
/// # Errors
/// When the API server fails.
pub async fn all_ready(client: &Client, owner: &Owner) -> Result<bool, ApplyError> {
    let Some((serve, worker)) = find(client, owner).await? else {
        return Ok(true);
    };
    Ok(std::iter::once(&serve).chain(&worker).all(is_ready))
}

/// Whether every pod that is wanted is there and ready, and is as its Deployment wants it by now. True when
/// there is no Deployment yet.
///
/// # Errors
/// When the API server fails.
pub async fn all_rolled_out(client: &Client, owner: &Owner) -> Result<bool, ApplyError> {
    let Some((serve, worker)) = find(client, owner).await? else {
        return Ok(true);
    };
    Ok(std::iter::once(&serve).chain(&worker).all(is_rolled_out))
}

/// [`all_rolled_out`], and whether every pod mounts `volume`. True when there is no Deployment yet.
///
/// # Errors
/// When the API server fails.
pub async fn all_mount(client: &Client, owner: &Owner, volume: &str) -> Result<bool, ApplyError> {
    let Some((serve, worker)) = find(client, owner).await? else {
        return Ok(true);
    };
    let mounts = |deployment: &Deployment| {
        let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
        let mut volumes = pod.volumes.iter().flatten();
        volumes.any(|found| found.name == volume).then_some(())
    };
    Ok(std::iter::once(&serve)
        .chain(&worker)
        .all(|found| is_rolled_out(found) && mounts(found).is_some()))
}

fn is_rolled_out(deployment: &Deployment) -> bool {
    let status = deployment.status.as_ref();
    let count = |of: Option<i32>| of.unwrap_or(0);
    let updated =
        status.is_some_and(|status| count(status.updated_replicas) == count(status.replicas));
    is_ready(deployment) && updated
}

fn is_ready(deployment: &Deployment) -> bool {
    let wanted = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1);
    let status = deployment.status.clone().unwrap_or_default();
    status.observed_generation >= deployment.metadata.generation
        && status.replicas.unwrap_or(0) == wanted
        && status.ready_replicas.unwrap_or(0) == wanted
}

/// Stops the pods; Deployments that are gone already, or somebody else's, are fine.
///
/// # Errors
/// When the API server fails.
pub async fn stop(client: &Client, owner: &Owner) -> Result<(), kube::Error> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), &owner.namespace);
    for name in [owner.name.clone(), worker_name(&owner.name)] {
        remove(&api, &name, |live| owner.owns(live)).await?;
    }
    Ok(())
}

/// Sums up what the Deployments say.
pub fn look(namespace: &str, serve: &Rollout, worker: Option<&Rollout>) -> Workload {
    let trouble = std::iter::once(serve)
        .chain(worker)
        .find_map(|rollout| trouble(namespace, rollout));
    Workload {
        finding: trouble.unwrap_or_else(|| {
            Finding::yes(
                WORKLOAD_AVAILABLE,
                reason::MINIMUM_REPLICAS_AVAILABLE,
                "enough gateway pods are available",
            )
        }),
        replicas: serve.replicas,
        ready_replicas: serve.ready_replicas,
    }
}

fn trouble(namespace: &str, rollout: &Rollout) -> Option<Finding> {
    if rollout.available {
        return None;
    }
    let name = &rollout.name;
    let pods = format!("`kubectl -n {namespace} describe deployment {name}` says more");
    let (reason, message) = if let Some(why) = &rollout.replica_failure {
        (
            reason::REPLICA_FAILURE,
            format!("Deployment {name} can't make its pods: {why}"),
        )
    } else if let Some(why) = &rollout.stuck {
        (
            reason::PROGRESS_DEADLINE_EXCEEDED,
            format!("Deployment {name} makes no progress: {why}; {pods}"),
        )
    } else {
        (
            reason::ROLLOUT_IN_PROGRESS,
            format!("Deployment {name} has too few ready pods; {pods}"),
        )
    };
    Some(Finding::no(WORKLOAD_AVAILABLE, reason, message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(name: &str, status: serde_json::Value) -> Deployment {
        serde_json::from_value(json!({
            "metadata": {"name": name, "generation": 2},
            "status": status,
        }))
        .unwrap()
    }

    fn available(name: &str) -> Deployment {
        deployment(
            name,
            json!({"observedGeneration": 2, "replicas": 1, "readyReplicas": 1, "conditions": [
                {"type": "Available", "status": "True"}]}),
        )
    }

    fn seen(serve: &Deployment, worker: Option<&Deployment>) -> Workload {
        look("a", &serve.into(), worker.map(Rollout::from).as_ref())
    }

    #[test]
    fn both_deployments_have_to_be_available() {
        let waiting = deployment("files-worker", json!({}));
        assert_eq!(
            seen(&available("files"), Some(&available("files-worker")))
                .finding
                .status,
            Some(true)
        );
        let half = seen(&available("files"), Some(&waiting));
        assert_eq!(half.finding.reason, reason::ROLLOUT_IN_PROGRESS);
        assert!(half.finding.message.contains("files-worker"), "{half:?}");
        assert_eq!((half.replicas, half.ready_replicas), (1, 1));
    }

    #[test]
    fn the_deployment_says_what_is_wrong() {
        let failing = |type_: &str, status: &str| {
            deployment(
                "files",
                json!({"observedGeneration": 2, "conditions": [
                    {"type": type_, "status": status, "message": "because"}]}),
            )
        };
        let quota = seen(&failing("ReplicaFailure", "True"), None).finding;
        assert_eq!(quota.reason, reason::REPLICA_FAILURE);
        assert!(quota.message.contains("because"));
        let stuck = seen(&failing("Progressing", "False"), None).finding;
        assert_eq!(stuck.reason, reason::PROGRESS_DEADLINE_EXCEEDED);
    }

    #[test]
    fn all_pods_are_ready_or_not() {
        let pods = |replicas, ready| {
            let mut found = deployment(
                "files",
                json!({"observedGeneration": 2, "replicas": replicas, "readyReplicas": ready}),
            );
            found.spec = serde_json::from_value(json!({
                "replicas": 2, "selector": {}, "template": {},
            }))
            .unwrap();
            found
        };
        assert!(is_ready(&pods(2, 2)));
        assert!(!is_ready(&pods(2, 1)), "one is not ready");
        assert!(!is_ready(&pods(3, 2)), "one of the former is still there");
        assert!(!is_ready(&pods(1, 1)), "one is still to come");
        let mut old = pods(2, 2);
        old.metadata.generation = Some(3);
        assert!(!is_ready(&old));
    }

    #[test]
    fn an_old_observation_counts_for_nothing() {
        let mut old = available("files");
        old.metadata.generation = Some(3);
        assert_eq!(seen(&old, None).finding.reason, reason::ROLLOUT_IN_PROGRESS);
    }
}
