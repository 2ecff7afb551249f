//! An object store in trouble: what a client is told, and that rows, objects and open uploads in
//! parts agree afterwards.

use std::sync::Arc;
use std::time::Duration;

use reqwest::multipart::{Form, Part};
use reqwest::{Method, StatusCode};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::faulty_store::{Call, Fault, FaultyStore};
use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::support::{Answer, Stored};
use crate::worlds::{Database, ObjectStore, within};

const MIB: usize = 1 << 20;

/// Bytes that differ from part to part.
fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n * 7 % 251) as u8).collect()
}

/// How often the SDK tries a call.
const ATTEMPTS: usize = 3;

async fn with<F>(test: impl FnOnce(Arc<Gateway>, Arc<FaultyStore>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let store = Arc::new(FaultyStore::start().await);
    let endpoint = store.endpoint.clone();
    within(
        Database::Sqlite,
        ObjectStore::Versitygw,
        &[("STORE_ENDPOINT", &endpoint)],
        |gateway| test(gateway, store.clone()),
    )
    .await;
}

async fn send_form(gateway: &Gateway, bytes: &[u8]) -> Answer {
    let part = Part::bytes(bytes.to_vec()).file_name("a.bin");
    let request = gateway.post("/v1/files").bearer_auth(member("ana"));
    Answer::to(request.multipart(Form::new().part("files", part))).await
}

/// Fails unless a form's answer names a file with these bytes.
async fn assert_form_stored(gateway: &Gateway, answer: &Answer, bytes: &[u8]) {
    assert_eq!(answer.status, 200, "{}", text(answer));
    let id = answer.json()["files"][0]["id"].as_str().unwrap().to_owned();
    let read = gateway.get(&format!("/v1/files/{id}"));
    let read = Answer::to(read.bearer_auth(member("ana"))).await;
    assert_eq!(read.status, 200);
    assert!(read.body == bytes, "the file came back differently");
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

#[track_caller]
fn assert_unavailable(answer: &Answer) {
    answer.assert_failure(503, "store_unavailable");
    assert!(answer.header("retry-after").is_some());
}

/// What the janitor settles when its time has come.
async fn sweep(gateway: &Gateway) {
    // The store's times are whole seconds.
    sleep(Duration::from_millis(1100)).await;
    let swept = gateway.files.sweep(Duration::ZERO).await.unwrap();
    assert!(swept.is_some(), "another janitor is at work");
}

/// What may pass: the next try finds the store well again.
fn passing() -> [Fault; 6] {
    [
        Fault::Answer(500, "InternalError"),
        Fault::Answer(503, "SlowDown"),
        Fault::Reset,
        Fault::Lost,
        Fault::DoneBut(500, "InternalError"),
        Fault::DoneBut(503, "SlowDown"),
    ]
}

/// What does not: a store that is down, overwhelmed, or out of reach, whatever it did of the work.
fn lasting() -> [Fault; 4] {
    [
        Fault::Answer(500, "InternalError"),
        Fault::Answer(503, "SlowDown"),
        Fault::Reset,
        Fault::Lost,
    ]
}

/// Each call that an upload of this size makes.
fn calls(size: usize) -> &'static [Call] {
    match size > 8 * MIB {
        true => &[Call::Create, Call::Part, Call::Complete],
        false => &[Call::Put],
    }
}

const SIZES: [usize; 2] = [1000, 17 * MIB];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_does_not_notice_what_passes() {
    with(|gateway, store| async move {
        let mut files = 0;
        for size in SIZES {
            let bytes = pattern(size);
            for call in calls(size) {
                for fault in passing() {
                    store.spoil(*call, 0, 1, fault.clone());
                    let answer = send_form(&gateway, &bytes).await;
                    assert_eq!(store.heal(), 0, "{call:?} {fault:?} did not happen");
                    assert_form_stored(&gateway, &answer, &bytes).await;
                    files += 1;
                }
            }
        }
        // An upload in parts that was begun and whose id got lost is nobody's.
        sweep(&gateway).await;
        gateway.world.assert_files(files).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_in_pieces_does_not_notice_what_passes() {
    with(|gateway, store| async move {
        let bytes = pattern(9 * MIB);
        let mut files = 0;
        // The first piece leaves a tail (Put), which the second one reads again (Get).
        for call in [
            Call::Put,
            Call::Create,
            Call::Part,
            Call::Complete,
            Call::Get,
            Call::Delete,
        ] {
            for fault in passing() {
                store.spoil(call, 0, 1, fault.clone());
                let path = gateway.begin_upload(bytes.len()).await;
                let first = gateway.append(&path, 0, &bytes[..MIB]).await;
                assert_eq!(first.status, 204, "{call:?} {fault:?}: {}", text(&first));
                let last = gateway.append(&path, MIB, &bytes[MIB..]).await;
                assert_eq!(last.status, 204, "{call:?} {fault:?}: {}", text(&last));
                assert_eq!(store.heal(), 0, "{call:?} {fault:?} did not happen");
                gateway.assert_stored(&last, &bytes).await;
                files += 1;
            }
        }
        sweep(&gateway).await;
        gateway.world.assert_files(files).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_the_store_fails_leaves_nothing() {
    with(|gateway, store| async move {
        for size in SIZES {
            let bytes = pattern(size);
            for call in calls(size) {
                for fault in lasting() {
                    store.spoil(*call, 0, 100, fault.clone());
                    let answer = send_form(&gateway, &bytes).await;
                    assert_unavailable(&answer);
                    // Two parts are on their way at once.
                    let most = if *call == Call::Part { 2 } else { 1 };
                    let seen = store.seen(*call);
                    let storm = format!("{call:?} {fault:?}: {seen} tries");
                    assert!((ATTEMPTS..=most * ATTEMPTS).contains(&seen), "{storm}");
                    store.heal();
                    if *call == Call::Create {
                        sweep(&gateway).await;
                    }
                    gateway.world.assert_files(0).await;
                }
            }
            let answer = send_form(&gateway, &bytes).await;
            assert_form_stored(&gateway, &answer, &bytes).await;
            let id = answer.json()["files"][0]["id"].as_str().unwrap().to_owned();
            let delete = gateway.request(Method::DELETE, &format!("/v1/files/{id}"));
            Answer::to(delete.bearer_auth(member("ana"))).await;
        }
        gateway.world.assert_files(0).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_in_pieces_that_the_store_fails_goes_on_later() {
    with(|gateway, store| async move {
        let bytes = pattern(17 * MIB);
        let mut files = 0;
        for call in [
            Call::Put,
            Call::Create,
            Call::Part,
            Call::Complete,
            Call::Get,
        ] {
            for fault in lasting() {
                store.spoil(call, 0, 100, fault.clone());
                let path = gateway.begin_upload(bytes.len()).await;
                let mut answer = gateway.append(&path, 0, &bytes[..MIB]).await;
                if answer.status == 204 {
                    answer = gateway.append(&path, MIB, &bytes[MIB..]).await;
                }
                assert_unavailable(&answer);
                assert!(store.heal() > 0);
                let answer = gateway.resume(&path, &bytes).await;
                assert_eq!(answer.status, 204, "{call:?} {fault:?}: {}", text(&answer));
                gateway.assert_stored(&answer, &bytes).await;
                files += 1;
            }
        }
        sweep(&gateway).await;
        gateway.world.assert_files(files).await;
    })
    .await;
}

/// S3 answers some calls with 200 before it knows the outcome, and then tells it in the body.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_200_that_tells_of_an_error_is_one() {
    with(|gateway, store| async move {
        for size in SIZES {
            let bytes = pattern(size);
            for call in calls(size) {
                store.spoil(*call, 0, 100, Fault::Answer(200, "InternalError"));
                assert_unavailable(&send_form(&gateway, &bytes).await);
                store.heal();
                gateway.world.assert_files(0).await;
            }
        }
        // It did put it together, and says so when it is asked again.
        let bytes = pattern(17 * MIB);
        store.spoil(Call::Complete, 0, 1, Fault::DoneBut(200, "InternalError"));
        let path = gateway.begin_upload(bytes.len()).await;
        gateway.append(&path, 0, &bytes).await;
        assert_eq!(store.heal(), 0);
        let answer = gateway.append(&path, bytes.len(), b"").await;
        assert_eq!(answer.status, 204, "{}", text(&answer));
        gateway.assert_stored(&answer, &bytes).await;
        gateway.world.assert_files(1).await;
    })
    .await;
}

/// As after a lifecycle rule.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_the_store_forgot_is_an_honest_failure() {
    with(|gateway, store| async move {
        let bytes = pattern(17 * MIB);
        for call in [Call::Part, Call::Complete] {
            store.spoil(call, 0, 100, Fault::Answer(404, "NoSuchUpload"));
            assert_unavailable(&send_form(&gateway, &bytes).await);
            gateway.world.assert_files(0).await;
            let path = gateway.begin_upload(bytes.len()).await;
            let answer = gateway.append(&path, 0, &bytes).await;
            answer.assert_failure(410, "upload_expired");
            store.heal();
            gateway.world.expire_uploads().await;
            sweep(&gateway).await;
            gateway.world.assert_files(0).await;
        }
        let path = gateway.begin_upload(bytes.len()).await;
        let answer = gateway.append(&path, 0, &bytes[..10 * MIB]).await;
        assert_eq!(answer.status, 204);
        let world = &gateway.world;
        for (key, id) in world.uploads().await {
            let abort = world.s3.abort_multipart_upload().bucket(&world.name);
            abort.key(key).upload_id(id).send().await.unwrap();
        }
        let answer = gateway.resume(&path, &bytes).await;
        answer.assert_failure(410, "upload_expired");
        world.expire_uploads().await;
        sweep(&gateway).await;
        world.assert_files(0).await;
    })
    .await;
}

/// The parts that are there are not the ones that were sent: no later try makes them so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_with_another_tag_make_no_file() {
    with(|gateway, store| async move {
        let bytes = pattern(17 * MIB);
        store.spoil(Call::Part, 1, 1, Fault::OtherTag);
        assert_unavailable(&send_form(&gateway, &bytes).await);
        assert_eq!(store.heal(), 0);
        gateway.world.assert_files(0).await;

        store.spoil(Call::Part, 1, 1, Fault::OtherTag);
        let path = gateway.begin_upload(bytes.len()).await;
        let answer = gateway.append(&path, 0, &bytes).await;
        answer.assert_failure(410, "upload_expired");
        assert_eq!(store.heal(), 0);
        gateway.world.expire_uploads().await;
        sweep(&gateway).await;
        gateway.world.assert_files(0).await;
    })
    .await;
}

async fn stored(gateway: &Gateway, size: usize) -> Stored {
    let bytes = pattern(size);
    let store = gateway.store("ana", "a.bin", "application/octet-stream", bytes);
    store.await
}

/// A download, read to its end, however that is.
async fn download(
    gateway: &Gateway,
    file: &Stored,
    range: Option<&str>,
) -> (StatusCode, reqwest::Result<Vec<u8>>) {
    let request = gateway.get(&file.path()).bearer_auth(member("ana"));
    let request = match range {
        Some(range) => request.header("range", range),
        None => request,
    };
    let response = request.send().await.unwrap();
    let status = response.status();
    (status, response.bytes().await.map(Vec::from))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_is_whole_or_visibly_broken() {
    with(|gateway, store| async move {
        let file = stored(&gateway, 3 * MIB).await;
        for fault in passing() {
            store.spoil(Call::Get, 0, 1, fault.clone());
            let (status, body) = download(&gateway, &file, None).await;
            assert_eq!((status.as_u16(), store.heal()), (200, 0), "{fault:?}");
            assert!(body.unwrap() == file.bytes, "{fault:?}");
        }
        for range in [None, Some("bytes=1000-2000999")] {
            store.spoil(Call::Get, 0, 1, Fault::Cut);
            let (status, body) = download(&gateway, &file, range).await;
            assert!(status.is_success());
            assert!(body.is_err(), "{range:?}: a broken body has a clean end");
            // These are known before the first byte is sent.
            for fault in [Fault::Shorter, Fault::Answer(200, "InternalError")] {
                store.spoil(Call::Get, 0, 1, fault.clone());
                let (status, _) = download(&gateway, &file, range).await;
                assert_eq!(status, 503, "{range:?} {fault:?}");
            }
        }
        // A row without its object: bytes were lost, and that is no 404.
        for fault in lasting() {
            store.spoil(Call::Get, 0, 100, fault.clone());
            let answer = Answer::to(gateway.get(&file.path()).bearer_auth(member("ana"))).await;
            assert_unavailable(&answer);
            assert_eq!(store.seen(Call::Get), ATTEMPTS, "{fault:?}");
            store.heal();
        }
        store.spoil(Call::Get, 0, 1, Fault::Answer(404, "NoSuchKey"));
        let answer = Answer::to(gateway.get(&file.path()).bearer_auth(member("ana"))).await;
        assert_unavailable(&answer);
        gateway.world.assert_files(1).await;
    })
    .await;
}

/// A tail that does not come whole begins no part.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_in_pieces_takes_up_only_what_came_whole() {
    with(|gateway, store| async move {
        let bytes = pattern(3 * MIB);
        for fault in [Fault::Cut, Fault::Shorter] {
            let path = gateway.begin_upload(bytes.len()).await;
            assert_eq!(gateway.append(&path, 0, &bytes[..MIB]).await.status, 204);
            store.spoil(Call::Get, 0, 1, fault);
            assert_unavailable(&gateway.append(&path, MIB, &bytes[MIB..]).await);
            assert_eq!(store.heal(), 0);
            let answer = gateway.resume(&path, &bytes).await;
            gateway.assert_stored(&answer, &bytes).await;
        }
        gateway.world.assert_files(2).await;
    })
    .await;
}

/// Whatever happens to its objects, a deleted file is gone for everybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_does_not_delete_is_left_to_the_janitor() {
    with(|gateway, store| async move {
        for fault in [
            Fault::Answer(403, "AccessDenied"),
            Fault::Answer(503, "SlowDown"),
            Fault::Reset,
            Fault::Lost,
        ] {
            let file = stored(&gateway, 1000).await;
            store.spoil(Call::Delete, 0, 100, fault);
            let delete = gateway.request(Method::DELETE, &file.path());
            let answer = Answer::to(delete.bearer_auth(member("ana"))).await;
            assert_eq!(answer.status, 200);
            let answer = Answer::to(gateway.get(&file.path()).bearer_auth(member("ana"))).await;
            answer.assert_failure(404, "file_not_found");
            assert_eq!(gateway.world.rows().await, 1);
            // One that is refused stays for the next.
            sweep(&gateway).await;
            assert_eq!(gateway.world.rows().await, 1);
            store.heal();
            sweep(&gateway).await;
            gateway.world.assert_files(0).await;
        }
    })
    .await;
}

/// Undoing asks the store, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_does_not_undo_is_left_to_the_janitor() {
    with(|gateway, store| async move {
        store.spoil(Call::Complete, 0, 100, Fault::Answer(503, "SlowDown"));
        store.spoil(Call::Abort, 0, 100, Fault::Answer(503, "SlowDown"));
        assert_unavailable(&send_form(&gateway, &pattern(17 * MIB)).await);
        store.heal();
        assert_eq!(gateway.world.uploads().await.len(), 1);
        sweep(&gateway).await;
        gateway.world.assert_files(0).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_wrong_is_no_reason_to_ask_again_and_again() {
    with(|gateway, store| async move {
        store.spoil(
            Call::Put,
            0,
            100,
            Fault::Answer(403, "RequestTimeTooSkewed"),
        );
        assert_unavailable(&send_form(&gateway, b"bytes").await);
        assert!(store.seen(Call::Put) <= ATTEMPTS);
        store.heal();
        gateway.world.assert_files(0).await;
    })
    .await;
}

/// A signed request is for one host only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_where_an_answer_points() {
    with(|gateway, store| async move {
        let file = stored(&gateway, 1000).await;
        let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", elsewhere.local_addr().unwrap());
        store.spoil(Call::Put, 0, 100, Fault::Elsewhere(url.clone()));
        assert_unavailable(&send_form(&gateway, b"bytes").await);
        store.spoil(Call::Get, 0, 100, Fault::Elsewhere(url));
        let answer = Answer::to(gateway.get(&file.path()).bearer_auth(member("ana"))).await;
        assert_unavailable(&answer);
        let visited = timeout(Duration::from_millis(200), elsewhere.accept()).await;
        assert!(visited.is_err(), "somebody called");
        store.heal();
        gateway.world.assert_files(1).await;
    })
    .await;
}

/// As behind a firewall that forgot the connections that rested.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_died_in_silence_costs_one_try() {
    with(|gateway, store| async move {
        let file = stored(&gateway, 1000).await;
        store.forget_connections();
        let (status, body) = download(&gateway, &file, None).await;
        assert_eq!(status, 200);
        assert_eq!(body.unwrap(), file.bytes);
        gateway.world.assert_files(1).await;
    })
    .await;
}

/// Changes the secret that the gateway signs with, and waits until it has seen that.
async fn sign_with(gateway: &Gateway, secret: &str) {
    let file = gateway.folder.path().join("s3/secret-access-key");
    std::fs::write(file, secret).unwrap();
    sleep(Duration::from_millis(2100)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_are_withdrawn_in_the_middle() {
    with(|gateway, _store| async move {
        let secret = gateway.folder.path().join("s3/secret-access-key");
        let secret = std::fs::read_to_string(secret).unwrap();
        let bytes = pattern(33 * MIB);
        let path = gateway.begin_upload(bytes.len()).await;
        let piece = gateway.open_piece(&path, 0);
        piece.feed(&bytes[..10 * MIB]).await;
        gateway.reaches(&path, 8 * MIB).await;
        sign_with(&gateway, "withdrawn").await;
        piece.feed(&bytes[10 * MIB..]).await;
        assert_unavailable(&piece.answered().await);
        assert_eq!(gateway.offset(&path).await, 8 * MIB);
        // A form can't even be undone; its row says so.
        assert_unavailable(&send_form(&gateway, &bytes).await);
        assert_eq!(gateway.world.rows().await, 2);

        sign_with(&gateway, &secret).await;
        let answer = gateway.resume(&path, &bytes).await;
        gateway.assert_stored(&answer, &bytes).await;
        sweep(&gateway).await;
        gateway.world.assert_files(1).await;
    })
    .await;
}
