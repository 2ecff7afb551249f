//! Clients that hang up.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use gateway::catalog::{Catalog, Settings};
use gateway::files::NewFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use url::Url;
use uuid::Uuid;

use crate::support::{caller, commit, frames, pattern};
use crate::world::{World, everywhere};

everywhere!(
    a_dropped_upload_leaves_nothing,
    uploads_dropped_anywhere_leave_nothing,
);

async fn a_dropped_upload_leaves_nothing(world: Arc<World>) {
    let uploading = world.clone();
    let task = tokio::spawn(async move {
        let mut batch = uploading.files.begin_upload(&caller("ana"), None).unwrap();
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
            let mut batch = uploading.files.begin_upload(&caller("ana"), None).unwrap();
            batch
                .add(NewFile::default(), frames(pattern(10)))
                .await
                .unwrap();
            batch.add(NewFile::default(), frames(bytes)).await.unwrap();
            commit(batch).await.unwrap();
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

/// Lets every answer of the database come late, so that a client can hang up in between.
async fn late_database(url: &str, delay: Duration) -> String {
    let mut url = Url::parse(url).unwrap();
    let database = (url.host_str().unwrap().to_owned(), url.port().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    url.set_port(Some(port)).unwrap();
    url.set_host(Some("127.0.0.1")).unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(database.clone()).await.unwrap();
            let (mut from_server, mut to_server) = server.into_split();
            let (mut from_client, mut to_client) = client.into_split();
            tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
            tokio::spawn(async move {
                let mut answer = vec![0; 65_536];
                while let Ok(read @ 1..) = from_server.read(&mut answer).await {
                    tokio::time::sleep(delay).await;
                    if to_client.write_all(&answer[..read]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    url.into()
}

/// sqlx 0.9.0 gives a connection back inside an open transaction when a future is dropped while the
/// answer to `BEGIN` is under way.
async fn no_session_is_left_open(world: Arc<World>) {
    let delay = Duration::from_millis(300);
    let catalog = Catalog::connect(Settings {
        url: late_database(&world.database_url, delay).await,
        max_connections: 1,
    });
    let catalog = catalog.await.unwrap();
    let touching = catalog.clone();
    let task = tokio::spawn(async move { touching.touch(vec![Uuid::nil()]).await });
    let begun = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
         AND state = 'idle in transaction' AND query = 'BEGIN'";
    while world.count(begun).await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    tokio::time::sleep(delay * 5).await;
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
         AND state LIKE 'idle in transaction%'";
    assert_eq!(world.count(open).await, 0);
    catalog.close().await;
}
