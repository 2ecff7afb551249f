//! The chart's permissions are enough for the operator, and its default class works.

use std::path::PathBuf;
use std::process::Command;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use serde_json::json;

use crate::backends::{bucket_exists, database_exists, variable};
use crate::bed::Bed;

fn helm(arguments: &[&str]) -> String {
    let output = Command::new("helm")
        .arg("--kubeconfig")
        .arg(variable("FGW_TEST_KUBECONFIG"))
        .args(arguments)
        .output()
        .expect("helm is on the PATH under `testbed exec`");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "helm {arguments:?}: {error}");
    text
}

fn chart() -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../charts/filegateway");
    folder.display().to_string()
}

#[tokio::test]
async fn an_installed_operator_may_do_all_that_it_does() {
    let bed = Bed::new("chart").await;
    let home = format!("home-{}", bed.namespace);
    bed.apply_namespace(&home, json!({})).await;
    bed.apply_admin_secrets(&home).await;
    let set = [
        "crds.enabled=false".to_string(),
        "replicas=2".to_string(),
        // Other tests' namespaces are not this operator's.
        format!("watchNamespace={}", bed.namespace),
        format!("defaultClass.name={}", bed.class),
        format!(
            "defaultClass.objectStore.endpoint=http://{}",
            bed.s3.address
        ),
        format!("defaultClass.iam.endpoint=http://{}", bed.iam.address),
        format!("defaultClass.database.host={}", bed.postgres.address.ip()),
        format!("defaultClass.database.port={}", bed.postgres.address.port()),
        "defaultClass.database.sslMode=disable".to_string(),
        "defaultClass.objectStore.credentialsSecretRef.name=s3-admin".to_string(),
        "defaultClass.database.credentialsSecretRef.name=postgres-admin".to_string(),
    ]
    .join(",");
    let chart = chart();
    let install = [
        "upgrade",
        "--install",
        &home,
        &chart,
        "-n",
        &home,
        "--set",
        &set,
    ];
    helm(&install);
    // A second time, as an upgrade: what the first made is taken over.
    helm(&install);

    let operator = bed.operator_of(&home, &format!("{home}-filegateway")).await;
    bed.create("files", json!({"deletionPolicy": "Delete"}))
        .await
        .unwrap();
    let sqlite = json!({"database": {"type": "SQLite"}, "deletionPolicy": "Delete"});
    bed.create("small", sqlite).await.unwrap();
    bed.ready("files").await;
    bed.ready("small").await;
    bed.event("files", "Ready").await;
    let classes = kube::Api::<crds::FileGatewayClass>::all(bed.client.clone());
    bed.until("the class is accepted", async || {
        let status = classes.get(&bed.class).await.unwrap().status?;
        (status.conditions.first()?.status == "True").then_some(())
    })
    .await;

    let status = bed.status("files").await;
    for name in ["files", "small"] {
        bed.delete(name).await;
        bed.gone(name).await;
        bed.event(name, "Deleted").await;
    }
    assert!(!bucket_exists(&status.bucket.unwrap().name).await);
    assert!(!database_exists(&status.database.unwrap().name).await);
    let claim = bed
        .api::<PersistentVolumeClaim>()
        .get_opt("small-catalog")
        .await
        .unwrap();
    assert!(claim.is_none_or(|claim| claim.metadata.deletion_timestamp.is_some()));
    operator.stop().await;
    helm(&["uninstall", &home, "-n", &home]);
}

#[test]
fn unknown_values_are_refused() {
    let output = Command::new("helm")
        .args(["template", "x", &chart(), "--set", "crds.enable=true"])
        .output()
        .expect("helm is on the PATH under `testbed exec`");
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("enable"), "{error}");
}

#[test]
fn definitions_stay_by_default_even_with_values_of_an_older_release() {
    for set in ["crds=null", "log=info"] {
        let text = helm(&["template", "x", &chart(), "--set", set]);
        assert_eq!(
            text.matches("kind: CustomResourceDefinition").count(),
            2,
            "{set}"
        );
        assert_eq!(
            text.matches("helm.sh/resource-policy: keep").count(),
            2,
            "{set}"
        );
    }
    let text = helm(&["template", "x", &chart(), "--set", "crds.keep=false"]);
    assert!(!text.contains("resource-policy"));
    let text = helm(&["template", "x", &chart(), "--set", "crds.enabled=false"]);
    assert!(!text.contains("kind: CustomResourceDefinition"));
}

#[test]
fn what_is_asked_for_is_rendered_and_nothing_else() {
    let plain = helm(&["template", "x", &chart()]);
    for kind in ["PodDisruptionBudget", "ServiceMonitor"] {
        assert!(!plain.contains(&format!("kind: {kind}")), "{kind}");
    }
    assert!(!plain.contains("topologySpreadConstraints"));
    let set = "replicas=2,metrics.serviceMonitor.enabled=true";
    let all = helm(&["template", "x", &chart(), "--set", set]);
    for kind in ["PodDisruptionBudget", "ServiceMonitor"] {
        assert!(all.contains(&format!("kind: {kind}")), "{kind}");
    }
    assert!(all.contains("topologySpreadConstraints") && all.contains("replicas: 2"));
    // What a release of before these values was installed with.
    let old = "replicas=null,leaseSeconds=null,secretDelaySeconds=null,metrics=null";
    let text = helm(&["template", "x", &chart(), "--set", old]);
    assert!(text.contains("value: \"15\""), "{text}");
}
