//! Events: one for each transition that a person cares about, and no more.

use std::time::Duration;

use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use crate::bed::Bed;

async fn count(bed: &Bed, reason: &str) -> usize {
    let events = bed.events("files").await;
    let same = |event: &&Event| event.reason.as_deref() == Some(reason);
    let found: Vec<_> = events.iter().filter(same).collect();
    assert!(
        found.iter().all(|event| event.series.is_none()),
        "{found:?}"
    );
    found.len()
}

#[tokio::test]
async fn an_outage_is_told_once_and_so_is_its_end() {
    let (bed, operator) = Bed::with_operator("told").await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    bed.event("files", "Ready").await;
    bed.s3.cut();
    // Wakes a pass.
    bed.patch("files", json!({"metadata": {"annotations": {"a": "b"}}}))
        .await
        .unwrap();
    bed.event("files", "BackendUnreachable").await;
    // Several passes fail meanwhile.
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(count(&bed, "BackendUnreachable").await, 1);
    assert_eq!(count(&bed, "Recovered").await, 0);
    bed.s3.mend();
    let note = bed.event("files", "Recovered").await;
    assert!(note.contains("bucket"), "{note}");
    operator.quiet().await;
    assert_eq!(count(&bed, "BackendUnreachable").await, 1);
    assert_eq!(count(&bed, "Recovered").await, 1);
    for reason in ["BucketCreated", "DatabaseCreated"] {
        assert_eq!(count(&bed, reason).await, 1, "{reason}");
    }
    operator.stop().await;
}

#[tokio::test]
async fn a_class_says_what_it_lacks_and_that_it_is_accepted() {
    let bed = Bed::new("classevents").await;
    let missing = json!({"objectStore": {"credentialsSecretRef": {"name": "nowhere"}}});
    bed.apply_class(missing).await;
    let operator = bed.operator(Duration::from_secs(600)).await;
    let events: Api<Event> = Api::default_namespaced(bed.client.clone());
    let told = async |reason: &str| {
        let about = format!("regarding.name={},reason={reason}", bed.class);
        let list = ListParams::default().fields(&about);
        let found = events.list(&list).await.unwrap().items;
        found.into_iter().next()?.note
    };
    let note = bed
        .until("what it lacks", async || told("CredentialsNotFound").await)
        .await;
    assert!(note.contains("nowhere"), "{note}");
    bed.apply_class(json!({})).await;
    bed.until("accepted", async || told("Accepted").await).await;
    operator.stop().await;
}
