//! The happy paths.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{
    BucketCannedAcl, BucketVersioningStatus, CompletedMultipartUpload, CompletedPart,
    CorsConfiguration, CorsRule, ObjectCannedAcl, Tag, Tagging, VersioningConfiguration,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Service, ServiceAccount};
use kube::ResourceExt;
use serde_json::json;
use sqlx::Executor;

use crate::backends::{
    bucket_exists, database_exists, execute, get, postgres, put, role_exists, s3, tags,
};
use crate::bed::{Bed, SYSTEM};

#[tokio::test]
async fn postgresql_gateway_gets_all_it_needs_and_nothing_of_anothers() {
    let (bed, _operator) = Bed::with_operator("happy").await;
    bed.create("files", json!({})).await.unwrap();
    bed.create("other", json!({})).await.unwrap();
    let files = bed.ready("files").await;
    bed.ready("other").await;
    let status = files.status.clone().unwrap();
    let (bucket, database) = (status.bucket.unwrap(), status.database.unwrap());
    let others = bed.status("other").await;
    let other_bucket = others.bucket.unwrap().name;

    assert!(bucket_exists(&bucket.name).await);
    assert!(bucket.created);
    let owner = format!("filegateway.dev/owner={}", files.uid().unwrap());
    assert!(tags(&bucket.name).await.contains(&owner));

    let key = bed.secret("files-s3").await;
    let client = s3(&key["access-key-id"], &key["secret-access-key"]);
    put(&client, &bucket.name, "a").await.unwrap();
    assert_eq!(get(&client, &bucket.name, "a").await.unwrap(), b"hello");
    let denied = Err("AccessDenied".to_string());
    assert_eq!(put(&client, &other_bucket, "a").await, denied);
    assert_eq!(get(&client, &other_bucket, "a").await.map(|_| ()), denied);
    let untag = client
        .delete_bucket_tagging()
        .bucket(&bucket.name)
        .send()
        .await;
    assert_eq!(
        untag.unwrap_err().code(),
        Some("AccessDenied"),
        "the mark is not the gateway's"
    );
    let drop = client.delete_bucket().bucket(&bucket.name).send().await;
    assert_eq!(drop.unwrap_err().code(), Some("AccessDenied"));

    let url = bed.secret("files-database").await["url"].clone();
    let mut connection = postgres(&url, None).await.unwrap();
    connection.execute("CREATE TABLE t (id int)").await.unwrap();
    let other_database = others.database.unwrap().name;
    assert!(postgres(&url, Some(&other_database)).await.is_err());
    assert_ne!(database.name, other_database);

    let keys = bed.secret("files-signing").await["keys.json"].clone();
    let keys: serde_json::Value = serde_json::from_str(&keys).unwrap();
    assert!(keys["current"]["kid"].is_string() && keys["current"]["secret"].is_string());

    bed.api::<Service>().get("files").await.unwrap();
    bed.api::<ServiceAccount>().get("files").await.unwrap();
    bed.api::<ConfigMap>().get("files-gateway").await.unwrap();
    bed.api::<Deployment>().get("files-worker").await.unwrap();
    assert_eq!(
        status.address.as_deref(),
        Some(&*format!("http://files.{}.svc", bed.namespace))
    );
    assert_eq!((status.replicas, status.ready_replicas), (Some(1), Some(1)));
    assert_eq!(status.observed_generation, files.metadata.generation);

    for reason in ["BucketCreated", "KeyIssued", "DatabaseCreated", "Ready"] {
        bed.event("files", reason).await;
    }
    let seen = serde_json::to_string(&(&files, bed.events("files").await)).unwrap();
    let password = url.split(['@', ':']).nth(2).unwrap();
    for secret in [
        &key["secret-access-key"],
        &keys["current"]["secret"].as_str().unwrap().to_string(),
        &password.to_string(),
    ] {
        assert!(
            !seen.contains(secret.as_str()),
            "a secret is in a status or an event"
        );
    }
}

