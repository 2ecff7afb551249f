//! On MinIO, which encrypts and expires, with a key that the class has in a Secret from the start; and a
//! database that is kept.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::part::{gone, part, says, settled};
use super::process::Process;
use crate::backends::{address, get, minio_admin, put, tags_at, variable};
use crate::bed::{Bed, SYSTEM};
use crate::credentials::{apply_key, of_secrets};
use crate::life::inventory;
use crate::proxy::Proxy;

const READY: (&str, &str) = ("Ready", "AllReady");
const SET_UP: (&str, &str) = ("BucketConfigured", "InSync");

/// What has to be so before the operator starts.
pub async fn prepare(bed: &mut Bed) {
    bed.s3 = Proxy::to(address(&variable("FGW_TEST_MINIO_ENDPOINT"))).await;
}

fn key() -> Value {
    json!({
        "access-key-id": variable("FGW_TEST_MINIO_ACCESS_KEY"),
        "secret-access-key": variable("FGW_TEST_MINIO_SECRET_KEY"),
    })
}

/// Lives it to its end.
pub async fn live(bed: &Bed, process: &Process) {
    let admin = format!("minio-{}", bed.namespace);
    bed.apply_secret(SYSTEM, &admin, key()).await;
    let source = format!("keys.{}.files", bed.namespace);
    apply_key(bed, &source, key()).await;
    let mut class = of_secrets();
    class["objectStore"] = json!({"credentialsSecretRef": {"name": admin}});
    class["iam"] = Value::Null;
    class["bucket"] = json!({"encryption": {"type": "SSE-S3"}, "versioning": "Enabled"});
    bed.apply_class(class).await;

    let spec = json!({"bucket": {"lifecycle": {"expireNoncurrentDays": 30}}});
    let steps = [
        "S3 PUT ?tagging",
        "S3 PUT ?encryption",
        "S3 PUT ?versioning",
        "S3 PUT ?lifecycle",
        "PATCH secrets/files-s3",
        "SQL CREATE ROLE",
        "SQL CREATE DATABASE",
    ];
    let ask = async { drop(bed.create("files", spec).await.unwrap()) };
    let come = says(bed, &[READY, SET_UP, ("CredentialsReady", "Copied")]);
    part(bed, process, ask, come, &steps).await;
    let gateway = bed.gateways().get("files").await.unwrap();
    let owner = gateway.metadata.uid.unwrap();
    let bucket = bed.status("files").await.bucket.unwrap().name;
    assert_eq!(buckets(bed).await, BTreeSet::from([bucket.clone()]));
    put(&minio_admin(), &bucket, "a").await.unwrap();
    let found = inventory(bed, "files", &owner).await;
    assert_eq!(found.databases.len(), 1, "{found:?}");
    assert_eq!(found.roles.len(), 1, "{found:?}");
    assert!(found.users.is_empty(), "{found:?}");

    let ask = async {
        let lifecycle = json!({"spec": {"bucket": {"lifecycle": {"expireNoncurrentDays": null}}}});
        bed.patch("files", lifecycle).await.unwrap();
    };
    part(
        bed,
        process,
        ask,
        says(bed, &[READY, SET_UP]),
        &["S3 DELETE ?lifecycle"],
    )
    .await;
    settled(bed, process).await;

    let steps = [
        "DELETE deployments/files",
        "SQL ALTER ROLE",
        "S3 PUT ?tagging",
        "PATCH filegateways/files",
    ];
    part(bed, process, bed.delete("files"), gone(bed), &steps).await;
    assert_eq!(buckets(bed).await, BTreeSet::from([bucket.clone()]));
    let kept = get(&minio_admin(), &bucket, "a").await.unwrap();
    assert_eq!(kept, b"hello");
    let marks = tags_at(&minio_admin(), &bucket).await;
    let mut marks = marks.iter();
    assert!(!marks.any(|tag| tag.starts_with("filegateway.dev/owner")));
    let left = inventory(bed, "files", &owner).await;
    assert_eq!(left.databases, found.databases);
    let locked = found.roles.keys().map(|role| (role.clone(), false));
    assert_eq!(left.roles, locked.collect());
}

/// Those of this test.
async fn buckets(bed: &Bed) -> BTreeSet<String> {
    let all = minio_admin().list_buckets().send().await.unwrap();
    let names = all.buckets().iter().filter_map(|bucket| bucket.name());
    let ours = names.filter(|name| name.contains(&bed.namespace));
    ours.map(str::to_string).collect()
}
