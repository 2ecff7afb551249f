//! A store that is gone without a word, and one that only takes its time: which of them it is, is
//! noticed by what is acknowledged, so neither waits for the other's limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::multipart::{Form, Part};
use tokio::time::timeout;

use crate::faulty_store::{Call, Fault, FaultyStore};
use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::relay::Relay;
use crate::support::{Answer, sha256};
use crate::uploads::client::{MIB, pattern};
use crate::worlds::{Database, ObjectStore, within};

/// Far more than it takes to notice, and far less than a slow store may take for a call.
const SOON: Duration = Duration::from_secs(60);

/// One PUT, and an upload in three parts.
const SIZES: [usize; 2] = [1000, 17 * MIB];

async fn with<F>(test: impl FnOnce(Arc<Gateway>, Arc<FaultyStore>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let store = Arc::new(FaultyStore::start().await);
    let variables = [("STORE_ENDPOINT", store.endpoint.as_str())];
    let database = Database::Sqlite;
    within(database, ObjectStore::Versitygw, &variables, |gateway| {
        test(gateway, store.clone())
    })
    .await;
}

async fn is_stored(gateway: &Gateway, bytes: &[u8]) {
    let part = Part::bytes(bytes.to_vec()).file_name("a.bin");
    let request = gateway.post("/v1/files").bearer_auth(member("ana"));
    let answer = Answer::to(request.multipart(Form::new().part("files", part))).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    assert_eq!(answer.json()["files"][0]["sha256"], sha256(bytes));
}

/// The same, and not as late as a call may be.
async fn is_soon_stored(gateway: &Gateway, bytes: &[u8]) {
    let begun = Instant::now();
    timeout(SOON, is_stored(gateway, bytes)).await.unwrap();
    println!("{} bytes in {:?}", bytes.len(), begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_over_connections_that_died_at_rest_takes_seconds_more() {
    with(|gateway, store| async move {
        // Some to choose from.
        let warm = pattern(17 * MIB);
        is_stored(&gateway, &warm).await;
        for size in SIZES {
            store.forget_connections();
            is_soon_stored(&gateway, &pattern(size)).await;
        }
        store.forget_connections();
        let bytes = pattern(9 * MIB);
        let path = gateway.begin_upload(bytes.len()).await;
        let piece = gateway.append(&path, 0, &bytes);
        let answer = timeout(SOON, piece).await.unwrap();
        gateway.assert_stored(&answer, &bytes).await;
        gateway.world.assert_files(4).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_whose_store_vanishes_at_work_takes_seconds_more() {
    with(|gateway, store| async move {
        let mut files = 0;
        for (call, size) in [
            (Call::Put, 1000),
            (Call::Create, 17 * MIB),
            (Call::Part, 17 * MIB),
            (Call::Complete, 17 * MIB),
        ] {
            store.spoil(call, 0, 1, Fault::Vanished);
            is_soon_stored(&gateway, &pattern(size)).await;
            assert_eq!(store.heal(), 0, "{call:?} did not vanish");
            files += 1;
        }
        // An upload in parts that was begun and whose id got lost is nobody's.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert!(gateway.files.sweep(Duration::ZERO).await.unwrap().is_some());
        gateway.world.assert_files(files).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_thinks_for_long_is_waited_for() {
    with(|gateway, store| async move {
        // Longer than any silence of its kernel would be borne.
        let late = Fault::Late(Duration::from_secs(25));
        for call in [Call::Put, Call::Part, Call::Complete] {
            store.spoil(call, 0, 1, late.clone());
        }
        let (small, large) = (pattern(1000), pattern(17 * MIB));
        tokio::join!(is_stored(&gateway, &small), is_stored(&gateway, &large));
        assert_eq!(store.heal(), 0);
        // No call was made twice.
        let parts = store.seen(Call::Part);
        let seen = (store.seen(Call::Put), parts, store.seen(Call::Complete));
        assert_eq!(seen, (1, 3, 1));
        gateway.world.assert_files(2).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_reads_slowly_is_waited_for() {
    // Two megabytes take more than half a minute, and the window is shut for most of them.
    let relay = Relay::slow(60 << 10).await;
    let endpoint = relay.url();
    let variables = [("STORE_ENDPOINT", endpoint.as_str())];
    let database = Database::Sqlite;
    within(
        database,
        ObjectStore::Versitygw,
        &variables,
        |gateway| async move {
            is_stored(&gateway, &pattern(2 * MIB)).await;
            gateway.world.assert_files(1).await;
        },
    )
    .await;
}