/// What makes an object public or sets the bucket up is an administrator's, whoever has the key.
#[tokio::test]
async fn a_gateways_key_does_what_gateways_do_and_no_more() {
    let (bed, _operator) = Bed::with_operator("keyrights").await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    let name = bed.status("files").await.bucket.unwrap().name;
    let (bucket, object) = (&name, "a");
    let key = bed.secret("files-s3").await;
    let client = s3(&key["access-key-id"], &key["secret-access-key"]);

    put(&client, bucket, object).await.unwrap();
    assert_eq!(get(&client, bucket, object).await.unwrap(), b"hello");
    let ok = "allowed";
    macro_rules! code {
        ($call:expr) => {
            match $call.bucket(bucket).send().await {
                Ok(_) => ok.to_string(),
                Err(error) => format!("{:?}", error.into_service_error().code()),
            }
        };
    }
    assert_eq!(code!(client.head_bucket()), ok);
    assert_eq!(code!(client.get_bucket_location()), ok);
    assert_eq!(code!(client.list_objects_v2()), ok);
    assert_eq!(code!(client.list_multipart_uploads()), ok);
    assert_eq!(code!(client.head_object().key(object)), ok);
    let begin = async || {
        let call = client.create_multipart_upload().bucket(bucket).key("b");
        call.send().await.unwrap().upload_id.unwrap()
    };
    let upload = begin().await;
    let call = client.upload_part().bucket(bucket).key("b").part_number(1);
    let part = call.upload_id(&upload).body(b"part".to_vec().into());
    let etag = part.send().await.unwrap().e_tag.unwrap();
    let listed = client.list_parts().key("b").upload_id(&upload);
    assert_eq!(code!(listed), ok);
    let part = CompletedPart::builder().part_number(1).e_tag(etag).build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let complete = client.complete_multipart_upload().key("b");
    let complete = complete.upload_id(upload).multipart_upload(parts);
    assert_eq!(code!(complete), ok);
    let upload = begin().await;
    let abort = client.abort_multipart_upload().key("b").upload_id(upload);
    assert_eq!(code!(abort), ok);
    assert_eq!(code!(client.delete_object().key("b")), ok);

    let public = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*",
        "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{bucket}/*")}]});
    let versioning = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Suspended)
        .build();
    let rule = CorsRule::builder()
        .allowed_methods("GET")
        .allowed_origins("*")
        .build()
        .unwrap();
    let cors = CorsConfiguration::builder()
        .cors_rules(rule)
        .build()
        .unwrap();
    let tag = Tag::builder().key("k").value("v").build().unwrap();
    let tags = Tagging::builder().tag_set(tag).build().unwrap();
    let read = || ObjectCannedAcl::PublicRead;
    let calls = [
        ("DeleteBucket", code!(client.delete_bucket())),
        (
            "PutBucketPolicy",
            code!(client.put_bucket_policy().policy(public.to_string())),
        ),
        ("DeleteBucketPolicy", code!(client.delete_bucket_policy())),
        (
            "PutBucketAcl",
            code!(client.put_bucket_acl().acl(BucketCannedAcl::PublicRead)),
        ),
        (
            "PutObjectAcl",
            code!(client.put_object_acl().key(object).acl(read())),
        ),
        (
            "PutBucketTagging",
            code!(client.put_bucket_tagging().tagging(tags)),
        ),
        (
            "PutBucketVersioning",
            code!(
                client
                    .put_bucket_versioning()
                    .versioning_configuration(versioning)
            ),
        ),
        (
            "PutBucketCors",
            code!(client.put_bucket_cors().cors_configuration(cors)),
        ),
    ];
    for (call, answer) in calls {
        assert_eq!(answer, "Some(\"AccessDenied\")", "{call}");
    }
}

#[tokio::test]
async fn sqlite_gateway_has_a_volume_and_one_deployment() {
    let (bed, _operator) = Bed::with_operator("sqlite").await;
    bed.apply_class(json!({"database": null})).await;
    let sqlite = json!({"database": {"type": "SQLite", "sqlite": {"size": "2Gi"}}});
    bed.create("files", sqlite).await.unwrap();
    bed.ready("files").await;
    let claim = bed
        .api::<PersistentVolumeClaim>()
        .get("files-catalog")
        .await
        .unwrap();
    let size = claim.spec.unwrap().resources.unwrap().requests.unwrap()["storage"].clone();
    assert_eq!(size.0, "2Gi");
    assert!(
        claim.metadata.owner_references.is_none(),
        "Retain must be able to keep it"
    );
    let deployments = bed.versions::<Deployment>().await;
    assert_eq!(deployments.keys().collect::<Vec<_>>(), ["Deployment/files"]);
}

#[tokio::test]
async fn the_database_administrator_need_not_be_a_superuser() {
    let bed = Bed::new("plainadmin").await;
    let admin = format!("admin_{}", bed.namespace.replace('-', "_"));
    execute(format!(
        "CREATE ROLE {admin} LOGIN CREATEROLE CREATEDB PASSWORD 'plain'"
    ))
    .await;
    let login = json!({"username": admin, "password": "plain"});
    bed.apply_secret(SYSTEM, &admin.replace('_', "-"), login)
        .await;
    let secret = json!({"name": admin.replace('_', "-")});
    bed.apply_class(json!({"database": {"credentialsSecretRef": secret}}))
        .await;
    let _operator = bed.operator(std::time::Duration::from_secs(600)).await;
    bed.create("files", json!({"deletionPolicy": "Delete"}))
        .await
        .unwrap();
    bed.ready("files").await;
    let url = bed.secret("files-database").await["url"].clone();
    let _session = postgres(&url, None).await.unwrap();
    let rotate = json!({"filegateway.dev/rotate-database-password": "one"});
    bed.patch("files", json!({"metadata": {"annotations": rotate}}))
        .await
        .unwrap();
    let next = bed
        .until("another login", async || {
            let next = bed.secret("files-database").await["url"].clone();
            (next != url).then_some(next)
        })
        .await;
    let _other = postgres(&next, None).await.unwrap();
    let name = bed.status("files").await.database.unwrap().name;
    bed.delete("files").await;
    bed.gone("files").await;
    assert!(!database_exists(&name).await && !role_exists(&name).await);
}
