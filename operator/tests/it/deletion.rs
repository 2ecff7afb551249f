//! What goes and what stays.

use aws_sdk_s3::error::ProvideErrorMetadata;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use kube::api::DeleteParams;
use serde_json::json;
use sqlx::Executor;

use crate::backends::{
    bucket_exists, database_exists, get, postgres, put, role_can_log_in, role_exists, s3, s3_admin,
    user_exists, variable,
};
use crate::bed::{Bed, SYSTEM};

#[tokio::test]
async fn delete_takes_everything_without_class_or_secrets() {
    let (bed, _operator) = Bed::with_operator("delete").await;
    bed.create("files", json!({"deletionPolicy": "Delete"}))
        .await
        .unwrap();
    bed.ready("files").await;
    let status = bed.status("files").await;
    let (bucket, database) = (status.bucket.unwrap(), status.database.unwrap().name);
    let user = bucket.user.unwrap();

    // Objects in two versions, a delete marker, an unfinished upload, an open session.
    let admin = s3_admin();
    let versioned = aws_sdk_s3::types::VersioningConfiguration::builder()
        .status(aws_sdk_s3::types::BucketVersioningStatus::Enabled)
        .build();
    let call = admin.put_bucket_versioning().bucket(&bucket.name);
    call.versioning_configuration(versioned)
        .send()
        .await
        .unwrap();
    for key in ["a", "a", "b/c", "b/d"] {
        put(&admin, &bucket.name, key).await.unwrap();
    }
    // More than one call can list or delete.
    let many: Vec<_> = (0..1005).map(|number| format!("many/{number}")).collect();
    for some in many.chunks(67) {
        let puts = some.iter().map(|key| put(&admin, &bucket.name, key));
        let done = futures_util::future::join_all(puts).await;
        assert!(done.iter().all(Result::is_ok));
    }
    admin
        .delete_object()
        .bucket(&bucket.name)
        .key("a")
        .send()
        .await
        .unwrap();
    let upload = admin
        .create_multipart_upload()
        .bucket(&bucket.name)
        .key("u");
    upload.send().await.unwrap();
    let url = bed.secret("files-database").await["url"].clone();
    let mut session = postgres(&url, None).await.unwrap();

    bed.delete_class().await;
    for name in ["files-s3", "files-database", "files-signing", "identity"] {
        let api = bed.api::<Secret>();
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }
    bed.delete("files").await;
    bed.gone("files").await;
    assert!(!bucket_exists(&bucket.name).await);
    assert!(!user_exists(&user).await);
    assert!(!database_exists(&database).await);
    assert!(!role_exists(&database).await);
    assert!(session.execute("SELECT 1").await.is_err());
    assert!(
        bed.api::<Deployment>()
            .get_opt("files")
            .await
            .unwrap()
            .is_none()
    );
    let note = bed.event("files", "Deleted").await;
    assert!(
        note.contains(&bucket.name) && note.contains(&database),
        "{note}"
    );
}

#[tokio::test]
async fn retain_keeps_bucket_and_database_and_revokes_the_rest() {
    let (bed, _operator) = Bed::with_operator("retain").await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    let status = bed.status("files").await;
    let (bucket, database) = (status.bucket.unwrap(), status.database.unwrap().name);
    let key = bed.secret("files-s3").await;
    let client = s3(&key["access-key-id"], &key["secret-access-key"]);
    put(&client, &bucket.name, "a").await.unwrap();
    let url = bed.secret("files-database").await["url"].clone();

    bed.delete("files").await;
    bed.gone("files").await;
    assert_eq!(get(&s3_admin(), &bucket.name, "a").await.unwrap(), b"hello");
    assert!(database_exists(&database).await);
    assert!(!role_can_log_in(&database).await);
    assert!(postgres(&url, None).await.is_err());
    assert!(!user_exists(&bucket.user.unwrap()).await);
    assert!(get(&client, &bucket.name, "a").await.is_err());
    let note = bed.event("files", "Retained").await;
    assert!(
        note.contains(&bucket.name) && note.contains(&database),
        "{note}"
    );

    // What was kept can be taken over.
    let again = json!({"bucket": {"name": bucket.name, "adopt": true}});
    for name in ["files-s3", "files-database", "files-signing"] {
        let api = bed.api::<Secret>();
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }
    bed.create("again", again).await.unwrap();
    bed.ready("again").await;
    let key = bed.secret("again-s3").await;
    let client = s3(&key["access-key-id"], &key["secret-access-key"]);
    assert_eq!(get(&client, &bucket.name, "a").await.unwrap(), b"hello");
}

