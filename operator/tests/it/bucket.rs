//! How buckets are set up, on two servers that can and can't do different things.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketVersioningStatus, CorsConfiguration, CorsRule,
    ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
};
use serde_json::{Value, json};

use crate::backends::{address, bucket_exists, minio_admin, put, s3_admin, tag, variable};
use crate::bed::{Bed, Operator, SYSTEM};
use crate::proxy::Proxy;

/// A bed whose class keeps its buckets on MinIO. Keys are still made at versitygw: nothing here uses
/// them.
async fn on_minio(test: &str, changes: Value) -> (Bed, Operator) {
    let mut bed = Bed::new(test).await;
    bed.s3 = Proxy::to(address(&variable("FGW_TEST_MINIO_ENDPOINT"))).await;
    let key = json!({
        "access-key-id": variable("FGW_TEST_MINIO_ACCESS_KEY"),
        "secret-access-key": variable("FGW_TEST_MINIO_SECRET_KEY"),
    });
    bed.apply_secret(SYSTEM, "minio-admin", key).await;
    bed.apply_class(json!({
        "objectStore": {"credentialsSecretRef": {"name": "minio-admin"}},
        "iam": {"credentialsSecretRef": {"name": "s3-admin"}},
        "bucket": changes,
    }))
    .await;
    let operator = bed.operator(Duration::from_secs(1)).await;
    (bed, operator)
}

async fn bucket_of(bed: &Bed, name: &str) -> String {
    bed.status(name).await.bucket.unwrap().name
}

pub async fn versioning(client: &Client, bucket: &str) -> Option<BucketVersioningStatus> {
    let call = client.get_bucket_versioning().bucket(bucket).send().await;
    call.unwrap().status
}

