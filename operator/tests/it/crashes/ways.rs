//! From every way to credentials to every other, with SQLite; all is kept.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::part::{gone, one_key, one_volume, part, says, settled};
use super::process::Process;
use crate::backends::{get, put, s3, s3_admin, tags};
use crate::bed::Bed;
use crate::credentials::{apply_key, data, key_for, of_secrets};
use crate::life::{Inventory, inventory};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    User,
    Secret,
    Identity,
}

impl Way {
    /// Each pair follows once.
    const ALL: [Self; 7] = [
        Self::User,
        Self::Secret,
        Self::Identity,
        Self::User,
        Self::Identity,
        Self::Secret,
        Self::User,
    ];

    fn class(self) -> Value {
        match self {
            Self::User => json!({}),
            Self::Secret => of_secrets(),
            Self::Identity => json!({"credentials": {"type": "WebIdentity", "webIdentity": {
                "roleARN": "arn:aws:iam::123456789012:role/fgw/{namespace}_{name}",
                "audience": "sts.example.com",
                "endpoint": "https://sts.example.com",
            }}}),
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::User => "Issued",
            Self::Secret => "Copied",
            Self::Identity => "WebIdentity",
        }
    }

    /// What leads here from `former` at least.
    fn steps(self, former: Self) -> Vec<&'static str> {
        let mut steps = match self {
            Self::User => vec![
                "IAM CreateUser",
                "IAM CreateAccessKey",
                "PATCH secrets/files-s3",
            ],
            Self::Secret => vec!["S3 PUT ?x-id=PutObject", "PATCH secrets/files-s3"],
            Self::Identity => vec!["DELETE secrets/files-s3", "PATCH deployments/files"],
        };
        if former == Self::User {
            steps.push("IAM DeleteUser");
        }
        steps
    }
}

/// Lives it to its end.
pub async fn live(bed: &Bed, process: &Process) {
    bed.apply_class(Way::User.class()).await;
    let spec = json!({"database": {"type": "SQLite"}});
    let owner = bed.create("files", spec).await.unwrap().uid().unwrap();
    says(bed, &[("Ready", "AllReady")]).await;
    let bucket = bed.status("files").await.bucket.unwrap().name;
    let key = key_for(&bucket).await;
    let source = format!("keys.{}.files", bed.namespace);
    apply_key(bed, &source, data(&key)).await;

    for pair in Way::ALL.windows(2) {
        let [former, way] = [pair[0], pair[1]];
        let come = async {
            says(
                bed,
                &[("CredentialsReady", way.reason()), ("Ready", "AllReady")],
            )
            .await;
            bed.at_last("nothing is left of the way before", async || {
                let status = bed.status("files").await;
                let user = status.bucket?.user.is_some();
                let secret = bed.api::<Secret>().get_opt("files-s3").await.unwrap();
                let as_here = (user, secret.is_some());
                (as_here == (way == Way::User, way != Way::Identity)).then_some(())
            })
            .await;
        };
        let ask = bed.apply_class(way.class());
        part(bed, process, ask, come, &way.steps(former)).await;
        let found = inventory(bed, "files", &owner).await;
        one_volume(&found);
        if way == Way::User {
            one_key(bed, &found).await;
        } else {
            assert!(found.users.is_empty(), "{former:?} to {way:?}: {found:?}");
            assert_eq!(found.buckets.len(), 1, "{found:?}");
        }
        if way == Way::Secret {
            assert_eq!(json!(bed.secret("files-s3").await), data(&key));
        }
    }
    // A key that somebody else made is nobody's to delete.
    let by_hand = s3(&key.access_key_id, &key.secret_access_key);
    put(&by_hand, &bucket, "a").await.unwrap();
    settled(bed, process).await;

    let steps = [
        "DELETE deployments/files",
        "IAM DeleteUser",
        "S3 PUT ?tagging",
        "PATCH filegateways/files",
    ];
    part(bed, process, bed.delete("files"), gone(bed), &steps).await;
    let left = Inventory {
        buckets: [bucket.clone()].into(),
        volumes: ["files-catalog".to_string()].into(),
        ..Inventory::default()
    };
    assert_eq!(inventory(bed, "files", &owner).await, left);
    assert_eq!(get(&s3_admin(), &bucket, "a").await.unwrap(), b"hello");
    let marks = tags(&bucket).await;
    let mut marks = marks.iter();
    assert!(!marks.any(|tag| tag.starts_with("filegateway.dev/owner")));
}