#[tokio::test]
async fn what_was_made_goes_from_servers_that_the_class_names_no_more() {
    let (bed, _operator) = Bed::with_operator("moved").await;
    bed.create("files", json!({"deletionPolicy": "Delete"}))
        .await
        .unwrap();
    bed.ready("files").await;
    let status = bed.status("files").await;
    let (bucket, database) = (status.bucket.unwrap(), status.database.unwrap().name);

    let pause = json!({"metadata": {"annotations": {"filegateway.dev/paused": "true"}}});
    bed.patch("files", pause).await.unwrap();
    bed.condition("files", "Paused", "True", "PausedByAnnotation")
        .await;
    let key = json!({
        "access-key-id": variable("FGW_TEST_MINIO_ACCESS_KEY"),
        "secret-access-key": variable("FGW_TEST_MINIO_SECRET_KEY"),
    });
    bed.apply_secret(SYSTEM, "minio-moved", key).await;
    let store = json!({
        "endpoint": variable("FGW_TEST_MINIO_ENDPOINT"),
        "credentialsSecretRef": {"name": "minio-moved"},
    });
    let iam = json!({
        "endpoint": format!("http://{}", bed.iam.address),
        "credentialsSecretRef": {"name": "s3-admin"},
    });
    bed.apply_class(json!({"objectStore": store, "iam": iam, "database": null}))
        .await;
    bed.delete("files").await;
    bed.gone("files").await;
    assert!(!bucket_exists(&bucket.name).await);
    assert!(!user_exists(&bucket.user.unwrap()).await);
    assert!(!database_exists(&database).await);
    assert!(!role_exists(&database).await);
}

#[tokio::test]
async fn a_volume_goes_or_stays_as_the_policy_says() {
    let (bed, _operator) = Bed::with_operator("volume").await;
    let sqlite = json!({"database": {"type": "SQLite"}});
    bed.create("kept", sqlite.clone()).await.unwrap();
    let mut delete = sqlite;
    delete["deletionPolicy"] = "Delete".into();
    bed.create("gone", delete).await.unwrap();
    for name in ["kept", "gone"] {
        bed.ready(name).await;
        bed.delete(name).await;
        bed.gone(name).await;
    }
    let claims = bed.api::<PersistentVolumeClaim>();
    assert!(claims.get_opt("kept-catalog").await.unwrap().is_some());
    // A finalizer of Kubernetes' own holds claims until no pod uses them.
    let claim = claims.get_opt("gone-catalog").await.unwrap();
    assert!(claim.is_none_or(|claim| claim.metadata.deletion_timestamp.is_some()));
    let note = bed.event("kept", "Retained").await;
    assert!(note.contains("kept-catalog"), "{note}");
}

