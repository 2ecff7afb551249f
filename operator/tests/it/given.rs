//! A database that is there already: the operator passes its Secret on to the pods and does nothing else
//! with it.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{PodTemplateSpec, Secret};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::Api;
use serde_json::json;

use sqlx::Executor;

use crate::backends::{database_exists, execute, get, postgres, put, s3, variable};
use crate::bed::Bed;

async fn template(bed: &Bed) -> PodTemplateSpec {
    let deployments: Api<Deployment> = bed.api();
    deployments
        .get("files")
        .await
        .unwrap()
        .spec
        .unwrap()
        .template
}

#[tokio::test]
async fn a_given_database_is_used_and_never_touched() {
    let bed = Bed::new("given").await;
    // Nothing of the class's server is needed.
    bed.apply_class(json!({"database": null})).await;
    let operator = bed.operator(std::time::Duration::from_secs(600)).await;
    let name = bed.namespace.replace('-', "_");
    execute(format!("CREATE DATABASE {name}")).await;
    let database = json!({"type": "Secret", "secretRef": {"name": "own"}});
    let spec = json!({"database": database, "deletionPolicy": "Delete"});
    bed.create("files", spec).await.unwrap();
    let missing = bed
        .condition("files", "Accepted", "False", "SecretMissing")
        .await;
    assert!(missing.contains("Secret own") && missing.contains("url"));
    bed.apply_secret(
        &bed.namespace,
        "own",
        json!({"url": "mysql://me:hidden@db/x"}),
    )
    .await;
    let wrong = bed
        .condition("files", "Accepted", "False", "SecretInvalid")
        .await;
    assert!(wrong.contains("postgres://") && !wrong.contains("hidden"));

    let server = variable("FGW_TEST_POSTGRES_URL");
    let (_, server) = server.rsplit_once('@').unwrap();
    let server = server.split('/').next().unwrap();
    let url = async |login: &str, server: &str| {
        let url = format!("postgres://{login}@{server}/{name}");
        bed.apply_secret(&bed.namespace, "own", json!({"url": url}))
            .await;
    };
    url("me:first", server).await;
    let inside = bed
        .condition("files", "Accepted", "False", "NotAllowedByClass")
        .await;
    assert!(inside.contains("egress.database") && !inside.contains("first"));
    let loopback = json!({"to": [{"ipBlock": {"cidr": "127.0.0.1/32"}}]});
    let network = json!({"egress": {"database": loopback}});
    bed.apply_class(json!({"database": null, "networkPolicy": network}))
        .await;
    bed.ready("files").await;
    let status = bed.status("files").await.database.unwrap();
    assert_eq!((status.name.as_str(), status.created), ("own", false));
    assert_eq!(status.server.as_deref(), Some(server));
    let first = template(&bed).await;
    let pod = serde_json::to_value(&first).unwrap();
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    let mounted = volumes.iter().find(|volume| volume["name"] == "database");
    assert_eq!(mounted.unwrap()["secret"]["secretName"], "own");
    let secrets: Api<Secret> = bed.api();
    assert!(secrets.get_opt("files-database").await.unwrap().is_none());

    // A new login is the pods' business; another server means that what they hold open has to end.
    url("me:second", server).await;
    operator.quiet().await;
    assert_eq!(template(&bed).await, first);
    url("me:second", "other.example.com").await;
    bed.until("pods are made anew", async || {
        (template(&bed).await != first).then_some(())
    })
    .await;

    bed.delete("files").await;
    bed.gone("files").await;
    let note = bed.event("files", "Deleted").await;
    println!("{note}");
    assert!(database_exists(&name).await);
    assert!(secrets.get_opt("own").await.unwrap().is_some());
    execute(format!("DROP DATABASE {name}")).await;
    operator.stop().await;
}

/// As docs/operator.md says it is done.
#[tokio::test]
async fn what_was_kept_is_taken_up_again() {
    let (bed, operator) = Bed::with_operator("kept").await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    let status = bed.status("files").await;
    let (bucket, database) = (status.bucket.unwrap().name, status.database.unwrap().name);
    let key = bed.secret("files-s3").await;
    let former = s3(&key["access-key-id"], &key["secret-access-key"]);
    put(&former, &bucket, "a").await.unwrap();
    let url = bed.secret("files-database").await["url"].clone();
    let mut session = postgres(&url, None).await.unwrap();
    session.execute("CREATE TABLE kept (id int)").await.unwrap();
    drop(session);
    bed.delete("files").await;
    bed.gone("files").await;
    let note = bed.event("files", "Retained").await;
    assert!(note.contains(&bucket) && note.contains(&database), "{note}");

    execute(format!("ALTER ROLE {database} LOGIN PASSWORD 'anew'")).await;
    let (_, server) = url.rsplit_once('@').unwrap();
    let own = format!("postgres://{database}:anew@{server}");
    bed.apply_secret(&bed.namespace, "own", json!({"url": own}))
        .await;
    // Of another name, since nobody collects here what the first one owned.
    let again = json!({
        "bucket": {"name": bucket, "adopt": true},
        "database": {"type": "Secret", "secretRef": {"name": "own"}},
    });
    bed.create("again", again).await.unwrap();
    bed.ready("again").await;
    // Its server is a private address, and the class's own.
    let policy = bed.api::<NetworkPolicy>().get("again").await.unwrap();
    let egress = serde_json::to_value(policy.spec.unwrap().egress).unwrap();
    let server = json!({"to": [{"ipBlock": {"cidr": "127.0.0.1/32"}}],
        "ports": [{"protocol": "TCP", "port": bed.postgres.address.port()}]});
    assert!(egress.as_array().unwrap().contains(&server), "{egress}");
    let key = bed.secret("again-s3").await;
    let client = s3(&key["access-key-id"], &key["secret-access-key"]);
    assert_eq!(get(&client, &bucket, "a").await.unwrap(), b"hello");
    let mut session = postgres(&own, None).await.unwrap();
    session.execute("SELECT id FROM kept").await.unwrap();
    operator.stop().await;
}
