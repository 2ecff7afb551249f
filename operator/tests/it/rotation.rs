//! Keys are replaced by schedule and by annotation, without a pod that is restarted and without a
//! moment in which what pods have is refused.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_iam::types::StatusType;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{PodTemplateSpec, Secret};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use sqlx::Connection;

use crate::backends::{execute, iam_admin, postgres, postgres_admin, put, role_exists, s3};
use crate::bed::Bed;

const SIGNING: &str = "filegateway.dev/rotate-signing-key";
const PASSWORD: &str = "filegateway.dev/rotate-database-password";
const ACCESS: &str = "filegateway.dev/rotate-access-key";

async fn annotate(bed: &Bed, annotation: &str, value: &str) {
    let patch = json!({"metadata": {"annotations": {annotation: value}}});
    bed.patch("files", patch).await.unwrap();
}

/// Moves a time that the operator keeps with a Secret into the past.
async fn backdate(bed: &Bed, secret: &str, annotation: &str, days: i64) {
    let past = Timestamp::now() - SignedDuration::from_hours(24 * days);
    let patch = json!({"metadata": {"annotations": {annotation: past.to_string()}}});
    bed.api::<Secret>()
        .patch(secret, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
}

/// Key ids of `current` and `previous`.
async fn kids(bed: &Bed) -> (String, Option<String>) {
    let keys: Value =
        serde_json::from_str(&bed.secret("files-signing").await["keys.json"]).unwrap();
    let kid = |key: &str| keys[key]["kid"].as_str().map(str::to_string);
    (kid("current").unwrap(), kid("previous"))
}

async fn pods(bed: &Bed) -> PodTemplateSpec {
    let found = bed.api::<Deployment>().get("files").await.unwrap();
    found.spec.unwrap().template
}

/// Says how many of the gateway's pods are ready.
async fn pods_ready(bed: &Bed, ready: i32) {
    let status = json!({"status": {"readyReplicas": ready, "availableReplicas": ready}});
    bed.api::<Deployment>()
        .patch_status("files", &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
}

async fn access_keys(bed: &Bed) -> BTreeMap<String, StatusType> {
    let user = bed.status("files").await.bucket.unwrap().user.unwrap();
    let found = iam_admin().list_access_keys().user_name(user).send().await;
    found
        .unwrap()
        .access_key_metadata()
        .iter()
        .map(|key| {
            let id = key.access_key_id().unwrap().to_string();
            (id, key.status().unwrap().clone())
        })
        .collect()
}

#[tokio::test]
async fn a_signing_key_is_accepted_before_it_signs_and_as_long_as_its_tokens_live() {
    let (bed, operator) = Bed::with_operator("signing").await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    let (first, none) = kids(&bed).await;
    assert_eq!(none, None);
    let template = pods(&bed).await;

    // A pod that is not ready has perhaps not seen the Secret.
    pods_ready(&bed, 0).await;
    annotate(&bed, SIGNING, "one").await;
    let next = bed
        .until("the next key is there", async || kids(&bed).await.1)
        .await;
    assert_eq!(kids(&bed).await.0, first, "it does not sign yet");
    let waiting = bed.condition("files", "SigningKeyReady", "True", "RotationInProgress");
    assert!(waiting.await.contains("pods are ready"));
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(kids(&bed).await, (first.clone(), Some(next.clone())));

    pods_ready(&bed, 1).await;
    bed.until("it signs, and the former is accepted", async || {
        (kids(&bed).await == (next.clone(), Some(first.clone()))).then_some(())
    })
    .await;
    let note = bed.event("files", "KeyRotated").await;
    assert!(note.contains("accepted until"), "{note}");
    let status = bed.status("files").await.rotations.unwrap().signing_key;
    assert_eq!(status.unwrap().request.as_deref(), Some("one"));
    operator.quiet().await;
    assert_eq!(kids(&bed).await.1, Some(first), "its tokens still live");

    backdate(&bed, "files-signing", "filegateway.dev/rotation-since", 1).await;
    bed.until("the former is gone", async || {
        (kids(&bed).await == (next.clone(), None)).then_some(())
    })
    .await;
    bed.event("files", "KeyRevoked").await;
    bed.condition("files", "SigningKeyReady", "True", "Current")
        .await;
    operator.quiet().await;
    assert_eq!(pods(&bed).await, template, "no pod is restarted");
    let writes = operator.writes();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(operator.writes(), writes, "an answered request is over");
}

#[tokio::test]
async fn keys_are_rotated_when_they_are_old_enough_and_the_class_says_when() {
    let (bed, operator) = Bed::with_operator("schedule").await;
    bed.apply_class(json!({"rotation": {"accessKeyDays": 0}}))
        .await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    operator.quiet().await;
    let (first, _) = kids(&bed).await;
    let access = access_keys(&bed).await;
    let due = bed.status("files").await.rotations.unwrap();
    let issued = due.signing_key.clone().unwrap().issued_at.0;
    let due_at = due.signing_key.unwrap().due_at.unwrap().0;
    assert_eq!(
        due_at.duration_since(issued),
        SignedDuration::from_hours(24 * 30)
    );
    assert_eq!(due.access_key.unwrap().due_at, None, "0 is never");

    backdate(&bed, "files-signing", "filegateway.dev/issued-at", 29).await;
    backdate(&bed, "files-s3", "filegateway.dev/issued-at", 4000).await;
    operator.quiet().await;
    assert_eq!(kids(&bed).await, (first.clone(), None));
    backdate(&bed, "files-signing", "filegateway.dev/issued-at", 30).await;
    bed.until("another key signs", async || {
        (kids(&bed).await.0 != first).then_some(())
    })
    .await;
    assert_eq!(access_keys(&bed).await, access);
}

#[tokio::test]
async fn an_access_key_works_until_every_pod_has_the_next() {
    let (bed, operator) = Bed::with_operator("access").await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    let bucket = bed.status("files").await.bucket.unwrap().name;
    let template = pods(&bed).await;
    let key = async || {
        let secret = bed.secret("files-s3").await;
        (
            secret["access-key-id"].clone(),
            s3(&secret["access-key-id"], &secret["secret-access-key"]),
        )
    };
    let (old_id, old) = key().await;

    pods_ready(&bed, 0).await;
    annotate(&bed, ACCESS, "one").await;
    let (new_id, new) = bed
        .until("another key", async || {
            let (id, client) = key().await;
            (id != old_id).then_some((id, client))
        })
        .await;
    bed.event("files", "KeyRotated").await;
    bed.condition("files", "CredentialsReady", "True", "RotationInProgress")
        .await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    put(&new, &bucket, "new").await.unwrap();
    put(&old, &bucket, "old").await.unwrap();

    pods_ready(&bed, 1).await;
    bed.until("the former is inactive", async || {
        let status = access_keys(&bed).await.get(&old_id).cloned();
        (status? == StatusType::Inactive).then_some(())
    })
    .await;
    bed.until("and useless", async || put(&old, &bucket, "a").await.err())
        .await;
    put(&new, &bucket, "new").await.unwrap();
    bed.until("the former is deleted", async || {
        let left = access_keys(&bed).await;
        (left == BTreeMap::from([(new_id.clone(), StatusType::Active)])).then_some(())
    })
    .await;
    bed.event("files", "KeyRevoked").await;
    bed.condition("files", "CredentialsReady", "True", "Issued")
        .await;
    put(&new, &bucket, "new").await.unwrap();
    operator.quiet().await;
    assert_eq!(key().await.0, new_id, "one request, one rotation");
    assert_eq!(pods(&bed).await, template, "no pod is restarted");
}

#[tokio::test]
async fn an_issuers_secret_that_is_replaced_restarts_no_pod() {
    let (bed, operator) = Bed::with_operator("sharedsecret").await;
    let secret = async |letter: &str| {
        let value = json!({"hmac": letter.repeat(32)});
        bed.apply_secret(&bed.namespace, "jwt", value).await;
    };
    secret("x").await;
    let auth = json!({"auth": {"secretRef": {"name": "jwt", "key": "hmac"}}});
    bed.create("files", auth).await.unwrap();
    bed.ready("files").await;
    let template = pods(&bed).await;
    secret("y").await;
    // The pass that answers this has read the Secret.
    let annotation = json!({"filegateway.dev/rotate-signing-key": "after"});
    let request = json!({"metadata": {"annotations": annotation}});
    bed.patch("files", request).await.unwrap();
    bed.until("the pass is over", async || {
        let rotations = bed.status("files").await.rotations?;
        let answered = rotations.signing_key?.request?;
        (answered == "after").then_some(())
    })
    .await;
    operator.quiet().await;
    assert_eq!(pods(&bed).await, template);
}

#[tokio::test]
async fn a_database_login_works_until_its_last_session_ends_and_the_next_owns_the_same() {
    let (bed, operator) = Bed::with_operator("password").await;
    bed.create("files", json!({"deletionPolicy": "Delete"}))
        .await
        .unwrap();
    bed.ready("files").await;
    let name = bed.status("files").await.database.unwrap().name;
    let template = pods(&bed).await;
    let url = async || bed.secret("files-database").await["url"].clone();
    let mut former = url().await;
    for round in ["one", "two"] {
        let mut session = postgres(&former, None).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE TABLE of_{round} ()")))
            .execute(&mut session)
            .await
            .unwrap();
        annotate(&bed, PASSWORD, round).await;
        let next = bed
            .until("another login", async || {
                let next = url().await;
                (next != former).then_some(next)
            })
            .await;
        let reason = "RotationInProgress";
        bed.condition("files", "DatabaseReady", "True", reason)
            .await;
        tokio::time::sleep(Duration::from_secs(8)).await;
        // Whoever has not seen the Secret yet still gets in.
        postgres(&former, None)
            .await
            .unwrap()
            .close()
            .await
            .unwrap();
        let mut new = postgres(&next, None).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
            "ALTER TABLE of_{round} ADD COLUMN seen int; CREATE TABLE by_{round} ()"
        )))
        .execute(&mut new)
        .await
        .unwrap();
        let owners: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT tableowner::text FROM pg_tables WHERE schemaname = 'public'",
        )
        .fetch_all(&mut new)
        .await
        .unwrap();
        assert!(owners.iter().all(|owner| *owner == name), "{owners:?}");
        session.close().await.unwrap();
        bed.until("the former is locked", async || {
            postgres(&former, None).await.err()
        })
        .await;
        bed.condition("files", "DatabaseReady", "True", "Created")
            .await;
        former = next;
    }
    bed.event("files", "KeyRotated").await;
    bed.event("files", "KeyRevoked").await;
    operator.quiet().await;
    assert_eq!(pods(&bed).await, template, "no pod is restarted");

    let second = name.replacen("fgw_", "fgw2_", 1);
    assert!(role_exists(&second).await);

    // As a crash leaves it that comes between the lock of a login and the end of its sessions.
    execute(format!("ALTER ROLE {second} LOGIN PASSWORD 'known'")).await;
    let url = former.replacen(&name, &second, 1);
    let (start, end) = url.split_once('@').unwrap();
    let start = start.rsplit_once(':').unwrap().0;
    let mut session = postgres(&format!("{start}:known@{end}"), None)
        .await
        .unwrap();
    execute(format!("ALTER ROLE {second} NOLOGIN")).await;
    annotate(&bed, "look", "again").await;
    bed.until("the session has ended", async || {
        let mut probe = postgres_admin().await;
        let left: i64 =
            sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE usename = $1")
                .bind(&second)
                .fetch_one(&mut probe)
                .await
                .unwrap();
        (left == 0).then_some(())
    })
    .await;
    assert!(session.ping().await.is_err());

    bed.delete("files").await;
    bed.gone("files").await;
    assert!(!role_exists(&name).await && !role_exists(&second).await);
}

