//! Which dependency is in the way.

use std::sync::Arc;
use std::time::Duration;

use gateway::catalog::{Catalog, Settings};
use gateway::files::Files;
use gateway::store::{Keys, Store, StoreSettings};
use gateway::telemetry::Metrics;
use url::Url;

use crate::world::{World, everywhere, settings};

everywhere!(
    everything_answers,
    a_missing_bucket_is_named,
    an_unreachable_store_is_named
);

const MAX_SKEW: Duration = Duration::from_secs(60);

async fn everything_answers(world: Arc<World>) {
    let readiness = world.files.readiness(MAX_SKEW).await;
    assert_eq!((readiness.database, readiness.bucket), (Ok(()), Ok(())));
    assert_eq!(readiness.clock, Ok(()));
}

async fn a_missing_bucket_is_named(world: Arc<World>) {
    if world.object_store == crate::world::ObjectStore::Embedded {
        return;
    }
    let delete = world.s3.delete_bucket().bucket(&world.bucket);
    delete.send().await.unwrap();
    let readiness = world.files.readiness(MAX_SKEW).await;
    let create = world.s3.create_bucket().bucket(&world.bucket);
    create.send().await.unwrap();
    assert_eq!(readiness.database, Ok(()));
    assert_eq!(readiness.bucket, Err("the bucket does not exist".into()));
}

async fn an_unreachable_store_is_named(world: Arc<World>) {
    let nowhere = Store::connect(
        StoreSettings {
            endpoint: Some(Url::parse("http://127.0.0.1:1").unwrap()),
            region: "us-east-1".into(),
            bucket: "bucket".into(),
            path_style: true,
            credentials: Keys::Folder(world.keys.clone()),
        },
        Metrics::new(),
    )
    .unwrap();
    let files = Files::new(world.catalog.clone(), nowhere, settings("acme"));
    let readiness = files.readiness(MAX_SKEW).await;
    let message = "the object store could not be reached to find the bucket";
    assert_eq!(readiness.bucket, Err(message.into()));
    world.catalog.close().await;
    let message = files.readiness(MAX_SKEW).await.database.unwrap_err();
    assert_eq!(message, "the database failed to answer");
}

#[tokio::test]
async fn an_unreachable_database_is_an_error_without_the_password() {
    let settings = Settings {
        url: "postgres://gateway:hunter2@127.0.0.1:1/files".into(),
        max_connections: 1,
    };
    assert!(!format!("{settings:?}").contains("hunter2"));
    let error = Catalog::connect(settings).await.unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"));
    assert_eq!(
        error.summary(),
        "the database cannot be reached: connection refused"
    );
}
