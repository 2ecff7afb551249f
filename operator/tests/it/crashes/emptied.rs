//! A deletion with all that a bucket and a database can hold: nothing stays.

use kube::ResourceExt;
use serde_json::json;

use super::part::{gone, part, says};
use super::process::Process;
use crate::backends::{postgres, put, s3_admin};
use crate::bed::Bed;
use crate::life::{Inventory, inventory};

/// Lives it to its end. How a gateway of this kind is made, the first life tries.
pub async fn live(bed: &Bed, process: &Process) {
    bed.apply_class(json!({})).await;
    let spec = json!({"bucket": {"versioning": "Enabled"}, "deletionPolicy": "Delete"});
    let owner = bed.create("files", spec).await.unwrap().uid().unwrap();
    says(
        bed,
        &[("Ready", "AllReady"), ("BucketConfigured", "InSync")],
    )
    .await;
    let bucket = bed.status("files").await.bucket.unwrap().name;
    let admin = s3_admin();
    for key in ["a", "a", "b/c"] {
        put(&admin, &bucket, key).await.unwrap();
    }
    let delete = admin.delete_object().bucket(&bucket).key("a");
    delete.send().await.unwrap();
    for key in ["u", "v"] {
        let upload = admin.create_multipart_upload().bucket(&bucket).key(key);
        upload.send().await.unwrap();
    }
    let url = bed.secret("files-database").await["url"].clone();
    let _session = postgres(&url, None).await.unwrap();

    let steps = [
        "DELETE deployments/files",
        "DELETE deployments/files-worker",
        "IAM DeleteAccessKey",
        "IAM DeleteUser",
        "S3 POST ?delete",
        "S3 DELETE ?x-id=AbortMultipartUpload",
        "S3 DELETE ?",
        "SQL DROP DATABASE",
        "SQL DROP ROLE",
        "PATCH filegateways/files",
    ];
    part(bed, process, bed.delete("files"), gone(bed), &steps).await;
    assert_eq!(inventory(bed, "files", &owner).await, Inventory::default());
}
