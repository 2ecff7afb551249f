//! What there is of a gateway outside of the cluster, and the replacement of all its keys.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::StatusType;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use crate::backends::{iam_admin, postgres, postgres_admin, put, s3, s3_admin};
use crate::bed::Bed;

/// Annotation of a Secret: since when its rotation is as far as it is.
const SINCE: &str = "filegateway.dev/rotation-since";

/// All that there is outside of the cluster of one gateway.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    pub buckets: BTreeSet<String>,
    pub users: BTreeSet<String>,
    pub keys: BTreeMap<String, StatusType>,
    pub databases: BTreeSet<String>,
    /// And whether each may log in.
    pub roles: BTreeMap<String, bool>,
    /// But for those that are being deleted: a finalizer of Kubernetes' own holds them.
    pub volumes: BTreeSet<String>,
}

pub async fn inventory(bed: &Bed, name: &str, owner: &str) -> Inventory {
    let listed = s3_admin().list_buckets().send().await.unwrap();
    let buckets = listed.buckets().iter();
    let buckets = buckets.map(|bucket| bucket.name().unwrap().to_string());
    let iam = iam_admin();
    let path = format!("/filegateway/{owner}/");
    let listed = iam.list_users().path_prefix(path).send().await.unwrap();
    let users: BTreeSet<String> = listed.users().iter().map(|u| u.user_name.clone()).collect();
    let mut keys = BTreeMap::new();
    for user in &users {
        let listed = iam.list_access_keys().user_name(user).send().await.unwrap();
        keys.extend(listed.access_key_metadata().iter().map(|key| {
            let id = key.access_key_id().unwrap().to_string();
            (id, key.status().unwrap().clone())
        }));
    }
    let mut admin = postgres_admin().await;
    let readable = format!("{}-{name}-", bed.namespace);
    let part = readable.replace('-', "_");
    let databases: Vec<String> = sqlx::query_scalar(
        "SELECT datname::text FROM pg_database WHERE position($1 in datname) > 0",
    )
    .bind(&part)
    .fetch_all(&mut admin)
    .await
    .unwrap();
    let roles: Vec<(String, bool)> = sqlx::query_as(
        "SELECT rolname::text, rolcanlogin FROM pg_roles WHERE position($1 in rolname) > 0",
    )
    .bind(&part)
    .fetch_all(&mut admin)
    .await
    .unwrap();
    let claims = bed.api::<PersistentVolumeClaim>();
    let claims = claims.list(&ListParams::default()).await.unwrap();
    let claims = claims
        .iter()
        .filter(|claim| claim.metadata.deletion_timestamp.is_none());
    Inventory {
        volumes: claims.map(ResourceExt::name_any).collect(),
        buckets: buckets.filter(|name| name.contains(&readable)).collect(),
        users,
        keys,
        databases: databases.into_iter().collect(),
        roles: roles.into_iter().collect(),
    }
}

/// One of each, and what the Secrets hold opens them.
pub async fn complete(bed: &Bed, name: &str, found: &Inventory) {
    assert_eq!(found.buckets.len(), 1, "{found:?}");
    assert_eq!(found.users.len(), 1, "{found:?}");
    assert_eq!(found.databases.len(), 1, "{found:?}");
    assert!(found.volumes.is_empty(), "{found:?}");
    let secrets = bed.versions::<Secret>().await.into_keys();
    let prefix = format!("Secret/{name}-");
    let secrets: Vec<String> = secrets.filter(|key| key.starts_with(&prefix)).collect();
    let expected = ["database", "s3", "signing"].map(|kind| format!("{prefix}{kind}"));
    assert_eq!(secrets, expected);

    let key = bed.secret(&format!("{name}-s3")).await;
    let id = key["access-key-id"].clone();
    let only = BTreeMap::from([(id.clone(), StatusType::Active)]);
    assert_eq!(found.keys, only);
    let bucket = found.buckets.first().unwrap();
    let client = s3(&id, &key["secret-access-key"]);
    put(&client, bucket, "a").await.unwrap();
    let url = bed.secret(&format!("{name}-database")).await["url"].clone();
    let mut session = postgres(&url, None).await.unwrap();
    let database: String = sqlx::query_scalar("SELECT current_database()::text")
        .fetch_one(&mut session)
        .await
        .unwrap();
    assert_eq!(found.databases.first(), Some(&database));
}

/// Asks for all three rotations at once; `value` is new.
pub async fn ask_for_rotation(bed: &Bed, name: &str, value: &str) {
    let asked = ["signing-key", "access-key", "database-password"]
        .map(|what| (format!("filegateway.dev/rotate-{what}"), json!(value)));
    let annotations = serde_json::Map::from_iter(asked);
    let patch = json!({"metadata": {"annotations": annotations}});
    bed.patch(name, patch).await.unwrap();
}

/// Waits until all that there are of the three were answered and nothing of the former keys is left.
pub async fn rotated(bed: &Bed, name: &str, value: &str) {
    bed.at_last(
        &format!("{name}: rotated as asked by {value}"),
        async || {
            retire_signing_key(bed, name).await;
            let status = bed.status(name).await;
            let rotations = status.rotations?;
            let mut answered = vec![rotations.signing_key?.request?];
            let others = [rotations.access_key, rotations.database_password];
            for rotation in others.into_iter().flatten() {
                answered.push(rotation.request?);
            }
            let settled = |type_: &str| {
                let mut all = status.conditions.iter();
                let found = all.find(|c| c.type_ == type_);
                found.is_some_and(|c| c.status == "True" && c.reason != "RotationInProgress")
            };
            let settled = ["SigningKeyReady", "CredentialsReady", "DatabaseReady"]
                .into_iter()
                .all(settled);
            (settled && answered.iter().all(|request| request == value)).then_some(())
        },
    )
    .await;
}

/// Ends the time for which a former signing key is accepted: its tokens would live for hours.
async fn retire_signing_key(bed: &Bed, name: &str) {
    let name = format!("{name}-signing");
    let secrets = bed.api::<Secret>();
    let kept = secrets.get(&name).await.unwrap();
    let annotations = kept.annotations();
    let stage = annotations.get("filegateway.dev/rotation-stage");
    let since = annotations.get(SINCE).and_then(|time| time.parse().ok());
    let past = Timestamp::now() - SignedDuration::from_hours(24);
    // Each change puts off the next pass, so only what is not there yet is written.
    let done = since.is_some_and(|since: Timestamp| since < past + SignedDuration::from_hours(1));
    if stage.is_some_and(|stage| stage == "Retiring") && !done {
        let patch = json!({"metadata": {"annotations": {SINCE: past.to_string()}}});
        secrets
            .patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
    }
}
