//! Specs that can't be served: a condition says why, and they recover when it is mended.

use k8s_openapi::api::core::v1::Secret;
use kube::api::DeleteParams;
use serde_json::json;

use crate::bed::Bed;

#[tokio::test]
async fn an_unknown_class_is_waited_for() {
    let bed = Bed::new("noclass").await;
    let _operator = bed.operator(std::time::Duration::from_secs(600)).await;
    bed.create("files", json!({})).await.unwrap();
    let message = bed
        .condition("files", "Ready", "False", "ClassNotFound")
        .await;
    assert!(
        message.contains(&bed.class) && message.contains("create it"),
        "{message}"
    );
    bed.event("files", "ClassNotFound").await;
    bed.apply_class(json!({})).await;
    bed.ready("files").await;
}

#[tokio::test]
async fn a_namespace_has_to_be_allowed() {
    let (bed, _operator) = Bed::with_operator("allowed").await;
    let selector = json!({"allowedNamespaces": {"selector": {"matchLabels": {"tier": "gold"}}}});
    bed.apply_class(selector).await;
    bed.create("files", json!({})).await.unwrap();
    let message = bed
        .condition("files", "Accepted", "False", "NotAllowedByClass")
        .await;
    assert!(
        message.contains(&bed.namespace) && message.contains("label"),
        "{message}"
    );
    bed.apply_namespace(&bed.namespace, json!({"tier": "gold"}))
        .await;
    bed.condition("files", "Accepted", "True", "Accepted").await;
}

#[tokio::test]
async fn postgresql_needs_a_class_that_has_it() {
    let (bed, _operator) = Bed::with_operator("nodatabase").await;
    bed.apply_class(json!({"database": null})).await;
    bed.create("files", json!({})).await.unwrap();
    let message = bed
        .condition("files", "Accepted", "False", "InvalidSpec")
        .await;
    assert!(message.contains("SQLite"), "{message}");
}

#[tokio::test]
async fn the_auth_secret_is_named_and_waited_for() {
    let (bed, _operator) = Bed::with_operator("authsecret").await;
    let auth = json!({"auth": {"secretRef": {"name": "jwt", "key": "hmac"}}});
    bed.create("files", auth).await.unwrap();
    let message = bed
        .condition("files", "Accepted", "False", "SecretMissing")
        .await;
    assert!(
        message.contains("jwt") && message.contains("hmac"),
        "{message}"
    );
    bed.apply_secret(&bed.namespace, "jwt", json!({"other": "x"}))
        .await;
    bed.apply_secret(&bed.namespace, "jwt", json!({"hmac": "x".repeat(31)}))
        .await;
    let message = bed
        .condition("files", "Accepted", "False", "SecretInvalid")
        .await;
    assert!(
        message.contains("32 bytes") && message.contains("openssl"),
        "{message}"
    );
    bed.apply_secret(&bed.namespace, "jwt", json!({"hmac": "x".repeat(32)}))
        .await;
    bed.condition("files", "Accepted", "True", "Accepted").await;
}

#[tokio::test]
async fn the_classs_secret_is_named_and_waited_for() {
    let bed = Bed::new("classsecret").await;
    let name = format!("key-of-{}", bed.namespace);
    bed.apply_class(json!({"iam": {"credentialsSecretRef": {"name": name}}}))
        .await;
    let _operator = bed.operator(std::time::Duration::from_secs(600)).await;
    bed.create("files", json!({})).await.unwrap();
    let reason = "CredentialsNotFound";
    let message = bed
        .condition("files", "CredentialsReady", "False", reason)
        .await;
    assert!(
        message.contains(&name) && message.contains("access-key-id"),
        "{message}"
    );
    bed.condition("files", "DatabaseReady", "True", "Created")
        .await;
    let classes = kube::Api::<crds::FileGatewayClass>::all(bed.client.clone());
    bed.until("the class is not accepted", async || {
        let status = classes.get(&bed.class).await.unwrap().status?;
        let accepted = status.conditions.first()?;
        (accepted.status == "False" && accepted.reason == reason).then_some(())
    })
    .await;

    let key = json!({
        "access-key-id": crate::backends::variable("FGW_TEST_S3_ACCESS_KEY"),
        "secret-access-key": crate::backends::variable("FGW_TEST_S3_SECRET_KEY"),
    });
    bed.apply_secret(crate::bed::SYSTEM, &name, key).await;
    bed.condition("files", "CredentialsReady", "True", "Issued")
        .await;
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_left_alone() {
    let (bed, _operator) = Bed::with_operator("foreign").await;
    bed.apply_secret(&bed.namespace, "files-s3", json!({"mine": "keep"}))
        .await;
    bed.apply_secret(&bed.namespace, "files-signing", json!({"mine": "keep"}))
        .await;
    bed.create("files", json!({})).await.unwrap();
    let message = bed
        .condition("files", "CredentialsReady", "False", "SecretNotOwned")
        .await;
    assert!(message.contains("files-s3"), "{message}");
    bed.condition("files", "SigningKeyReady", "False", "SecretNotOwned")
        .await;
    assert_eq!(bed.secret("files-s3").await["mine"], "keep");
    for name in ["files-s3", "files-signing"] {
        let api = bed.api::<Secret>();
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }
    bed.ready("files").await;
}
