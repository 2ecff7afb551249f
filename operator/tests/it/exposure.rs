//! Ways to a gateway from outside of the cluster.

use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::bed::Bed;

#[tokio::test]
async fn an_ingress_leads_to_the_service() {
    let (bed, operator) = Bed::with_operator("ingress").await;
    let rules = json!({"className": "nginx", "clusterIssuer": "letsencrypt",
        "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "0"}});
    let hosts = json!(["{namespace}.files.example.com"]);
    bed.apply_class(json!({"exposure": {"hosts": hosts, "ingress": rules}}))
        .await;
    let host = format!("{}.files.example.com", bed.namespace);
    bed.create("files", json!({"exposure": {"host": host}}))
        .await
        .unwrap();
    let files = bed.ready("files").await;
    let address = files.status.unwrap().address;
    assert_eq!(address, Some(format!("https://{host}")));
    let ingresses = bed.api::<Ingress>();
    let found = ingresses.get("files").await.unwrap();
    let annotations = found.metadata.annotations.unwrap();
    assert_eq!(annotations["cert-manager.io/cluster-issuer"], "letsencrypt");
    assert_eq!(
        annotations["nginx.ingress.kubernetes.io/proxy-body-size"],
        "0"
    );
    let spec = found.spec.unwrap();
    assert_eq!(spec.ingress_class_name.as_deref(), Some("nginx"));
    let tls = spec.tls.unwrap();
    assert_eq!(tls[0].secret_name.as_deref(), Some("files-tls"));

    operator.quiet().await;
    let wrong = json!({"spec": {"rules": [{"host": "evil.example.com"}]}});
    ingresses
        .patch("files", &PatchParams::default(), &Patch::Merge(&wrong))
        .await
        .unwrap();
    bed.until("the host again", async || {
        let spec = ingresses.get("files").await.unwrap().spec?;
        (spec.rules?.first()?.host.as_deref() == Some(&host)).then_some(())
    })
    .await;

    let hidden = json!({"spec": {"exposure": null}});
    bed.patch("files", hidden).await.unwrap();
    bed.none_left::<Ingress>("files").await;
    bed.condition("files", "RouteReady", "True", "NotRequested")
        .await;
    let address = bed.status("files").await.address.unwrap();
    assert!(address.ends_with(".svc"), "{address}");
}

#[tokio::test]
async fn only_what_the_class_offers_can_be_asked_for() {
    let (bed, _operator) = Bed::with_operator("offers").await;
    bed.create("files", json!({"exposure": {"host": "a.example.com"}}))
        .await
        .unwrap();
    let message = bed
        .condition("files", "Accepted", "False", "InvalidSpec")
        .await;
    assert!(message.contains("offers no Ingress"), "{message}");
    let exposure = json!({"hosts": ["*.files.example.com"], "ingress": {}});
    bed.apply_class(json!({"exposure": exposure})).await;
    let message = bed
        .condition("files", "Accepted", "False", "NotAllowedByClass")
        .await;
    assert!(message.contains("*.files.example.com"), "{message}");
    let host = json!({"spec": {"exposure": {"host": "a.files.example.com"}}});
    bed.patch("files", host).await.unwrap();
    bed.condition("files", "RouteReady", "True", "RouteAccepted")
        .await;
    let address = bed.status("files").await.address;
    assert_eq!(address.as_deref(), Some("http://a.files.example.com"));
}
