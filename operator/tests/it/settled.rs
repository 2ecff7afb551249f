//! A settled system is left alone.

use std::collections::BTreeMap;
use std::time::Duration;

use crds::FileGateway;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{
    ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde_json::{Value, json};

use crate::bed::Bed;

async fn everything(bed: &Bed) -> BTreeMap<String, String> {
    let mut all = bed.versions::<FileGateway>().await;
    all.extend(bed.versions::<Deployment>().await);
    all.extend(bed.versions::<ConfigMap>().await);
    all.extend(bed.versions::<Secret>().await);
    all.extend(bed.versions::<Service>().await);
    all.extend(bed.versions::<ServiceAccount>().await);
    all.extend(bed.versions::<PersistentVolumeClaim>().await);
    all.extend(bed.versions::<HorizontalPodAutoscaler>().await);
    all.extend(bed.versions::<NetworkPolicy>().await);
    all.extend(bed.versions::<Ingress>().await);
    all.extend(bed.versions::<PodDisruptionBudget>().await);
    all
}

/// A gateway with every kind of child, and values that the API server adds its own to.
fn everything_asked_for() -> Value {
    json!({
        "scaling": {"autoscaling": {"maxReplicas": 5}},
        "scheduling": {
            "nodeSelector": {"disk": "fast"},
            "tolerations": [{"key": "files"}, {"operator": "Exists", "tolerationSeconds": 5, "effect": "NoExecute"}],
            "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 7, "podAffinityTerm": {"topologyKey": "rack", "labelSelector": {}}}]}},
        },
        "exposure": {"host": "acme.example.com", "tlsSecretRef": {"name": "tls"}},
        "video": {"worker": {"replicas": 2, "scratchSize": "20480Mi"}},
    })
}

#[tokio::test]
async fn passes_over_a_settled_gateway_write_nothing() {
    let bed = Bed::new("settled").await;
    let ingress = json!({"className": "nginx", "annotations": {"a.example.com/b": "c"}});
    bed.apply_class(json!({"exposure": {"hosts": ["acme.example.com"], "ingress": ingress}}))
        .await;
    // Quantities that the API server writes differently, and both kinds of database.
    let resources = json!({"resources": {
        "requests": {"cpu": "0.25", "memory": "1024Ki"}, "limits": {"memory": "0.5Gi"}}});
    bed.create("files", resources).await.unwrap();
    bed.create("small", json!({"database": {"type": "SQLite"}}))
        .await
        .unwrap();
    bed.create("large", everything_asked_for()).await.unwrap();
    let operator = bed.operator(Duration::from_secs(1)).await;
    bed.ready("files").await;
    bed.ready("small").await;
    bed.ready("large").await;
    // The event about the last transition may still be under way.
    bed.event("files", "Ready").await;
    bed.event("small", "Ready").await;
    bed.event("large", "Ready").await;
    tokio::time::sleep(Duration::from_secs(2)).await;

    let before = everything(&bed).await;
    let writes = operator.writes();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(operator.writes(), writes, "passes must not write");
    assert_eq!(everything(&bed).await, before);

    // Nor does a new process that knows nothing of what the former did.
    operator.stop().await;
    let operator = bed.operator(Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(operator.writes(), 0, "a restart must not write");
    assert_eq!(everything(&bed).await, before);
    operator.stop().await;
}
