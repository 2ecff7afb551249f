//! Clients that hang up.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use gateway::files::NewFile;
use sqlx::{Connection, PgConnection};

use crate::support::{caller, frames, pattern};
use crate::world::{World, everywhere};

everywhere!(
    a_dropped_upload_leaves_nothing,
    uploads_dropped_anywhere_leave_nothing,
);

async fn a_dropped_upload_leaves_nothing(world: Arc<World>) {
    let uploading = world.clone();
    let task = tokio::spawn(async move {
        let mut batch = uploading.files.begin_upload(&caller("ana"));
        batch
            .add(NewFile::default(), frames(pattern(10)))
            .await
            .unwrap();
        let body = frames(pattern(20 << 20)).chain(stream::pending());
        batch.add(NewFile::default(), body).await.unwrap();
    });
    while world.count("SELECT count(*) FROM files").await < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let locations = world.locations().await;
    let open = async |location: &String| !world.uploads(location).await.is_empty();
    while !open(&locations[0]).await && !open(&locations[1]).await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    world.assert_nothing_is_left(&locations).await;
}

/// Dropped at forty moments of its life: in the insert, in a part, in the completion, in the commit.
/// Either all of an upload is there afterwards, or none.
async fn uploads_dropped_anywhere_leave_nothing(world: Arc<World>) {
    let bytes = pattern((8 << 20) + 5);
    for step in 0..40 {
        let uploading = world.clone();
        let bytes = bytes.clone();
        let task = tokio::spawn(async move {
            let mut batch = uploading.files.begin_upload(&caller("ana"));
            batch
                .add(NewFile::default(), frames(pattern(10)))
                .await
                .unwrap();
            batch.add(NewFile::default(), frames(bytes)).await.unwrap();
            batch.commit().await.unwrap();
        });
        tokio::time::sleep(Duration::from_millis(step * 8)).await;
        task.abort();
        task.await.ok();
    }
    world.files.settle().await;
    let unsettled = "SELECT count(*) FROM files WHERE status <> 'ready'";
    assert_eq!(world.count(unsettled).await, 0);
    let mut rows = world.locations().await;
    let mut objects = world.objects().await;
    rows.sort();
    objects.sort();
    assert_eq!(rows, objects);
    assert_eq!(rows.len() % 2, 0, "half a batch is readable");
    for location in rows {
        assert_eq!(world.uploads(&location).await, []);
    }
}

mod a_dropped_transaction_does_not_poison_the_pool {
    crate::world::on!(no_session_is_left_open, postgres, Postgres, Versitygw);
}

/// sqlx 0.9.0 gives a connection back inside an open transaction when a future is dropped while
/// `BEGIN` is under way.
async fn no_session_is_left_open(world: Arc<World>) {
    for step in 0..300_u64 {
        let catalog = world.catalog.clone();
        let task = tokio::spawn(async move { catalog.touch(vec![uuid::Uuid::nil()]).await });
        tokio::time::sleep(Duration::from_micros(step * 7 % 900)).await;
        task.abort();
        task.await.ok();
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut connection = PgConnection::connect(&world.database_url).await.unwrap();
    let open: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(open, 0);
}
