//! What leads to the gateway from outside of the cluster, and what Prometheus finds it by.

use crds::conditions::{Finding, ROUTE_READY, reason};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::api::{Api, DynamicObject};

use super::build;
use super::children::{absent, wanted_or_absent};
use super::exposure::{Exposure, Route};
use super::validate::Plan;
use crate::apply::{ApplyError, apply_with, remove, settle};
use crate::cluster::Cluster;
use crate::meta::{Owner, metrics_name};
use crate::optional::{HTTP_ROUTE, OptionalKind, POD_MONITOR, SERVICE_MONITOR};

/// Makes what was asked for, and only that, lead to the gateway.
///
/// # Errors
/// When an object is not ours, or the API server refuses.
pub async fn ensure(cluster: Cluster<'_>, plan: &Plan) -> Result<Finding, ApplyError> {
    let owner = &plan.owner;
    wanted_or_absent(cluster, owner, build::ingress(plan)).await?;
    let route = optional(cluster, owner, HTTP_ROUTE, build::http_route(plan)).await?;
    let name = &owner.name;
    Ok(match &plan.exposure {
        None => Finding::yes(
            ROUTE_READY,
            reason::NOT_REQUESTED,
            "reached from inside of the cluster alone; spec.exposure asks for more",
        ),
        Some(Exposure {
            host,
            route: Route::Ingress { .. },
            ..
        }) => Finding::yes(
            ROUTE_READY,
            reason::ROUTE_ACCEPTED,
            format!("Ingress {name} leads here from {host}"),
        ),
        Some(Exposure { host, .. }) => match route {
            Optional::Written(route) => judge(name, host, &route),
            Optional::Absent | Optional::NotServed => Finding::no(
                ROUTE_READY,
                reason::GATEWAY_API_MISSING,
                "the cluster has no HTTPRoutes: install the Gateway API, or set \
                 spec.exposure.type to Ingress",
            ),
        },
    })
}

/// Makes Prometheus find the gateway, where the class asks for it and the cluster knows how.
///
/// # Errors
/// When an object is not ours, or the API server refuses.
pub async fn monitor(cluster: Cluster<'_>, plan: &Plan) -> Result<(), ApplyError> {
    let owner = &plan.owner;
    optional(cluster, owner, POD_MONITOR, build::pod_monitor(plan)).await?;
    let monitor = build::service_monitor(plan);
    match optional(cluster, owner, SERVICE_MONITOR, monitor).await? {
        Optional::Written(_) => {
            let service = build::metrics_service(plan);
            settle(cluster, &service, |live| owner.owns(live)).await?;
        }
        Optional::Absent | Optional::NotServed => {
            absent::<Service>(cluster, owner, metrics_name(&owner.name)).await?;
        }
    }
    Ok(())
}

/// Lets nothing lead to the gateway any more, before another one gets its host. Whether nothing does: an object may
/// be held by a finalizer of whoever made its load balancer.
///
/// # Errors
/// When the API server fails.
pub async fn withdraw(cluster: Cluster<'_>, owner: &Owner) -> Result<bool, ApplyError> {
    let gone = (
        no_ingress(cluster, owner).await?,
        no_route(cluster, owner).await?,
    );
    Ok(gone == (true, true))
}

/// The same but for what `plan` wants, which leads from its host alone.
///
/// # Errors
/// When the API server fails.
pub async fn is_cleared(cluster: Cluster<'_>, plan: &Plan) -> Result<bool, ApplyError> {
    let owner = &plan.owner;
    let route = plan.exposure.as_ref().map(|exposure| &exposure.route);
    let (ingress_wanted, route_wanted) = match route {
        Some(Route::Ingress { .. }) => (true, false),
        Some(_) => (false, true),
        None => (false, false),
    };
    Ok((ingress_wanted || no_ingress(cluster, owner).await?)
        && (route_wanted || no_route(cluster, owner).await?))
}

// Both ask the API server: a watch shows no object that has lost its labels.

async fn no_ingress(cluster: Cluster<'_>, owner: &Owner) -> Result<bool, ApplyError> {
    let api: Api<Ingress> = Api::namespaced(cluster.client.clone(), &owner.namespace);
    let removed = remove(&api, &owner.name, |live| owner.owns(live)).await;
    removed.map_err(|source| ApplyError::Api {
        kind: "Ingress".into(),
        name: owner.name.clone(),
        source,
    })
}

