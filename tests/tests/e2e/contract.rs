//! The main job, and uploads that outlive the pods that took them.

use std::time::Duration;

use reqwest::StatusCode;
use testbed::journey::client::Client;
use testbed::journey::{Steps, main_job};

use crate::support::{eventually, gateway, kubectl, ready_pods, run, samples};

#[tokio::test]
async fn the_main_job_works_for_each_organization() {
    let run = run();
    let samples = samples();
    for own in &run.gateways {
        let other = run
            .gateways
            .iter()
            .find(|other| other.organization != own.organization);
        let stranger = other.map(|other| other.tokens.member.as_str());
        main_job(own, stranger, &samples, &Steps::default())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn an_acknowledged_upload_outlives_its_pods() {
    let gateway = gateway("acme");
    let samples = samples();
    let client = Client::new(&gateway.url, &gateway.tokens.member).unwrap();
    let uploaded = client.upload(&[&samples.document]).await.unwrap().remove(0);
    let selector = "app.kubernetes.io/name=filegateway";
    let before = ready_pods("acme", selector);
    kubectl(&[
        "delete",
        "pods",
        "-n",
        "acme",
        "-l",
        selector,
        "--grace-period=0",
        "--force",
    ])
    .unwrap();
    // What answers until then may be the old containers, which outlive their pods for some seconds.
    eventually(
        "as many pods are new",
        Duration::from_secs(60),
        async || {
            let now = ready_pods("acme", selector);
            let are_new = now.iter().all(|pod| !before.contains(pod));
            (are_new && now.len() >= before.len()).then_some(())
        },
    )
    .await;
    let read = eventually(
        "the file can be read again",
        Duration::from_secs(60),
        async || {
            client
                .read_by_id(&uploaded.id)
                .await
                .ok()
                .filter(|read| read.status == StatusCode::OK)
        },
    )
    .await;
    assert_eq!(read.sha256, samples.document.sha256);
    assert_eq!(client.delete(&uploaded.id).await.unwrap(), StatusCode::OK);
    // What comes after this test finds the gateway whole again.
    kubectl(&[
        "rollout",
        "status",
        "deployment/files",
        "-n",
        "acme",
        "--timeout=60s",
    ])
    .unwrap();
}

#[tokio::test]
async fn the_document_and_the_swagger_ui_are_served() {
    let gateway = gateway("acme");
    let document = reqwest::get(format!("{}/openapi.json", gateway.url))
        .await
        .unwrap();
    let served: serde_json::Value = document.json().await.unwrap();
    let checked_in = std::fs::read(testbed::run::workspace().join("gateway/openapi.json")).unwrap();
    assert_eq!(
        served,
        serde_json::from_slice::<serde_json::Value>(&checked_in).unwrap()
    );
    let page = reqwest::get(format!("{}/docs", gateway.url)).await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.text().await.unwrap().contains("swagger"));
}
