//! Videos, worked on by pods of their own that may die.

use std::time::Duration;

use serde_json::Value;
use testbed::journey::client::Client;

use crate::support::{eventually, gateway, kubectl, ready_pods, samples};

const WORKERS: &str = "app.kubernetes.io/name=filegateway,app.kubernetes.io/component=worker";

/// The names of the worker pods that are ready.
fn workers() -> Vec<String> {
    ready_pods("acme", WORKERS)
}

#[tokio::test]
async fn a_film_gets_ready_although_its_worker_is_killed() {
    let (gateway, samples) = (gateway("acme"), samples());
    let two = r#"{"spec":{"video":{"worker":{"replicas":2}}}}"#;
    kubectl(&[
        "patch",
        "fgw",
        "files",
        "-n",
        "acme",
        "--type=merge",
        "-p",
        two,
    ])
    .unwrap();
    let limit = Duration::from_secs(120);
    eventually("two workers are ready", limit, async || {
        (workers().len() == 2).then_some(())
    })
    .await;
    let client = Client::new(&gateway.url, &gateway.tokens.member).unwrap();
    let uploaded = client.upload(&[&samples.film]).await.unwrap().remove(0);
    let metadata = async || -> Option<Value> { client.metadata(&uploaded.id).await.ok() };
    // In the middle of it: encoding begins at a tenth.
    let at_work = eventually("a worker encodes the film", limit, async || {
        let progress = metadata().await?["progress"].as_u64()?;
        let begun = (progress > 15).then_some(())?;
        let told = |pod: &String| {
            let log = kubectl(&["logs", "-n", "acme", pod]).unwrap_or_default();
            log.lines()
                .any(|line| line.contains(&uploaded.id) && line.contains("working on a video"))
        };
        workers().into_iter().find(told).map(|pod| (pod, begun))
    })
    .await;
    let pod = at_work.0.as_str();
    kubectl(&[
        "delete",
        "pod",
        "-n",
        "acme",
        pod,
        "--grace-period=0",
        "--force",
    ])
    .unwrap();
    // The other one takes it when the lease is over.
    let ready = eventually("the film is ready", Duration::from_secs(300), async || {
        let metadata = metadata().await?;
        assert_ne!(metadata["status"], "failed", "{metadata}");
        (metadata["status"] == "ready").then_some(metadata)
    })
    .await;
    let offered = ["hls/master.m3u8", "poster", "thumbnails.vtt"];
    assert_eq!(ready["outputs"], serde_json::json!(offered));
    client.delete(&uploaded.id).await.unwrap();
}