async fn no_route(cluster: Cluster<'_>, owner: &Owner) -> Result<bool, ApplyError> {
    let refused = |source| ApplyError::Api {
        kind: HTTP_ROUTE.kind.into(),
        name: owner.name.clone(),
        source,
    };
    let served = cluster.served.has(cluster.client, HTTP_ROUTE).await;
    if !served.map_err(refused)? {
        return Ok(true);
    }
    let api = HTTP_ROUTE.api(cluster.client, &owner.namespace);
    let removed = remove(&api, &owner.name, |live| owner.owns(live)).await;
    removed.map_err(refused)
}

/// What became of an object of a kind that the cluster may not have.
enum Optional {
    /// It is as wanted.
    Written(Box<DynamicObject>),
    /// It was not wanted, and is not there.
    Absent,
    /// There can't be one.
    NotServed,
}

async fn optional(
    cluster: Cluster<'_>,
    owner: &Owner,
    kind: OptionalKind,
    wanted: Option<DynamicObject>,
) -> Result<Optional, ApplyError> {
    let refused = |source| ApplyError::Api {
        kind: kind.kind.into(),
        name: owner.name.clone(),
        source,
    };
    let served = cluster.served.has(cluster.client, kind).await;
    if !served.map_err(refused)? {
        return Ok(Optional::NotServed);
    }
    let api = kind.api(cluster.client, &owner.namespace);
    let ours = |live: &ObjectMeta| owner.owns(live);
    match wanted {
        Some(wanted) => match apply_with(cluster, &api, kind.kind, &wanted, ours).await {
            Ok(live) => Ok(Optional::Written(Box::new(live))),
            // Its definition was taken away.
            Err(ApplyError::Api {
                source: kube::Error::Api(status),
                ..
            }) if status.code == 404 => Ok(Optional::NotServed),
            Err(error) => Err(error),
        },
        None if cluster
            .known
            .is_absent(kind.kind, &owner.namespace, &owner.name) =>
        {
            Ok(Optional::Absent)
        }
        None => {
            remove(&api, &owner.name, ours).await.map_err(refused)?;
            Ok(Optional::Absent)
        }
    }
}

/// What the Gateways say to an HTTPRoute. Each has conditions of its own in the route's status.
fn judge(name: &str, host: &str, route: &DynamicObject) -> Finding {
    let answers: Vec<Condition> = route
        .data
        .pointer("/status/parents")
        .and_then(serde_json::Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|parent| serde_json::from_value(parent.get("conditions")?.clone()).ok())
        .flat_map(|conditions: Vec<Condition>| conditions)
        .filter(|condition| {
            condition.type_ == "Accepted"
                && condition.observed_generation >= route.metadata.generation
        })
        .collect();
    if let Some(refusal) = answers.iter().find(|answer| answer.status == "False") {
        let reason = match refusal.reason.as_str() {
            "NoMatchingParent" => reason::PARENT_NOT_FOUND,
            _ => reason::ROUTE_REJECTED,
        };
        let message = format!(
            "HTTPRoute {name} is refused, {}: {}; the platform team can mend \
             spec.exposure.httpRoute of the class",
            refusal.reason, refusal.message
        );
        return Finding::no(ROUTE_READY, reason, message);
    }
    if answers.iter().any(|answer| answer.status == "True") {
        let message = format!("HTTPRoute {name} leads here from {host}");
        return Finding::yes(ROUTE_READY, reason::ROUTE_ACCEPTED, message);
    }
    Finding::unknown(
        ROUTE_READY,
        reason::WAITING,
        format!(
            "no Gateway has answered HTTPRoute {name} yet; `kubectl get gateways -A` shows whether \
             those of the class are there"
        ),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn route(parents: &Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "files", "generation": 2},
            "status": {"parents": parents},
        }))
        .unwrap()
    }

    fn answer(status: &str, reason: &str, generation: i64) -> Value {
        json!({"conditions": [
            {"type": "ResolvedRefs", "status": "True", "reason": "ResolvedRefs", "message": "",
                "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z"},
            {"type": "Accepted", "status": status, "reason": reason, "message": "because",
                "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z"},
        ]})
    }

    #[test]
    fn a_route_is_as_good_as_its_gateways_say() {
        let good = answer("True", "Accepted", 2);
        let cases = [
            (json!([good]), reason::ROUTE_ACCEPTED),
            (json!([]), reason::WAITING),
            (json!([answer("True", "Accepted", 1)]), reason::WAITING),
            (
                json!([good, answer("False", "NotAllowedByListeners", 2)]),
                reason::ROUTE_REJECTED,
            ),
            (
                json!([answer("False", "NoMatchingParent", 2)]),
                reason::PARENT_NOT_FOUND,
            ),
        ];
        for (parents, expected) in cases {
            let found = judge("files", "acme.example.com", &route(&parents));
            assert_eq!(found.reason, expected, "{parents}");
        }
    }
}
