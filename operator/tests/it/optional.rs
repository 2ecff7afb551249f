//! Kinds that the cluster may not have: waited for, used with the chart's permissions, and left alone
//! when nothing changes. One test, since a definition is there for all tests or for none.

use std::path::Path;
use std::process::Command;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use operator::optional::{HTTP_ROUTE, OptionalKind, POD_MONITOR, SERVICE_MONITOR};
use serde_json::{Value, json};

use crate::bed::Bed;
use crate::chart::Release;

/// Definitions as their own projects publish them, in the modules that Go keeps and checks.
const DEFINITIONS: [(&str, &str); 3] = [
    (
        "sigs.k8s.io/gateway-api@v1.6.3",
        "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
    ),
    (
        "github.com/prometheus-operator/prometheus-operator@v0.85.0",
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    ),
    (
        "github.com/prometheus-operator/prometheus-operator@v0.85.0",
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
    ),
];

fn definition(module: &str, file: &str) -> CustomResourceDefinition {
    let output = Command::new("go")
        .args(["mod", "download", "-json", module])
        .output()
        .expect("go is there: it builds the test servers");
    assert!(output.status.success(), "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let path = Path::new(answer["Dir"].as_str().unwrap()).join(file);
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn objects(bed: &Bed, kind: OptionalKind) -> Api<DynamicObject> {
    kind.api(&bed.client, &bed.namespace)
}

async fn is_there(bed: &Bed, kind: OptionalKind) -> DynamicObject {
    let api = objects(bed, kind);
    // A definition takes a moment to be served.
    bed.until(kind.kind, async || {
        api.get_opt("files").await.ok().flatten()
    })
    .await
}

async fn is_gone(bed: &Bed, kind: OptionalKind) {
    let api = objects(bed, kind);
    bed.until(&format!("{} is gone", kind.kind), async || {
        api.get_opt("files").await.unwrap().is_none().then_some(())
    })
    .await;
}

/// What the controller of a Gateway says.
async fn answer(bed: &Bed, status: &str, reason: &str) {
    let route = is_there(bed, HTTP_ROUTE).await;
    let condition = json!({
        "type": "Accepted", "status": status, "reason": reason, "message": "because",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": route.metadata.generation,
    });
    let parent = json!({
        "parentRef": {"name": "public", "namespace": "gateways"},
        "controllerName": "example.com/gateways",
        "conditions": [condition],
    });
    objects(bed, HTTP_ROUTE)
        .patch_status(
            "files",
            &PatchParams::default(),
            &Patch::Merge(&json!({"status": {"parents": [parent]}})),
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn routes_and_monitors_are_made_once_the_cluster_has_them() {
    let bed = Bed::new("optional").await;
    let release = Release::install(&bed).await;
    let operator = release.operator(&bed).await;
    let exposure = json!({"exposure": {"type": "HTTPRoute", "host": "acme.example.com"}});
    bed.create("files", exposure).await.unwrap();
    let message = bed
        .condition("files", "RouteReady", "False", "GatewayAPIMissing")
        .await;
    assert!(message.contains("install the Gateway API"), "{message}");

    let api: Api<CustomResourceDefinition> = Api::all(bed.client.clone());
    for (module, file) in DEFINITIONS {
        let definition = definition(module, file);
        let name = definition.metadata.name.clone().unwrap();
        api.patch(
            &name,
            &PatchParams::apply("test").force(),
            &Patch::Apply(&definition),
        )
        .await
        .unwrap();
    }
    let route = is_there(&bed, HTTP_ROUTE).await;
    assert_eq!(route.data["spec"]["hostnames"], json!(["acme.example.com"]));
    let monitor = is_there(&bed, SERVICE_MONITOR).await;
    assert_eq!(monitor.metadata.labels.unwrap()["release"], "prometheus");
    bed.api::<Service>().get("files-metrics").await.unwrap();
    let pods = is_there(&bed, POD_MONITOR).await;
    assert_eq!(pods.metadata.labels.unwrap()["release"], "prometheus");

    answer(&bed, "False", "NoMatchingParent").await;
    bed.condition("files", "RouteReady", "False", "ParentNotFound")
        .await;
    answer(&bed, "True", "Accepted").await;
    bed.condition("files", "RouteReady", "True", "RouteAccepted")
        .await;
    bed.pods_available("files").await;
    bed.pods_available("files-worker").await;
    bed.condition("files", "Ready", "True", "AllReady").await;
    bed.event("files", "Ready").await;
    operator.quiet().await;

    let before = operator.writes();
    // Wakes a pass that finds nothing to do.
    let note = json!({"metadata": {"annotations": {"example.com/note": "x"}}});
    bed.patch("files", note).await.unwrap();
    operator.quiet().await;
    assert_eq!(operator.writes(), before, "a pass must not write");

    for kind in [HTTP_ROUTE, SERVICE_MONITOR, POD_MONITOR] {
        let before = is_there(&bed, kind).await.metadata.uid;
        objects(&bed, kind)
            .delete("files", &DeleteParams::default())
            .await
            .unwrap();
        bed.until("it is made again", async || {
            let found = objects(&bed, kind).get_opt("files").await.unwrap()?;
            (found.metadata.uid != before).then_some(())
        })
        .await;
    }

    let plain = json!({"spec": {"exposure": null}});
    bed.patch("files", plain).await.unwrap();
    is_gone(&bed, HTTP_ROUTE).await;
    // Nobody may uninstall a class that is in use.
    bed.delete("files").await;
    bed.gone("files").await;
    bed.class_used_by(&[]).await;
    operator.stop().await;
    for (module, file) in DEFINITIONS {
        let name = definition(module, file).metadata.name.unwrap();
        api.delete(&name, &DeleteParams::default()).await.unwrap();
    }
    release.uninstall();
}
