//! A bucket that was there before, with settings, and SQLite on a volume; a way in that comes and goes.

use aws_sdk_s3::types::BucketVersioningStatus;
use k8s_openapi::api::networking::v1::Ingress;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::part::{gone, one_key, one_volume, part, says, settled};
use super::process::Process;
use crate::backends::{get, put, s3_admin, tag, tags};
use crate::bed::Bed;
use crate::bucket::{cors, versioning};
use crate::life::{Inventory, ask_for_rotation, inventory, rotated};

const READY: (&str, &str) = ("Ready", "AllReady");

/// Lives it to its end: adopted buckets are never deleted.
pub async fn live(bed: &Bed, process: &Process) {
    bed.apply_class(json!({"exposure": {"hosts": ["*"], "ingress": {"className": "nginx"}}}))
        .await;
    let admin = s3_admin();
    // As the inventory looks for it.
    let bucket = format!("b-{}-files-adopted", bed.namespace);
    let made = admin.create_bucket().bucket(&bucket).send().await;
    made.unwrap();
    let namespace = bed.namespace.as_str();
    let marks = [
        ("cost-centre", "7"),
        ("filegateway.dev/namespace", namespace),
    ];
    tag(&admin, &bucket, &marks).await;
    put(&admin, &bucket, "old").await.unwrap();

    let rules = json!([{"allowedOrigins": ["https://app.example.com"]}]);
    let spec = json!({
        "bucket": {"name": bucket, "adopt": true, "versioning": "Enabled", "cors": rules},
        "database": {"type": "SQLite"},
        "deletionPolicy": "Delete",
    });
    let steps = [
        "S3 PUT ?tagging",
        "S3 PUT ?versioning",
        "S3 PUT ?cors",
        "IAM CreateUser",
        "IAM CreateAccessKey",
        "PATCH secrets/files-s3",
        "PATCH persistentvolumeclaims/files-catalog",
    ];
    let ask = async { drop(bed.create("files", spec).await.unwrap()) };
    let come = says(
        bed,
        &[
            READY,
            ("BucketReady", "Adopted"),
            ("BucketConfigured", "InSync"),
        ],
    );
    part(bed, process, ask, come, &steps).await;
    let gateway = bed.gateways().get("files").await.unwrap();
    let owner = gateway.uid().unwrap();
    assert!(!gateway.status.unwrap().bucket.unwrap().created);
    let mark = format!("filegateway.dev/owner={owner}");
    assert!(tags(&bucket).await.contains(&mark));
    let enabled = Some(BucketVersioningStatus::Enabled);
    assert_eq!(versioning(&admin, &bucket).await, enabled);
    assert_eq!(cors(&admin, &bucket).await.len(), 1);
    let only = async || {
        let found = inventory(bed, "files", &owner).await;
        assert!(found.buckets.contains(&bucket));
        one_key(bed, &found).await;
        one_volume(&found);
    };
    only().await;

    let exposure = |exposure: Value| json!({"spec": {"exposure": exposure}});
    let change = async |spec| drop(bed.patch("files", spec).await.unwrap());
    let ingresses = bed.api::<Ingress>();
    let shown = change(exposure(json!({"host": "a.example.com"})));
    let come = says(bed, &[READY, ("RouteReady", "RouteAccepted")]);
    part(bed, process, shown, come, &["PATCH ingresses/files"]).await;
    assert!(ingresses.get_opt("files").await.unwrap().is_some());
    let hidden = change(exposure(json!(null)));
    let come = says(bed, &[READY, ("RouteReady", "NotRequested")]);
    part(bed, process, hidden, come, &["DELETE ingresses/files"]).await;
    assert!(ingresses.get_opt("files").await.unwrap().is_none());

    let less = change(json!({"spec": {"bucket": {"versioning": "Suspended", "cors": []}}}));
    let come = says(bed, &[READY, ("BucketConfigured", "InSync")]);
    let steps = ["S3 PUT ?versioning", "S3 DELETE ?cors"];
    part(bed, process, less, come, &steps).await;
    let suspended = Some(BucketVersioningStatus::Suspended);
    assert_eq!(versioning(&admin, &bucket).await, suspended);
    assert!(cors(&admin, &bucket).await.is_empty());

    let former = bed.secret("files-s3").await;
    let ask = ask_for_rotation(bed, "files", "now");
    let steps = [
        "IAM CreateAccessKey",
        "IAM UpdateAccessKey",
        "IAM DeleteAccessKey",
        "PATCH secrets/files-s3",
        "PATCH secrets/files-signing",
    ];
    part(bed, process, ask, rotated(bed, "files", "now"), &steps).await;
    assert_ne!(bed.secret("files-s3").await, former);
    only().await;
    settled(bed, process).await;

    let upload = admin.create_multipart_upload().bucket(&bucket).key("u");
    upload.send().await.unwrap();
    let steps = [
        "DELETE deployments/files",
        "IAM DeleteUser",
        "S3 PUT ?tagging",
        "DELETE persistentvolumeclaims/files-catalog",
        "PATCH filegateways/files",
    ];
    part(bed, process, bed.delete("files"), gone(bed), &steps).await;
    let left = Inventory {
        buckets: [bucket.clone()].into(),
        ..Inventory::default()
    };
    assert_eq!(inventory(bed, "files", &owner).await, left);
    let mut marks = tags(&bucket).await;
    marks.retain(|tag| !tag.starts_with("filegateway.dev/name="));
    marks.sort();
    let namespace = format!("filegateway.dev/namespace={namespace}");
    assert_eq!(marks, ["cost-centre=7".to_string(), namespace]);
    for key in ["old", "a"] {
        assert_eq!(get(&admin, &bucket, key).await.unwrap(), b"hello");
    }
    let uploads = admin.list_multipart_uploads().bucket(&bucket).send().await;
    assert_eq!(uploads.unwrap().uploads().len(), 1);
}
