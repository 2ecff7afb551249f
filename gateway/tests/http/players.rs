//! What players do: probe, seek, leave in the middle. Counted at the object store.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::store_proxy::StoreProxy;
use crate::support::{Answer, Stored};
use crate::worlds::{Database, ObjectStore, everywhere, within};

everywhere!(safari_refuses_a_video_unless_its_probes_are_answered_to_the_byte);

const FILM_BYTES: usize = 9 * 1024 * 1024;

impl Gateway {
    /// Something that looks like a film and is longer than any buffer on the way.
    async fn store_film(&self) -> Stored {
        let mut bytes = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41".to_vec();
        bytes.extend((0..FILM_BYTES as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8));
        self.store("ana", "film.mp4", "video/mp4", bytes).await
    }

    /// Begins to read, and leaves as soon as a part of the body has arrived.
    async fn leave_in_the_middle(&self, path: &str) {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut connection = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nRange: bytes=0-\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut frame = vec![0; 16 * 1024];
        let mut arrived = 0;
        while arrived < 64 * 1024 {
            let read = connection.read(&mut frame).await.unwrap();
            assert_ne!(read, 0, "the gateway left first");
            if arrived == 0 {
                let head = String::from_utf8_lossy(&frame[..read.min(2000)]);
                assert!(head.starts_with("HTTP/1.1 206"), "{head}");
            }
            arrived += read;
        }
    }
}

async fn safari_refuses_a_video_unless_its_probes_are_answered_to_the_byte(gateway: Arc<Gateway>) {
    let film = gateway.store_film().await;
    let token = gateway.token("ana", &format!("?file_id={}", film.id)).await;
    let path = format!("/v1/files/stream/{}?token={token}", film.id);
    let size = film.bytes.len();
    let probe = async |start: usize, end: usize| {
        let range = format!("bytes={start}-{end}");
        let answer = Answer::to(gateway.get(&path).header("range", &range)).await;
        assert_eq!(answer.status, 206, "{range}");
        let told = format!("bytes {start}-{end}/{size}");
        assert_eq!(answer.header("content-range"), Some(told.as_str()));
        let length = (end - start + 1).to_string();
        assert_eq!(answer.header("content-length"), Some(length.as_str()));
        assert_eq!(answer.header("content-type"), Some("video/mp4"));
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
        assert_eq!(answer.header("transfer-encoding"), None);
        assert!(answer.body == film.bytes[start..=end], "{range}");
    };
    probe(0, 1).await;
    probe(0, size - 1).await;
    probe(size - 65_536, size - 1).await;
    gateway.leave_in_the_middle(&path).await;
    probe(size / 2, size / 2 + 1_000_000).await;
    probe(size - 1, size - 1).await;
}

/// Runs a test whose gateway reaches its object store through a proxy that counts.
async fn counted<F>(
    database: Database,
    object_store: ObjectStore,
    test: impl FnOnce(Arc<Gateway>, Arc<StoreProxy>) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let proxy = Arc::new(StoreProxy::before(object_store).await);
    let variables = [
        ("STORE_ENDPOINT", proxy.endpoint.as_str()),
        // The one that is open already: a login takes seconds where hashing is not optimized and the
        // machine is busy, and this is not about the database.
        ("DATABASE_MAX_CONNECTIONS", "1"),
    ];
    within(database, object_store, &variables, |gateway| {
        test(gateway, proxy.clone())
    })
    .await;
}

macro_rules! counted_everywhere {
    ($($test:ident),* $(,)?) => { $(
        mod $test {
            use super::{Database, ObjectStore, counted};

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite_versitygw() {
                counted(Database::Sqlite, ObjectStore::Versitygw, super::$test).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres_minio() {
                counted(Database::Postgres, ObjectStore::Minio, super::$test).await;
            }
        }
    )* };
}

counted_everywhere!(
    a_read_pays_for_more_than_one_call_to_the_object_store,
    a_thousand_players_that_leave_lock_the_next_one_out,
);

async fn a_read_pays_for_more_than_one_call_to_the_object_store(
    gateway: Arc<Gateway>,
    proxy: Arc<StoreProxy>,
) {
    let stored = gateway.store_sample().await;
    let token = gateway.token("ana", "").await;
    let stream = format!("/v1/files/stream/{}?token={token}", stored.id);
    let location = format!(
        "/v1/files/stream?location={}&token={token}",
        stored.location
    );
    let etag = format!("\"{}\"", crate::support::sha256(&stored.bytes));
    for (path, status, headers) in [
        (stored.path(), 200, vec![]),
        (stored.path(), 206, vec![("range", "bytes=0-1")]),
        (
            stored.path(),
            206,
            vec![("range", "bytes=-1"), ("if-range", &etag)],
        ),
        (stored.path(), 200, vec![("range", "bytes=0-0,5-6")]),
        (stream.clone(), 200, vec![]),
        (stream.clone(), 206, vec![("range", "bytes=500-")]),
        (location.clone(), 206, vec![("range", "bytes=0-")]),
        (stored.path(), 304, vec![("if-none-match", &etag)]),
        (stored.path(), 412, vec![("if-match", "\"other\"")]),
        (stored.path(), 416, vec![("range", "bytes=1000-")]),
        (stream.clone(), 401, vec![]),
    ] {
        let path = match status {
            401 => path.replace("token=", "token=x"),
            _ => path,
        };
        for head in [false, true] {
            let mut request = match head {
                true => gateway.head(&path),
                false => gateway.get(&path),
            };
            if !path.contains("token=") {
                request = request.bearer_auth(member("ana"));
            }
            for (name, value) in &headers {
                request = request.header(*name, *value);
            }
            proxy.take_requests();
            let answer = Answer::to(request).await;
            assert_eq!(answer.status, status, "{path} {headers:?}");
            let calls = proxy.take_requests();
            let reads = !head && matches!(status, 200 | 206);
            assert_eq!(
                calls.len(),
                usize::from(reads),
                "{status}, {headers:?}: {calls:?}"
            );
            let object = format!("/{}?x-id=GetObject HTTP", stored.location);
            assert!(
                calls
                    .iter()
                    .all(|call| call.starts_with("GET ") && call.contains(&object)),
                "{calls:?}"
            );
        }
    }
}

async fn a_thousand_players_that_leave_lock_the_next_one_out(
    gateway: Arc<Gateway>,
    proxy: Arc<StoreProxy>,
) {
    let film = gateway.store_film().await;
    let token = gateway.token("ana", "").await;
    let path = format!("/v1/files/stream/{}?token={token}", film.id);
    let whole = async || {
        let answer = Answer::to(gateway.get(&path)).await;
        assert_eq!(answer.status, 200);
        assert!(answer.body == film.bytes);
    };
    whole().await;
    let resting = proxy.open();
    proxy.take_requests();
    let leaving = stream::iter(0..1000).map(|_| gateway.leave_in_the_middle(&path));
    leaving.buffer_unordered(16).collect::<Vec<()>>().await;
    assert_eq!(
        proxy.take_requests().len(),
        1000,
        "each of them was reading"
    );
    proxy.assert_open_at_most(resting).await;
    whole().await;
}
