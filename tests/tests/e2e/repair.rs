//! Drift is undone, and a settled system is left alone.

use std::time::Duration;

use crate::support::{eventually, kubectl, object};

#[tokio::test]
async fn deleted_and_changed_children_come_back_within_five_seconds() {
    let limit = Duration::from_secs(5);
    kubectl(&["delete", "service", "files", "-n", "globex"]).unwrap();
    eventually("the Service comes back", limit, async || {
        object("service", "globex", "files")
    })
    .await;

    kubectl(&[
        "set",
        "image",
        "deployment/files",
        "-n",
        "globex",
        "*=example.test/other:1",
    ])
    .unwrap();
    eventually("the image is put right", limit, async || {
        let deployment = object("deployment", "globex", "files")?;
        let image = deployment["spec"]["template"]["spec"]["containers"][0]["image"].clone();
        (image != "example.test/other:1").then_some(())
    })
    .await;
    kubectl(&[
        "rollout",
        "status",
        "deployment/files",
        "-n",
        "globex",
        "--timeout=60s",
    ])
    .unwrap();
}

#[tokio::test]
async fn a_settled_gateway_is_not_written() {
    let versions = || {
        kubectl(&[
            "get",
            "fgw,secrets,configmaps,serviceaccounts",
            "-n",
            "acme",
            "-o",
            "jsonpath={range .items[*]}{.kind}/{.metadata.name}={.metadata.resourceVersion} {end}",
        ])
        .unwrap()
    };
    // Other tests delete pods of this organization; what they do to the status is over when two looks agree.
    let before = eventually(
        "the namespace is at rest",
        Duration::from_secs(90),
        async || {
            let first = versions();
            tokio::time::sleep(Duration::from_secs(5)).await;
            (versions() == first).then_some(first)
        },
    )
    .await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(versions(), before);
}
