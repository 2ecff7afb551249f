//! Whose bucket is it?

use aws_sdk_s3::error::ProvideErrorMetadata;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::backends::{bucket_exists, put, s3_admin, tag, tags};
use crate::bed::Bed;

async fn make_bucket(name: &str) {
    s3_admin()
        .create_bucket()
        .bucket(name)
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_bucket_of_somebody_else_is_refused_and_not_touched() {
    let (bed, _operator) = Bed::with_operator("othersbucket").await;
    let bucket = format!("b-{}", bed.namespace);
    make_bucket(&bucket).await;
    put(&s3_admin(), &bucket, "theirs").await.unwrap();
    let spec = json!({"bucket": {"name": bucket}, "deletionPolicy": "Delete"});
    bed.create("files", spec).await.unwrap();
    let message = bed
        .condition("files", "BucketReady", "False", "BucketOwnedByOther")
        .await;
    assert!(message.contains("spec.bucket.adopt"), "{message}");
    assert!(tags(&bucket).await.is_empty());
    // No key to it either, and the independent steps went on.
    bed.condition("files", "CredentialsReady", "Unknown", "Waiting")
        .await;
    bed.condition("files", "DatabaseReady", "True", "Created")
        .await;
    bed.event("files", "BucketOwnedByOther").await;

    bed.delete("files").await;
    bed.gone("files").await;
    assert!(
        bucket_exists(&bucket).await,
        "Delete is not for what we did not make"
    );
}

#[tokio::test]
async fn two_gateways_that_name_one_bucket_do_not_share_it() {
    let (bed, _operator) = Bed::with_operator("twins").await;
    let bucket = format!("b-{}", bed.namespace);
    let spec = json!({"bucket": {"name": bucket}, "deletionPolicy": "Delete"});
    bed.create("one", spec.clone()).await.unwrap();
    bed.condition("one", "BucketReady", "True", "Created").await;
    bed.create("two", spec).await.unwrap();
    bed.condition("two", "BucketReady", "False", "BucketOwnedByOther")
        .await;
    bed.delete("two").await;
    bed.gone("two").await;
    let owner = bed.gateways().get("one").await.unwrap().uid().unwrap();
    assert!(
        tags(&bucket)
            .await
            .contains(&format!("filegateway.dev/owner={owner}"))
    );
    bed.delete("one").await;
    bed.gone("one").await;
    assert!(!bucket_exists(&bucket).await);
}

#[tokio::test]
async fn an_adopted_bucket_keeps_its_tags_and_outlives_delete() {
    let (bed, _operator) = Bed::with_operator("adopted").await;
    let bucket = format!("b-{}", bed.namespace);
    let spec = json!({"bucket": {"name": bucket, "adopt": true}, "deletionPolicy": "Delete"});
    bed.create("files", spec).await.unwrap();
    bed.condition("files", "BucketReady", "False", "BucketNotFound")
        .await;
    // Tags are replaced as a whole, so nobody may see the bucket before it is as it should be.
    bed.s3.cut();
    make_bucket(&bucket).await;
    let tags_of_before = [
        ("cost-centre", "7"),
        ("filegateway.dev/namespace", bed.namespace.as_str()),
    ];
    tag(&s3_admin(), &bucket, &tags_of_before).await;
    put(&s3_admin(), &bucket, "old").await.unwrap();
    bed.s3.mend();

    bed.condition("files", "BucketReady", "True", "Adopted")
        .await;
    bed.event("files", "BucketAdopted").await;
    assert!(tags(&bucket).await.contains(&"cost-centre=7".to_string()));
    assert!(!bed.status("files").await.bucket.unwrap().created);

    bed.delete("files").await;
    bed.gone("files").await;
    let object = s3_admin()
        .head_object()
        .bucket(&bucket)
        .key("old")
        .send()
        .await;
    assert!(
        object.is_ok(),
        "{:?}",
        object.map_err(|error| error.code().map(str::to_string))
    );
    let left = tags(&bucket).await;
    assert!(left.contains(&"cost-centre=7".to_string()));
    assert!(
        !left
            .iter()
            .any(|tag| tag.starts_with("filegateway.dev/owner")),
        "{left:?}"
    );
}

#[tokio::test]
async fn a_crash_between_creation_and_mark_is_healed() {
    let (bed, operator) = Bed::with_operator("crash").await;
    // As far as the intent, with no S3 server to be found.
    bed.s3.cut();
    bed.create("files", json!({})).await.unwrap();
    bed.condition("files", "BucketReady", "False", "BackendUnreachable")
        .await;
    operator.stop().await;
    let bucket = bed.status("files").await.bucket.unwrap().name;
    // What a crash right after the creation leaves: the note that it was about to be, no tag.
    let note = json!({"status": {"bucket": {"creating": true}}});
    bed.gateways()
        .patch_status("files", &PatchParams::default(), &Patch::Merge(&note))
        .await
        .unwrap();
    make_bucket(&bucket).await;
    bed.s3.mend();

    let _operator = bed.operator(std::time::Duration::from_secs(600)).await;
    bed.ready("files").await;
    let status = bed.status("files").await.bucket.unwrap();
    assert!(status.created && !status.creating);
    let owner = bed.gateways().get("files").await.unwrap().uid().unwrap();
    assert!(
        tags(&bucket)
            .await
            .contains(&format!("filegateway.dev/owner={owner}"))
    );
}

#[tokio::test]
async fn a_bucket_that_lost_its_mark_is_no_longer_ours() {
    let (bed, _operator) = Bed::with_operator("lostmark").await;
    bed.create("files", json!({"deletionPolicy": "Delete"}))
        .await
        .unwrap();
    bed.ready("files").await;
    let bucket = bed.status("files").await.bucket.unwrap().name;
    tag(&s3_admin(), &bucket, &[("someone", "else")]).await;
    bed.patch(
        "files",
        json!({"metadata": {"annotations": {"look": "again"}}}),
    )
    .await
    .unwrap();
    let message = bed
        .condition("files", "BucketReady", "False", "BucketOwnedByOther")
        .await;
    assert!(message.contains("filegateway.dev/owner="), "{message}");
    bed.delete("files").await;
    bed.gone("files").await;
    assert!(bucket_exists(&bucket).await);
    let note = bed.event("files", "Retained").await;
    assert!(note.contains(&bucket), "{note}");
}

#[tokio::test]
async fn a_bucket_is_adopted_by_the_namespace_that_it_is_tagged_for_alone() {
    let (bed, _operator) = Bed::with_operator("notadopted").await;
    let spec = |bucket: &str| json!({"bucket": {"name": bucket, "adopt": true}});
    let (mut said, namespace) = (Vec::new(), "filegateway.dev/namespace");
    // What a gateway of another namespace has left, one of the platform, and none at all.
    for (name, tags) in [
        ("left", vec![(namespace, "another"), ("a", "b")]),
        ("plain", Vec::new()),
        ("none", Vec::new()),
    ] {
        let bucket = format!("{name}-{}", bed.namespace);
        if name != "none" {
            make_bucket(&bucket).await;
            put(&s3_admin(), &bucket, "theirs").await.unwrap();
        }
        if !tags.is_empty() {
            tag(&s3_admin(), &bucket, &tags).await;
        }
        bed.create(name, spec(&bucket)).await.unwrap();
        let message = bed
            .condition(name, "BucketReady", "False", "BucketNotFound")
            .await;
        said.push(message.replace(&bucket, "NAME"));
        let owner = "filegateway.dev/owner";
        let mut marks = self::tags(&bucket).await.into_iter();
        assert!(!marks.any(|tag| tag.starts_with(owner)));
    }
    assert_eq!(said[0], said[1], "no namespace is told of another's bucket");
    assert_eq!(said[1], said[2], "nor of one that is nobody's");
}

#[tokio::test]
async fn a_bucket_that_somebody_made_after_a_refusal_is_not_ours() {
    let (bed, operator) = Bed::with_operator("madelater").await;
    bed.s3.cut();
    let bucket = format!("b-{}", bed.namespace);
    let spec = json!({"bucket": {"name": bucket}, "deletionPolicy": "Delete"});
    bed.create("files", spec).await.unwrap();
    bed.condition("files", "BucketReady", "False", "BackendUnreachable")
        .await;
    operator.stop().await;
    // The operator was about to create it and can't know how that ended.
    let note = json!({"status": {"bucket": {"creating": true}}});
    bed.gateways()
        .patch_status("files", &PatchParams::default(), &Patch::Merge(&note))
        .await
        .unwrap();
    make_bucket(&bucket).await;
    put(&s3_admin(), &bucket, "theirs").await.unwrap();
    bed.s3.mend();

    let _operator = bed.operator(std::time::Duration::from_secs(600)).await;
    bed.condition("files", "BucketReady", "False", "BucketOwnedByOther")
        .await;
    assert!(tags(&bucket).await.is_empty());
    bed.delete("files").await;
    bed.gone("files").await;
    assert!(bucket_exists(&bucket).await);
}
