//! To other servers. All data stays at those of before, and no login does.

use kube::ResourceExt;
use serde_json::json;

use super::part::{gone, part, says};
use super::process::Process;
use crate::bed::Bed;
use crate::life::{Inventory, inventory};
use crate::moved::Others;

/// Lives it to its end.
pub async fn live(bed: &Bed, process: &Process) {
    bed.apply_class(json!({})).await;
    let owner = bed.create("files", json!({})).await.unwrap().uid().unwrap();
    says(bed, &[("Ready", "AllReady")]).await;
    let first = inventory(bed, "files", &owner).await;
    assert_eq!((first.users.len(), first.roles.len()), (1, 1), "{first:?}");

    let others = Others::start().await;
    let class = others.class(bed).await;
    let come = async {
        bed.at_last("nothing is left to do at the former servers", async || {
            let status = bed.status("files").await;
            let moved = status.bucket?.endpoint == class["objectStore"]["endpoint"];
            (moved && status.former.is_empty()).then_some(())
        })
        .await;
        says(bed, &[("Ready", "AllReady")]).await;
    };
    let steps = [
        "PATCH secrets/files-s3",
        "PATCH secrets/files-database",
        "PATCH deployments/files",
        "IAM DeleteAccessKey",
        "IAM DeleteUserPolicy",
        "IAM DeleteUser",
        "SQL ALTER ROLE",
    ];
    part(bed, process, bed.apply_class(class.clone()), come, &steps).await;
    let left = Inventory {
        buckets: first.buckets.clone(),
        databases: first.databases.clone(),
        roles: first
            .roles
            .keys()
            .map(|role| (role.clone(), false))
            .collect(),
        ..Inventory::default()
    };
    assert_eq!(inventory(bed, "files", &owner).await, left);
    let key = bed.secret("files-s3").await;
    assert_eq!(others.users().await, [vec![key["access-key-id"].clone()]]);

    let steps = ["DELETE deployments/files", "PATCH filegateways/files"];
    part(bed, process, bed.delete("files"), gone(bed), &steps).await;
    assert_eq!(inventory(bed, "files", &owner).await, left);
    assert!(others.users().await.is_empty());
}