pub async fn cors(client: &Client, bucket: &str) -> Vec<CorsRule> {
    match client.get_bucket_cors().bucket(bucket).send().await {
        Ok(answer) => answer.cors_rules.unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

/// Names of rules, and their days for former versions.
async fn lifecycle(client: &Client, bucket: &str) -> Vec<(String, Option<i32>)> {
    let call = client.get_bucket_lifecycle_configuration().bucket(bucket);
    match call.send().await {
        Ok(answer) => answer
            .rules()
            .iter()
            .map(|rule| {
                let days = rule
                    .noncurrent_version_expiration()
                    .and_then(|rule| rule.noncurrent_days());
                (rule.id().unwrap_or_default().to_string(), days)
            })
            .collect(),
        Err(_) => Vec::new(),
    }
}

#[tokio::test]
async fn what_versitygw_can_is_set_held_and_not_written_twice() {
    let bed = Bed::new("setup").await;
    bed.apply_class(json!({"bucket": {"versioning": "Enabled"}}))
        .await;
    let cors_rule = json!({"allowedOrigins": ["https://app.example.com"],
        "allowedHeaders": ["Range"], "exposeHeaders": ["ETag", "Content-Range"]});
    bed.create("files", json!({"bucket": {"cors": [cors_rule]}}))
        .await
        .unwrap();
    let operator = bed.operator(Duration::from_secs(1)).await;
    bed.ready("files").await;
    bed.condition("files", "BucketConfigured", "True", "InSync")
        .await;
    let note = bed.event("files", "BucketConfigured").await;
    assert!(note.contains("versioning, CORS"), "{note}");
    let (admin, bucket) = (s3_admin(), bucket_of(&bed, "files").await);
    let enabled = Some(BucketVersioningStatus::Enabled);
    assert_eq!(versioning(&admin, &bucket).await, enabled);
    let live = cors(&admin, &bucket).await;
    assert_eq!(live[0].allowed_methods(), ["GET", "HEAD"]);
    assert_eq!(live[0].max_age_seconds(), Some(3600));

    // Passes go on all the time, and write nothing.
    let before = bed.s3.writes();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(bed.s3.writes(), before, "a settled bucket is not written");

    // What others change is undone.
    let open = CorsRule::builder()
        .allowed_origins("*")
        .allowed_methods("PUT")
        .build()
        .unwrap();
    let open = CorsConfiguration::builder()
        .cors_rules(open)
        .build()
        .unwrap();
    let call = admin.put_bucket_cors().bucket(&bucket);
    call.cors_configuration(open).send().await.unwrap();
    let off = aws_sdk_s3::types::VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Suspended)
        .build();
    let call = admin.put_bucket_versioning().bucket(&bucket);
    call.versioning_configuration(off).send().await.unwrap();
    bed.until("the drift is undone", async || {
        let undone =
            cors(&admin, &bucket).await == live && versioning(&admin, &bucket).await == enabled;
        undone.then_some(())
    })
    .await;

    // An empty list takes the rules away, and a setting that is left out is left as it is.
    bed.patch("files", json!({"spec": {"bucket": {"cors": []}}}))
        .await
        .unwrap();
    bed.until("there are no CORS rules", async || {
        cors(&admin, &bucket).await.is_empty().then_some(())
    })
    .await;
    bed.apply_class(json!({"bucket": null})).await;
    bed.patch("files", json!({"spec": {"bucket": {"cors": null}}}))
        .await
        .unwrap();
    bed.condition("files", "BucketConfigured", "True", "NotRequested")
        .await;
    assert_eq!(versioning(&admin, &bucket).await, enabled);
    operator.stop().await;
}

#[tokio::test]
async fn what_versitygw_lacks_is_told_and_keeps_no_gateway_from_running() {
    let (bed, _operator) = Bed::with_operator("lacks").await;
    let cases = [
        (
            "encryption",
            json!({"encryption": {"type": "SSE-S3"}}),
            "EncryptionUnsupported",
        ),
        (
            "lifecycle",
            json!({"lifecycle": {"expireNoncurrentDays": 7}}),
            "LifecycleUnsupported",
        ),
        (
            "public",
            json!({"publicAccess": "Blocked"}),
            "PublicAccessBlockUnsupported",
        ),
    ];
    for (name, bucket, reason) in cases {
        bed.create(name, json!({"bucket": bucket})).await.unwrap();
        let message = bed
            .condition(name, "BucketConfigured", "False", reason)
            .await;
        assert!(
            message.contains("has no") && message.contains("leave bucket."),
            "{message}"
        );
        bed.event(name, reason).await;
        bed.ready(name).await;
    }
}

#[tokio::test]
async fn minio_encrypts_and_expires_and_loses_no_bucket() {
    let key = variable("FGW_TEST_MINIO_KMS_KEY");
    let defaults = json!({"encryption": {"type": "SSE-S3"}, "kmsKeyIds": [key, "nobody-has-it"]});
    let (bed, _operator) = on_minio("minio", defaults).await;
    let admin = minio_admin();
    let encryption = async |bucket: &str| {
        let call = admin.get_bucket_encryption().bucket(bucket).send().await;
        let answer = call.unwrap().server_side_encryption_configuration.unwrap();
        let rule = answer.rules[0].apply_server_side_encryption_by_default();
        let rule = rule.unwrap().clone();
        (
            rule.sse_algorithm.as_str().to_string(),
            rule.kms_master_key_id,
        )
    };

    bed.create("own", json!({})).await.unwrap();
    bed.condition("own", "BucketConfigured", "True", "InSync")
        .await;
    let bucket = bucket_of(&bed, "own").await;
    assert_eq!(encryption(&bucket).await.0, "AES256");
    put(&admin, &bucket, "a").await.unwrap();
    let head = admin.head_object().bucket(&bucket).key("a").send().await;
    let used = head.unwrap().server_side_encryption.unwrap();
    assert_eq!(used.as_str(), "AES256");

    let named = json!({"encryption": {"type": "SSE-KMS", "kmsKeyId": key}});
    bed.create("named", json!({"bucket": named})).await.unwrap();
    bed.condition("named", "BucketConfigured", "True", "InSync")
        .await;
    let expected = ("aws:kms".to_string(), Some(key.clone()));
    assert_eq!(encryption(&bucket_of(&bed, "named").await).await, expected);

    let unknown = json!({"encryption": {"type": "SSE-KMS", "kmsKeyId": "nobody-has-it"}});
    bed.create("unknown", json!({"bucket": unknown}))
        .await
        .unwrap();
    let message = bed
        .condition("unknown", "BucketConfigured", "False", "SettingRefused")
        .await;
    assert!(message.contains("bucket.encryption"), "{message}");

    let foreign = json!({"encryption": {"type": "SSE-KMS", "kmsKeyId": "of-another-tenant"}});
    bed.create("foreign", json!({"bucket": foreign}))
        .await
        .unwrap();
    bed.condition("foreign", "Accepted", "False", "NotAllowedByClass")
        .await;

    // MinIO has no such block, and takes its removal for the deletion of the bucket.
    for (name, access) in [("blocked", "Blocked"), ("open", "Allowed")] {
        bed.create(name, json!({"bucket": {"publicAccess": access}}))
            .await
            .unwrap();
        let reason = "PublicAccessBlockUnsupported";
        bed.condition(name, "BucketConfigured", "False", reason)
            .await;
        let bucket = bucket_of(&bed, name).await;
        admin.head_bucket().bucket(bucket).send().await.unwrap();
    }
}

#[tokio::test]
async fn lifecycle_rules_of_others_stay_and_what_minio_lacks_is_told() {
    let (bed, _operator) = on_minio("expiry", json!({})).await;
    let admin = minio_admin();
    let bucket = format!("b-{}", bed.namespace);
    admin.create_bucket().bucket(&bucket).send().await.unwrap();
    let ours = ("filegateway.dev/namespace", bed.namespace.as_str());
    tag(&admin, &bucket, &[ours]).await;
    let theirs = LifecycleRule::builder()
        .id("theirs")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("tmp/").build())
        .expiration(LifecycleExpiration::builder().days(3).build())
        .build()
        .unwrap();
    let theirs = BucketLifecycleConfiguration::builder()
        .rules(theirs)
        .build()
        .unwrap();
    let call = admin.put_bucket_lifecycle_configuration().bucket(&bucket);
    call.lifecycle_configuration(theirs).send().await.unwrap();

    let both = json!({"expireNoncurrentDays": 30, "abortUploadsDays": 7});
    let spec = json!({"bucket": {"name": bucket, "adopt": true, "lifecycle": both}});
    bed.create("files", spec).await.unwrap();
    let reason = "LifecycleUnsupported";
    let message = bed
        .condition("files", "BucketConfigured", "False", reason)
        .await;
    assert!(message.contains("unfinished uploads"), "{message}");
    assert!(!message.contains("former versions"), "{message}");
    let (theirs, ours) = (
        ("theirs".to_string(), None),
        ("filegateway-noncurrent-versions".to_string(), Some(30)),
    );
    assert_eq!(
        lifecycle(&admin, &bucket).await,
        [theirs.clone(), ours.clone()]
    );

    let lifecycle_of = |rules: Value| json!({"spec": {"bucket": {"lifecycle": rules}}});
    let one = json!({"abortUploadsDays": null, "expireNoncurrentDays": 60});
    bed.patch("files", lifecycle_of(one)).await.unwrap();
    bed.condition("files", "BucketConfigured", "True", "InSync")
        .await;
    let sixty = (ours.0.clone(), Some(60));
    assert_eq!(lifecycle(&admin, &bucket).await, [theirs.clone(), sixty]);
    let before = bed.s3.writes();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(bed.s3.writes(), before, "a settled bucket is not written");

    let none = json!({"expireNoncurrentDays": null});
    bed.patch("files", lifecycle_of(none)).await.unwrap();
    bed.until("our rule is gone", async || {
        (lifecycle(&admin, &bucket).await == [theirs.clone()]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_bucket_of_ten_thousand_objects_is_emptied_and_says_how_far_it_is() {
    let (bed, _operator) = Bed::with_operator("tenthousand").await;
    let spec = json!({"deletionPolicy": "Delete", "bucket": {"versioning": "Enabled"}});
    bed.create("files", spec).await.unwrap();
    bed.condition("files", "BucketConfigured", "True", "InSync")
        .await;
    let (admin, bucket) = (s3_admin(), bucket_of(&bed, "files").await);
    for thousand in 0..10 {
        let keys: Vec<_> = (0..1000)
            .map(|number| format!("{thousand}/{number}"))
            .collect();
        for some in keys.chunks(64) {
            let puts = some.iter().map(|key| put(&admin, &bucket, key));
            let done = futures_util::future::join_all(puts).await;
            assert!(done.iter().all(Result::is_ok));
        }
    }
    // Former versions, and an upload that nobody finished.
    for number in 0..20 {
        put(&admin, &bucket, &format!("0/{number}")).await.unwrap();
    }
    let upload = admin.create_multipart_upload().bucket(&bucket).key("u");
    upload.send().await.unwrap();

    bed.delete("files").await;
    let progress = bed.until("the condition says how far it is", async || {
        let gateway = bed.gateways().get_opt("files").await.unwrap()?;
        let status = gateway.status?;
        let ready = status.conditions.iter().find(|c| c.type_ == "Ready")?;
        let far = ready.reason == "Terminating" && ready.message.contains("gone so far");
        far.then_some((ready.message.clone(), status.bucket?.emptied?))
    });
    let (message, count) = progress.await;
    assert!(message.contains(&format!("{count} objects")), "{message}");
    assert!((5000..=10_000).contains(&count), "{count}");
    bed.gone("files").await;
    assert!(!bucket_exists(&bucket).await);
}

#[tokio::test]
async fn unfinished_uploads_are_aborted_side_by_side() {
    let (bed, _operator) = Bed::with_operator("aborted").await;
    bed.create("files", json!({"deletionPolicy": "Delete"}))
        .await
        .unwrap();
    bed.ready("files").await;
    let (admin, bucket) = (s3_admin(), bucket_of(&bed, "files").await);
    let keys: Vec<_> = (0..400).map(|number| number.to_string()).collect();
    for some in keys.chunks(50) {
        let made = some.iter().map(|key| {
            let call = admin.create_multipart_upload().bucket(&bucket);
            call.key(key).send()
        });
        let made = futures_util::future::join_all(made).await;
        assert!(made.iter().all(Result::is_ok));
    }
    // One after the other they take 40 seconds and more.
    bed.s3.delay(100);
    let begun = std::time::Instant::now();
    bed.delete("files").await;
    bed.gone("files").await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(!bucket_exists(&bucket).await);
}