#[tokio::test]
async fn a_rotation_that_crashes_anywhere_comes_to_its_end() {
    let bed = Bed::new("crash").await;
    bed.apply_class(json!({})).await;
    bed.create("files", json!({})).await.unwrap();
    let start = async || {
        let start = bed.start().await;
        bed.operator_as(crate::bed::Start {
            lease_duration: Duration::from_secs(3),
            secret_delay: Duration::from_secs(1),
            ..start
        })
    };
    let mut operator = start().await;
    bed.ready("files").await;
    let user = bed.status("files").await.bucket.unwrap().user.unwrap();
    // As a crash leaves it that comes between the new key and the Secret.
    operator.kill().await;
    iam_admin()
        .create_access_key()
        .user_name(&user)
        .send()
        .await
        .unwrap();
    let former = bed.secret("files-s3").await["access-key-id"].clone();
    annotate(&bed, ACCESS, "one").await;
    annotate(&bed, SIGNING, "one").await;
    annotate(&bed, PASSWORD, "one").await;
    let former_url = bed.secret("files-database").await["url"].clone();
    for round in 0..6 {
        let mut operator = start().await;
        bed.until("it works", async || operator.worked()).await;
        tokio::time::sleep(Duration::from_millis(150 + 170 * round)).await;
        operator.kill().await;
    }
    let _operator = start().await;
    bed.until("there is one key, another than before", async || {
        let keys = access_keys(&bed).await;
        let current = bed.secret("files-s3").await["access-key-id"].clone();
        let only = BTreeMap::from([(current.clone(), StatusType::Active)]);
        (keys == only && current != former).then_some(())
    })
    .await;
    let secret = bed.secret("files-s3").await;
    let client = s3(&secret["access-key-id"], &secret["secret-access-key"]);
    let bucket = bed.status("files").await.bucket.unwrap().name;
    put(&client, &bucket, "a").await.unwrap();
    bed.condition("files", "CredentialsReady", "True", "Issued")
        .await;
    bed.condition("files", "DatabaseReady", "True", "Created")
        .await;
    bed.condition("files", "SigningKeyReady", "True", "RotationInProgress")
        .await;
    let url = bed.secret("files-database").await["url"].clone();
    assert_ne!(url, former_url);
    postgres(&url, None).await.unwrap();
    assert!(postgres(&former_url, None).await.is_err());
}
