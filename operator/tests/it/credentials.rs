//! The ways to a bucket that make no user: a key of the class's Secrets, and none at all.

use aws_sdk_iam::types::AccessKey;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::backends::{get, iam_admin, put, s3, user_exists, variable};
use crate::bed::{Bed, SYSTEM};

/// A key of a user that an administrator has made for `bucket`.
pub async fn key_for(bucket: &str) -> AccessKey {
    let iam = iam_admin();
    let user = format!("by-hand-{:08x}", rand::random::<u32>());
    iam.create_user().user_name(&user).send().await.unwrap();
    let arn = format!("arn:aws:s3:::{bucket}");
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": "s3:*",
            "Resource": [arn, format!("{arn}/*")],
        }],
    });
    let call = iam.put_user_policy().user_name(&user).policy_name("bucket");
    call.policy_document(policy.to_string())
        .send()
        .await
        .unwrap();
    let made = iam.create_access_key().user_name(&user).send().await;
    made.unwrap().access_key.unwrap()
}

pub fn data(key: &AccessKey) -> Value {
    json!({"access-key-id": key.access_key_id, "secret-access-key": key.secret_access_key})
}

pub fn of_secrets() -> Value {
    json!({"credentials": {"type": "Secret", "secret": {"prefix": "keys"}}})
}

/// A Secret in the operator's namespace that is meant for a gateway.
pub async fn apply_key(bed: &Bed, name: &str, data: Value) {
    let labels = json!({"filegateway.dev/credentials": "true"});
    bed.apply_labelled_secret(SYSTEM, name, labels, data).await;
}

async fn bucket_of(bed: &Bed, name: &str) -> String {
    bed.condition(name, "BucketReady", "True", "Created").await;
    bed.status(name).await.bucket.unwrap().name
}

#[tokio::test]
async fn a_key_of_the_class_is_tried_copied_and_followed() {
    let bed = Bed::new("bysecret").await;
    let mut class = of_secrets();
    class["iam"] = Value::Null;
    bed.apply_class(class).await;
    let _operator = bed.operator(std::time::Duration::from_secs(600)).await;
    bed.create("files", json!({})).await.unwrap();
    let missing = "CredentialsNotFound";
    let message = bed
        .condition("files", "CredentialsReady", "False", missing)
        .await;
    let source = format!("keys.{}.files", bed.namespace);
    for part in [source.as_str(), SYSTEM, "access-key-id"] {
        assert!(message.contains(part), "{message}");
    }

    let bucket = bucket_of(&bed, "files").await;
    let first = key_for(&bucket).await;
    bed.apply_secret(SYSTEM, &source, data(&first)).await;
    let unlabelled = "SecretNotLabelled";
    let message = bed
        .condition("files", "CredentialsReady", "False", unlabelled)
        .await;
    let command =
        format!("kubectl label secret {source} -n {SYSTEM} filegateway.dev/credentials=true");
    assert!(message.contains(&command), "{message}");
    let copy = bed.api::<Secret>().get_opt("files-s3").await.unwrap();
    assert!(copy.is_none());
    apply_key(&bed, &source, data(&first)).await;
    let files = bed.ready("files").await;
    let copy = bed.secret("files-s3").await;
    assert_eq!(json!(copy), data(&first));
    assert_eq!(files.status.unwrap().bucket.unwrap().user, None);

    // The next one is taken up at once, and pods are not replaced.
    let before = bed.api::<Deployment>().get("files").await.unwrap();
    let second = key_for(&bucket).await;
    apply_key(&bed, &source, data(&second)).await;
    bed.until("the new key", async || {
        let copy = bed.secret("files-s3").await;
        (json!(copy) == data(&second)).then_some(())
    })
    .await;
    let after = bed.api::<Deployment>().get("files").await.unwrap();
    assert_eq!(after.metadata.generation, before.metadata.generation);

    // One that is of no use is not taken.
    let useless = key_for("elsewhere").await;
    apply_key(&bed, &source, data(&useless)).await;
    let message = bed
        .condition("files", "CredentialsReady", "False", "KeyRefused")
        .await;
    assert!(message.contains(&source), "{message}");
    assert_eq!(json!(bed.secret("files-s3").await), data(&second));
    let gateway = bed.gateways().get("files").await.unwrap();
    let seen = serde_json::to_string(&(gateway, bed.events("files").await)).unwrap();
    for key in [&first, &second, &useless] {
        assert!(!seen.contains(&key.secret_access_key), "a secret is shown");
    }

    bed.delete("files").await;
    bed.gone("files").await;
}

