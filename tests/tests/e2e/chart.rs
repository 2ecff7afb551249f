//! The chart is upgraded while gateways serve.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use testbed::run::workspace;

use crate::load::Load;
use crate::support::{eventually, gateway, kubectl, object, ready_pods, samples, upgrade};

const SERVERS: &str = "app.kubernetes.io/name=filegateway,app.kubernetes.io/component=gateway";
/// The image that runs already, by its full name: to Kubernetes it is another one, so pods are made anew.
const FULL_NAME: &str = "docker.io/filegateway/gateway";

/// The chart as the next release could be: a version further, its resources in one more category.
fn next(folder: &Path) {
    let chart = workspace().join("charts/filegateway");
    let status = Command::new("cp").arg("-r").args([&chart, folder]).status();
    assert!(status.unwrap().success());
    let change = |file: &str, from: &str, to: &str| {
        let path = folder.join("filegateway").join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}");
        fs::write(path, text.replace(from, to)).unwrap();
    };
    change("Chart.yaml", "\nversion: ", "\nversion: 9");
    change(
        "files/crds/filegateways.yaml",
        "categories:\n",
        "categories:\n    - tenancies\n",
    );
}

fn category() -> bool {
    let crd = "customresourcedefinition/filegateways.filegateway.dev";
    let categories = "jsonpath={.spec.names.categories}";
    kubectl(&["get", crd, "-o", categories])
        .unwrap()
        .contains("tenancies")
}

/// Waits until all serving pods of acme run this image, with no other beside them.
async fn rolled(image: &str) {
    eventually("pods run the image", Duration::from_secs(180), async || {
        let deployment = object("deployment", "acme", "files")?;
        let wanted = deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str()?;
        let status = &deployment["status"];
        let (all, new) = (&status["replicas"], &status["updatedReplicas"]);
        let ready = &status["readyReplicas"];
        let seen = status["observedGeneration"] == deployment["metadata"]["generation"];
        (wanted.starts_with(image) && seen && all == new && all == ready).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_chart_is_upgraded_and_rolled_back_and_no_request_fails() {
    let (gateway, samples) = (gateway("acme"), samples());
    let current = workspace().join("charts/filegateway");
    let folder = tempfile::tempdir().unwrap();
    next(folder.path());
    assert!(!category());
    let before = ready_pods("acme", SERVERS);
    assert_eq!(before.len(), 2, "{before:?}");

    let load = Load::on(&gateway, &samples.document).await;
    // The operator alone: gateways don't notice.
    upgrade(
        &folder.path().join("filegateway"),
        &["podAnnotations.release=next"],
    );
    assert!(category(), "the resource definitions come with the chart");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(ready_pods("acme", SERVERS), before);
    // The gateways too: former and new pods serve beside each other.
    upgrade(
        &folder.path().join("filegateway"),
        &[&format!("image.gateway.repository={FULL_NAME}")],
    );
    rolled(FULL_NAME).await;
    // Back to what was there.
    upgrade(
        &current,
        &[
            "podAnnotations=null",
            "image.gateway.repository=filegateway/gateway",
        ],
    );
    rolled("filegateway/gateway").await;
    assert!(!category());
    println!("{} requests", load.end().await);
    let after = ready_pods("acme", SERVERS);
    assert!(after.iter().all(|pod| !before.contains(pod)), "{after:?}");
}
