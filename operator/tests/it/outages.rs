//! Servers that can't be reached: a condition, the independent steps go on, and all is well by
//! itself once they are back.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::json;

use crate::backends::{address, execute};
use crate::bed::{Bed, Start};
use crate::proxy::Proxy;

#[tokio::test]
async fn s3_is_waited_for() {
    let (bed, _operator) = Bed::with_operator("nos3").await;
    bed.s3.cut();
    bed.create("files", json!({})).await.unwrap();
    let message = bed
        .condition("files", "Ready", "False", "BackendUnreachable")
        .await;
    assert!(
        message.contains("S3 server") && message.contains("check"),
        "{message}"
    );
    bed.condition("files", "DatabaseReady", "True", "Created")
        .await;
    bed.condition("files", "SigningKeyReady", "True", "Current")
        .await;
    bed.condition("files", "WorkloadAvailable", "Unknown", "Waiting")
        .await;
    assert!(
        bed.api::<Deployment>()
            .get_opt("files")
            .await
            .unwrap()
            .is_none()
    );
    bed.event("files", "BackendUnreachable").await;
    bed.s3.mend();
    bed.ready("files").await;
}

#[tokio::test]
async fn iam_is_waited_for() {
    let (bed, _operator) = Bed::with_operator("noiam").await;
    bed.iam.cut();
    bed.create("files", json!({})).await.unwrap();
    let message = bed
        .condition("files", "CredentialsReady", "False", "BackendUnreachable")
        .await;
    assert!(message.contains("IAM server"), "{message}");
    bed.condition("files", "BucketReady", "True", "Created")
        .await;
    bed.iam.mend();
    bed.ready("files").await;
}

#[tokio::test]
async fn postgresql_is_waited_for() {
    let (bed, _operator) = Bed::with_operator("nopostgres").await;
    bed.postgres.cut();
    bed.create("files", json!({})).await.unwrap();
    let message = bed
        .condition("files", "DatabaseReady", "False", "BackendUnreachable")
        .await;
    assert!(message.contains("PostgreSQL"), "{message}");
    bed.condition("files", "CredentialsReady", "True", "Issued")
        .await;
    bed.postgres.mend();
    bed.ready("files").await;
}

#[tokio::test]
async fn a_class_that_names_a_wrong_port_is_corrected() {
    let (bed, _operator) = Bed::with_operator("wrongport").await;
    bed.apply_class(json!({"objectStore": {"endpoint": "http://127.0.0.1:1"}}))
        .await;
    bed.create("files", json!({})).await.unwrap();
    bed.condition("files", "BucketReady", "False", "BackendUnreachable")
        .await;
    bed.apply_class(json!({})).await;
    bed.ready("files").await;
}

#[tokio::test]
async fn wrong_credentials_are_told_from_a_dead_server() {
    let bed = Bed::new("wrongkey").await;
    let (s3, login) = (
        format!("s3-{}", bed.namespace),
        format!("pg-{}", bed.namespace),
    );
    let key = json!({"access-key-id": "nobody", "secret-access-key": "hidden-word"});
    bed.apply_secret(crate::bed::SYSTEM, &s3, key).await;
    let wrong = json!({"username": "postgres", "password": "hidden-word"});
    bed.apply_secret(crate::bed::SYSTEM, &login, wrong).await;
    bed.apply_class(json!({
        "objectStore": {"credentialsSecretRef": {"name": s3}},
        "database": {"credentialsSecretRef": {"name": login}},
    }))
    .await;
    let _operator = bed.operator(std::time::Duration::from_secs(600)).await;
    bed.create("files", json!({})).await.unwrap();
    let message = bed
        .condition("files", "BucketReady", "False", "AccessDenied")
        .await;
    assert!(!message.contains("hidden-word"), "{message}");
    let message = bed
        .condition("files", "DatabaseReady", "False", "AuthenticationFailed")
        .await;
    assert!(!message.contains("hidden-word"), "{message}");
    bed.apply_class(json!({})).await;
    bed.ready("files").await;
}

#[tokio::test]
async fn a_role_of_somebody_else_is_refused() {
    let (bed, _operator) = Bed::with_operator("othersrole").await;
    bed.postgres.cut();
    bed.create("files", json!({})).await.unwrap();
    bed.condition("files", "DatabaseReady", "False", "BackendUnreachable")
        .await;
    let name = bed.status("files").await.database.unwrap().name;
    execute(format!("CREATE ROLE {name} LOGIN PASSWORD 'theirs'")).await;
    bed.postgres.mend();
    let reason = "DatabaseOwnedByOther";
    let message = bed
        .condition("files", "DatabaseReady", "False", reason)
        .await;
    assert!(message.contains(&name), "{message}");
    execute(format!("DROP ROLE {name}")).await;
    bed.ready("files").await;
}

#[tokio::test]
async fn an_outage_later_does_not_stop_the_pods_nor_a_change_of_them() {
    let (bed, _operator) = Bed::with_operator("lateoutage").await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    bed.postgres.cut();
    bed.patch("files", json!({"spec": {"scaling": {"replicas": 2}}}))
        .await
        .unwrap();
    bed.condition("files", "Ready", "False", "BackendUnreachable")
        .await;
    let api = bed.api::<Deployment>();
    let deployment = bed
        .until("two replicas", async || {
            let found = api.get("files").await.unwrap();
            (found.spec.as_ref()?.replicas == Some(2)).then_some(found)
        })
        .await;
    let before = bed.api::<Deployment>().get("files").await.unwrap();
    let pod = |deployment: &Deployment| deployment.spec.clone().unwrap().template;
    assert_eq!(
        pod(&deployment),
        pod(&before),
        "no pod is replaced for an outage"
    );
    bed.postgres.mend();
    bed.pods_available("files").await;
    bed.condition("files", "Ready", "True", "AllReady").await;
}

#[tokio::test]
async fn connections_to_the_api_server_that_went_silent_are_given_up() {
    let bed = Bed::new("silent").await;
    bed.apply_class(json!({})).await;
    let mut start = bed.start().await;
    let cable = Proxy::to(address(&start.kube.cluster_url.to_string())).await;
    start.kube.cluster_url = format!("https://{}", cable.address).parse().unwrap();
    let _operator = bed.operator_as(Start {
        silence: Duration::from_secs(5),
        ..start
    });
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;

    cable.hang();
    bed.patch("files", json!({"spec": {"scaling": {"replicas": 2}}}))
        .await
        .unwrap();
    let api = bed.api::<Deployment>();
    bed.until("two replicas", async || {
        let found = api.get("files").await.unwrap();
        (found.spec.as_ref()?.replicas == Some(2)).then_some(())
    })
    .await;
}