#[tokio::test]
async fn a_key_that_opens_anothers_bucket_is_refused() {
    let bed = Bed::new("toowide").await;
    bed.apply_class(of_secrets()).await;
    let _operator = bed.operator(std::time::Duration::from_secs(600)).await;
    bed.create("other", json!({})).await.unwrap();
    bucket_of(&bed, "other").await;
    bed.create("files", json!({})).await.unwrap();
    let everything = json!({
        "access-key-id": variable("FGW_TEST_S3_ACCESS_KEY"),
        "secret-access-key": variable("FGW_TEST_S3_SECRET_KEY"),
    });
    let source = format!("keys.{}.files", bed.namespace);
    apply_key(&bed, &source, everything).await;
    let message = bed
        .condition("files", "CredentialsReady", "False", "KeyTooWide")
        .await;
    assert!(message.contains("make one"), "{message}");
    let copy = bed.api::<Secret>().get_opt("files-s3").await.unwrap();
    assert!(copy.is_none());
}

/// Nor when it is another class that names it, and somebody has labelled it.
#[tokio::test]
async fn the_operators_own_secret_is_never_a_gateways() {
    let mut bed = Bed::new("ownsecret").await;
    let own = format!("{}.files", bed.namespace);
    let key = json!({
        "access-key-id": variable("FGW_TEST_S3_ACCESS_KEY"),
        "secret-access-key": variable("FGW_TEST_S3_SECRET_KEY"),
    });
    apply_key(&bed, &own, key).await;
    let class = json!({
        "credentials": {"type": "Secret"},
        "objectStore": {"credentialsSecretRef": {"name": own}},
    });
    bed.apply_class(class).await;
    let naming = bed.class.clone();
    bed.class = format!("{naming}-too");
    bed.apply_class(json!({"credentials": {"type": "Secret"}}))
        .await;
    let _operator = bed.operator(std::time::Duration::from_secs(600)).await;
    bed.create("files", json!({})).await.unwrap();
    let message = bed
        .condition("files", "CredentialsReady", "False", "InvalidSpec")
        .await;
    for part in [own.as_str(), &naming, "spec.credentials.secret.prefix"] {
        assert!(message.contains(part), "{message}");
    }
    let copy = bed.api::<Secret>().get_opt("files-s3").await.unwrap();
    assert!(copy.is_none());
}

#[tokio::test]
async fn what_another_way_has_left_goes_when_no_pod_uses_it() {
    let (bed, _operator) = Bed::with_operator("otherway").await;
    bed.create("files", json!({})).await.unwrap();
    let files = bed.ready("files").await;
    let bucket = files.status.unwrap().bucket.unwrap();
    let user = bucket.user.unwrap();
    assert!(user_exists(&user).await);
    let old = bed.secret("files-s3").await;

    let key = key_for(&bucket.name).await;
    let source = format!("keys.{}.files", bed.namespace);
    apply_key(&bed, &source, data(&key)).await;
    let mut class = of_secrets();
    // Where the user was made is known without the class.
    class["iam"] = Value::Null;
    bed.apply_class(class).await;
    bed.until("the user's end", async || {
        (!user_exists(&user).await).then_some(())
    })
    .await;
    assert_eq!(json!(bed.secret("files-s3").await), data(&key));
    let former = s3(&old["access-key-id"], &old["secret-access-key"]);
    assert!(get(&former, &bucket.name, "a").await.is_err());
    let current = s3(&key.access_key_id, &key.secret_access_key);
    put(&current, &bucket.name, "a").await.unwrap();

    let identity = json!({
        "roleARN": "arn:aws:iam::123456789012:role/fgw/{namespace}_{name}",
        "audience": "sts.example.com",
        "endpoint": "https://sts.example.com",
    });
    bed.apply_class(json!({
        "iam": null,
        "credentials": {"type": "WebIdentity", "webIdentity": identity},
    }))
    .await;
    let found = bed
        .until("pods with a token", async || {
            let found = bed.api::<Deployment>().get("files").await.unwrap();
            let pod = found.spec.clone()?.template.spec?;
            let volumes = pod.volumes.unwrap_or_default();
            volumes
                .iter()
                .any(|volume| volume.name == "identity")
                .then_some(found)
        })
        .await;
    let text = serde_json::to_string(&found.spec).unwrap();
    assert!(text.contains("sts.example.com") && !text.contains("files-s3"));
    bed.ready("files").await;
    bed.pods_available("files-worker").await;
    bed.until("the Secret's end", async || {
        let secret = bed.api::<Secret>().get_opt("files-s3").await.unwrap();
        secret.is_none().then_some(())
    })
    .await;
    let message = bed
        .condition("files", "CredentialsReady", "True", "WebIdentity")
        .await;
    let role = format!("role/fgw/{}_files", bed.namespace);
    assert!(message.contains(&role), "{message}");
    assert_eq!(found.name_any(), "files");
    bed.delete("files").await;
    bed.gone("files").await;
}
