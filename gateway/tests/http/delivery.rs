//! `delivery: Redirect`.

use crate::issuer::member;
use crate::support::Answer;
use crate::worlds::{Database, ObjectStore, within};

async fn redirects_to_the_store(database: Database, object_store: ObjectStore) {
    within(
        database,
        object_store,
        &[("DELIVERY", "Redirect")],
        |gateway| async move {
            let stored = gateway.store_sample().await;
            let answer = Answer::to(gateway.get(&stored.path()).bearer_auth(member("ana"))).await;
            assert_eq!(answer.status, 307);
            assert_eq!(answer.header("cache-control"), Some("private, no-store"));
            let location = answer.header("location").unwrap();
            assert!(location.starts_with(&gateway.world.endpoint), "{location}");
            let request = reqwest::Client::new()
                .get(location)
                .header("range", "bytes=5-9");
            let direct = Answer::to(request).await;
            assert_eq!(direct.status, 206);
            assert_eq!(direct.body, stored.bytes[5..10]);

            let head = Answer::to(gateway.head(&stored.path()).bearer_auth(member("ana"))).await;
            assert_eq!(head.status, 200);
            assert_eq!(head.header("content-length"), Some("1000"));

            let other = Answer::to(gateway.get(&stored.path()).bearer_auth(member("bo"))).await;
            other.assert_failure(404, "file_not_found");
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_to_versitygw() {
    redirects_to_the_store(Database::Sqlite, ObjectStore::Versitygw).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_to_minio() {
    redirects_to_the_store(Database::Postgres, ObjectStore::Minio).await;
}