#[tokio::test]
async fn an_unreachable_server_holds_the_deletion_until_it_is_back() {
    let (bed, _operator) = Bed::with_operator("held").await;
    bed.create("files", json!({"deletionPolicy": "Delete"}))
        .await
        .unwrap();
    bed.ready("files").await;
    let status = bed.status("files").await;
    bed.s3.cut();
    bed.delete("files").await;
    let reason = "BackendUnreachable";
    let message = bed
        .condition("files", "DeletionBlocked", "True", reason)
        .await;
    assert!(
        message.contains("filegateway.dev/release-external=true"),
        "{message}"
    );
    bed.condition("files", "Ready", "False", "Terminating")
        .await;
    // The rest did not wait.
    let database = status.database.unwrap().name;
    bed.until("the database is gone", async || {
        (!database_exists(&database).await).then_some(())
    })
    .await;
    bed.s3.mend();
    bed.gone("files").await;
    assert!(!bucket_exists(&status.bucket.unwrap().name).await);
}

#[tokio::test]
async fn an_annotation_forces_the_deletion() {
    let (bed, _operator) = Bed::with_operator("forced").await;
    bed.create("files", json!({"deletionPolicy": "Delete"}))
        .await
        .unwrap();
    bed.ready("files").await;
    let bucket = bed.status("files").await.bucket.unwrap().name;
    bed.s3.cut();
    bed.delete("files").await;
    bed.condition("files", "DeletionBlocked", "True", "BackendUnreachable")
        .await;
    let force = json!({"metadata": {"annotations": {"filegateway.dev/release-external": "true"}}});
    bed.patch("files", force).await.unwrap();
    bed.gone("files").await;
    let note = bed.event("files", "Released").await;
    assert!(note.contains("S3 server"), "{note}");
    bed.s3.mend();
    assert!(bucket_exists(&bucket).await);
}

#[tokio::test]
async fn what_is_gone_already_does_not_hold_the_deletion() {
    let (bed, _operator) = Bed::with_operator("already").await;
    bed.create("files", json!({"deletionPolicy": "Delete"}))
        .await
        .unwrap();
    bed.ready("files").await;
    let status = bed.status("files").await;
    let bucket = status.bucket.unwrap();
    let deleted = s3_admin().delete_bucket().bucket(&bucket.name).send().await;
    deleted
        .map_err(|error| error.code().map(str::to_string))
        .unwrap();
    let database = status.database.unwrap().name;
    crate::backends::execute(format!("DROP DATABASE {database} WITH (FORCE)")).await;
    bed.delete("files").await;
    bed.gone("files").await;
    assert!(!user_exists(&bucket.user.unwrap()).await);
    assert!(!role_exists(&database).await);
}

#[tokio::test]
async fn a_gateway_that_was_never_accepted_just_goes() {
    let bed = Bed::new("never").await;
    let _operator = bed.operator(std::time::Duration::from_secs(600)).await;
    bed.create("files", json!({})).await.unwrap();
    bed.condition("files", "Accepted", "False", "ClassNotFound")
        .await;
    bed.delete("files").await;
    bed.gone("files").await;
}

#[tokio::test]
async fn a_foreign_finalizer_does_not_bring_anything_back() {
    let (bed, _operator) = Bed::with_operator("finalizer").await;
    bed.create("files", json!({"deletionPolicy": "Delete"}))
        .await
        .unwrap();
    bed.ready("files").await;
    let bucket = bed.status("files").await.bucket.unwrap().name;
    let both = json!({"metadata": {"finalizers":
        ["filegateway.dev/finalizer", "example.com/other"]}});
    bed.patch("files", both).await.unwrap();
    bed.delete("files").await;
    bed.until("our finalizer is gone", async || {
        let live = bed.gateways().get("files").await.unwrap();
        let others = ["example.com/other".to_string()];
        (live.metadata.finalizers.as_deref() == Some(&others)).then_some(())
    })
    .await;
    bed.patch(
        "files",
        json!({"metadata": {"annotations": {"look": "again"}}}),
    )
    .await
    .unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(!bucket_exists(&bucket).await);
    assert!(
        bed.api::<Deployment>()
            .get_opt("files")
            .await
            .unwrap()
            .is_none()
    );
    bed.patch("files", json!({"metadata": {"finalizers": null}}))
        .await
        .unwrap();
    bed.gone("files").await;
}
