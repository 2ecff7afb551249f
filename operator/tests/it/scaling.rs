//! How many pods there are, who says so, and where they run.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v1::Scale;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::bed::Bed;

async fn replicas(bed: &Bed) -> Option<i32> {
    let deployment = bed.api::<Deployment>().get("files").await.unwrap();
    deployment.spec.unwrap().replicas
}

async fn has_replicas(bed: &Bed, wanted: i32) {
    bed.until(&format!("{wanted} replicas"), async || {
        (replicas(bed).await == Some(wanted)).then_some(())
    })
    .await;
}

/// What a HorizontalPodAutoscaler's controller does.
async fn autoscale(bed: &Bed, wanted: i32) {
    let patch = json!({"spec": {"replicas": wanted}});
    let manager = PatchParams {
        field_manager: Some("kube-controller-manager".into()),
        ..PatchParams::default()
    };
    bed.api::<Deployment>()
        .patch_scale("files", &manager, &Patch::Merge(&patch))
        .await
        .unwrap();
}

#[tokio::test]
async fn the_scale_subresource_reaches_the_deployment() {
    let (bed, _operator) = Bed::with_operator("scale").await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    let budgets = bed.api::<PodDisruptionBudget>();
    assert!(budgets.get_opt("files").await.unwrap().is_none());

    // As `kubectl scale filegateway files --replicas=3` does.
    let gateways = bed.gateways();
    let scale: Scale = gateways.get_scale("files").await.unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(1));
    let status = scale.status.unwrap();
    assert_eq!(status.replicas, 1);
    let selector = status.selector.unwrap();
    assert!(
        selector.contains("app.kubernetes.io/component=gateway"),
        "{selector}"
    );
    let patch = json!({"spec": {"replicas": 3}});
    gateways
        .patch_scale("files", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
    has_replicas(&bed, 3).await;
    let budget = bed
        .until("a budget", async || budgets.get_opt("files").await.unwrap())
        .await;
    let spec = budget.spec.unwrap();
    assert_eq!(
        spec.unhealthy_pod_eviction_policy.as_deref(),
        Some("AlwaysAllow")
    );

    let patch = json!({"spec": {"scaling": {"replicas": 1}}});
    bed.patch("files", patch).await.unwrap();
    bed.none_left::<PodDisruptionBudget>("files").await;
}

#[tokio::test]
async fn an_autoscaler_is_never_fought() {
    let (bed, operator) = Bed::with_operator("autoscaler").await;
    bed.create("files", json!({"scaling": {"replicas": 3}}))
        .await
        .unwrap();
    bed.ready("files").await;
    operator.quiet().await;

    let bounds = json!({"minReplicas": 2, "maxReplicas": 9, "targetCpuPercent": 70});
    let on = json!({"spec": {"scaling": {"autoscaling": bounds}}});
    bed.patch("files", on).await.unwrap();
    let autoscalers = bed.api::<HorizontalPodAutoscaler>();
    let found = bed
        .until("an autoscaler", async || {
            autoscalers.get_opt("files").await.unwrap()
        })
        .await;
    let spec = found.spec.unwrap();
    assert_eq!((spec.min_replicas, spec.max_replicas), (Some(2), 9));
    operator.quiet().await;
    assert_eq!(
        replicas(&bed).await,
        Some(3),
        "no pod goes at the handing over"
    );

    autoscale(&bed, 7).await;
    operator.quiet().await;
    // A pass that writes the Deployment for another reason leaves the number alone too.
    let other = json!({"spec": {"uploads": {"maxFiles": 7}}});
    bed.patch("files", other).await.unwrap();
    let maps = bed.api::<ConfigMap>();
    bed.until("the new setting", async || {
        let data = maps.get("files-gateway").await.unwrap().data.unwrap();
        (data["FILEGATEWAY_UPLOADS_MAX_FILES"] == "7").then_some(())
    })
    .await;
    operator.quiet().await;
    assert_eq!(replicas(&bed).await, Some(7));

    // Drift of the autoscaler itself is undone, and its deletion.
    let patch = json!({"spec": {"maxReplicas": 50}});
    autoscalers
        .patch("files", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
    bed.until("nine at most again", async || {
        let found = autoscalers.get_opt("files").await.unwrap()?;
        (found.spec?.max_replicas == 9).then_some(())
    })
    .await;
    operator.quiet().await;
    autoscalers
        .delete("files", &DeleteParams::default())
        .await
        .unwrap();
    bed.until("an autoscaler again", async || {
        autoscalers.get_opt("files").await.unwrap()
    })
    .await;

    let off = json!({"spec": {"scaling": {"autoscaling": null}}});
    bed.patch("files", off).await.unwrap();
    has_replicas(&bed, 3).await;
    bed.none_left::<HorizontalPodAutoscaler>("files").await;
}

#[tokio::test]
async fn pods_run_where_they_are_told_to_and_end_in_time() {
    let (bed, _operator) = Bed::with_operator("scheduling").await;
    let spec = json!({
        "scheduling": {
            "nodeSelector": {"disk": "fast"},
            "tolerations": [{"key": "files", "operator": "Exists", "effect": "NoSchedule"}],
            "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "preference": {"matchExpressions": [
                    {"key": "arch", "operator": "In", "values": ["arm64"]}]}}]}},
            "priorityClassName": "files",
            "topologySpread": [{"topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}],
        },
        "shutdown": {"delaySeconds": 10, "drainSeconds": 100},
    });
    bed.create("files", spec).await.unwrap();
    bed.ready("files").await;
    for name in ["files", "files-worker"] {
        let deployment = bed.api::<Deployment>().get(name).await.unwrap();
        let pod = deployment.spec.unwrap().template.spec.unwrap();
        assert_eq!(pod.node_selector.unwrap()["disk"], "fast");
        assert_eq!(pod.tolerations.unwrap()[0].key.as_deref(), Some("files"));
        assert!(pod.affinity.unwrap().node_affinity.is_some());
        assert_eq!(pod.priority_class_name.as_deref(), Some("files"));
        let spread = pod.topology_spread_constraints.unwrap();
        assert_eq!(spread.len(), 1);
        assert_eq!(spread[0].topology_key, "rack");
        if name == "files" {
            assert!(pod.termination_grace_period_seconds > Some(10 + 100));
        }
    }
    let settings = bed.api::<ConfigMap>().get("files-gateway").await.unwrap();
    let settings = settings.data.unwrap();
    assert_eq!(settings["FILEGATEWAY_SERVER_STOP_DELAY_SECONDS"], "10");
    assert_eq!(settings["FILEGATEWAY_SERVER_STOP_SECONDS"], "100");
}
