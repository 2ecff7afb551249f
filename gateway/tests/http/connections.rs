//! What a connection may cost, and that nobody is cut off who does his part.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::raw::{HEALTH, PATIENCE};
use crate::relay::Relay;
use crate::support::sha256;
use crate::worlds::{Database, ObjectStore, Variables, once, within};

once!(
    an_early_refusal_is_read_and_the_body_is_no_request,
    requests_in_one_packet_are_all_answered,
    empty_lines_before_a_request_are_skipped,
);

async fn with<F>(variables: Variables<'_>, test: impl FnOnce(Arc<Gateway>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    within(Database::Sqlite, ObjectStore::Versitygw, variables, test).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_connection_is_closed() {
    with(&[("SERVER_HEADER_SECONDS", "1")], |gateway| async move {
        assert_eq!(gateway.raw().await.rest().await, b"");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_trickle_in_end_with_408() {
    with(&[("SERVER_HEADER_SECONDS", "1")], |gateway| async move {
        let mut slow = gateway.raw().await;
        let trickle = async {
            for byte in HEALTH.bytes().chain(std::iter::repeat(b'a')) {
                sleep(Duration::from_millis(200)).await;
                if slow.0.write_all(&[byte]).await.is_err() || readable(&slow.0).await {
                    return;
                }
            }
        };
        // Sooner than the whole request would have been there, by far.
        timeout(Duration::from_secs(6), trickle).await.unwrap();
        let answer = slow.answer().await;
        assert_eq!(answer.status, 408, "{}", answer.head);
        assert_eq!(answer.json()["code"], "request_too_slow");
        assert!(answer.has("connection: close"), "{}", answer.head);
    })
    .await;
}

async fn readable(socket: &tokio::net::TcpStream) -> bool {
    timeout(Duration::from_millis(1), socket.readable())
        .await
        .is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_may_rest_between_requests_for_a_while() {
    let limits = [("SERVER_HEADER_SECONDS", "1"), ("SERVER_IDLE_SECONDS", "4")];
    with(&limits, |gateway| async move {
        let mut connection = gateway.raw().await;
        for _ in 0..2 {
            connection.send(HEALTH).await;
            assert_eq!(connection.answer().await.status, 200);
            sleep(Duration::from_secs(2)).await;
        }
        assert_eq!(connection.rest().await, b"");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_download_outlives_every_limit_on_resting() {
    let limits = [("SERVER_HEADER_SECONDS", "1"), ("SERVER_IDLE_SECONDS", "1")];
    with(&limits, |gateway| async move {
        let bytes = vec![7; 12 << 20];
        let file = gateway.store("ana", "a.bin", "application/octet-stream", bytes);
        let file = file.await;
        let mut slow = gateway.narrow().await;
        slow.send(get(&file.path())).await;
        let mut received = 0;
        let mut buffer = vec![0; 64 << 10];
        for _ in 0..8 {
            received += slow.0.read(&mut buffer).await.unwrap();
            sleep(Duration::from_millis(500)).await;
        }
        loop {
            match slow.0.read(&mut buffer).await.unwrap() {
                0 => break,
                read => received += read,
            }
        }
        assert!(received > file.bytes.len(), "{received}");
    })
    .await;
}

/// The store's client takes back-pressure for a stall, if it is let.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_of_a_kibibyte_a_second_goes_on() {
    with(&[], |gateway| async move {
        let bytes = vec![7; 24 << 20];
        let file = gateway.store("ana", "a.bin", "application/octet-stream", bytes);
        let file = file.await;
        let mut slow = gateway.narrow().await;
        slow.send(get(&file.path())).await;
        let mut buffer = vec![0; 1024];
        for _ in 0..32 {
            slow.0.read_exact(&mut buffer).await.unwrap();
            sleep(Duration::from_secs(1)).await;
        }
        let mut rest = Vec::new();
        slow.0.read_to_end(&mut rest).await.unwrap();
        assert!(rest.len() + (32 << 10) > file.bytes.len(), "{}", rest.len());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_falls_silent_does_not_hold_a_reader_for_ever() {
    let relay = Relay::silent_after(4 << 20).await;
    let endpoint = relay.url();
    with(&[("STORE_ENDPOINT", &endpoint)], |gateway| async move {
        let bytes = vec![7; 24 << 20];
        let file = gateway.store("ana", "a.bin", "application/octet-stream", bytes);
        let file = file.await;
        let mut reader = gateway.raw().await;
        reader.send(get(&file.path())).await;
        let mut received = Vec::new();
        // Cut short, so that the client sees that something is missing.
        let read = reader.0.read_to_end(&mut received);
        timeout(Duration::from_secs(60), read).await.unwrap().ok();
        assert!(received.len() > 1 << 20, "{}", received.len());
        assert!(received.len() < file.bytes.len(), "{}", received.len());
        // And the gateway goes on.
        let mut other = gateway.raw().await;
        other.send(HEALTH).await;
        assert_eq!(other.answer().await.status, 200);
    })
    .await;
}

fn get(path: &str) -> String {
    let token = member("ana");
    format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    )
}

const BOUNDARY: &str = "boundary";

fn post(length: usize) -> String {
    let token = member("ana");
    format!(
        "POST /v1/files HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {length}\r\n\r\n"
    )
}

fn form(bytes: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.bin\"\r\n\r\n"
    );
    let tail = format!("\r\n--{BOUNDARY}--\r\n");
    [head.as_bytes(), bytes, tail.as_bytes()].concat()
}

/// `Expect: 100-continue` (RFC 9110, 10.1.1): a body is asked for only once it is known to be taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_is_asked_for_only_when_it_will_be_taken() {
    with(
        &[("UPLOADS_MAX_FILE_BYTES", "1000000")],
        |gateway| async move {
            let body = form(b"bytes");
            let expecting =
                |head: String| head.replace("Host: a", "Host: a\r\nExpect: 100-continue");
            let stranger = post(body.len()).replace("Bearer ", "Bearer x");
            for (head, status) in [(stranger, 401), (post(2_000_000_000), 413)] {
                let mut refused = gateway.raw().await;
                refused.send(expecting(head)).await;
                assert_eq!(refused.answer().await.status, status);
            }
            let mut taken = gateway.raw().await;
            taken.send(expecting(post(body.len()))).await;
            let mut interim = [0; 25];
            let read = taken.0.read_exact(&mut interim);
            timeout(PATIENCE, read).await.unwrap().unwrap();
            assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
            taken.send(&body).await;
            assert_eq!(taken.answer().await.status, 200);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_stops_coming_ends_with_408_and_leaves_nothing() {
    with(&[("SERVER_BODY_SECONDS", "1")], |gateway| async move {
        let body = form(&vec![7; 20 << 20]);
        let mut slow = gateway.raw().await;
        slow.send(post(body.len())).await;
        // Enough for parts in the store.
        let (fast, rest) = body.split_at(12 << 20);
        slow.send(fast).await;
        let trickle = async {
            for byte in rest {
                sleep(Duration::from_millis(50)).await;
                if slow.0.write_all(&[*byte]).await.is_err() || readable(&slow.0).await {
                    return;
                }
            }
        };
        timeout(PATIENCE, trickle).await.unwrap();
        let answer = slow.answer().await;
        assert_eq!(answer.status, 408, "{}", answer.head);
        assert_eq!(answer.json()["code"], "request_too_slow");
        assert!(answer.has("connection: close"), "{}", answer.head);
        gateway.world.assert_files(0).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_honest_upload_goes_through() {
    let limits = [
        ("SERVER_HEADER_SECONDS", "1"),
        ("SERVER_IDLE_SECONDS", "1"),
        ("SERVER_BODY_SECONDS", "1"),
    ];
    with(&limits, |gateway| async move {
        let bytes: Vec<u8> = (0..16_000_u32).map(|n| (n * 7 % 251) as u8).collect();
        let body = form(&bytes);
        let mut slow = gateway.raw().await;
        slow.send(post(body.len())).await;
        // Twice the least pace, for far longer than any limit.
        for some in body.chunks(1024) {
            slow.send(some).await;
            sleep(Duration::from_millis(500)).await;
        }
        let answer = slow.answer().await;
        assert_eq!(answer.status, 200, "{}", answer.head);
        assert_eq!(answer.json()["files"][0]["sha256"], sha256(&bytes));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_nothing_holds_no_connection_of_the_store() {
    let relay = Relay::to_versitygw().await;
    let endpoint = relay.url();
    let limits = [
        ("SERVER_STALL_SECONDS", "2"),
        ("STORE_ENDPOINT", endpoint.as_str()),
    ];
    with(&limits, |gateway| async move {
        let bytes = vec![7; 40 << 20];
        let file = gateway.store("ana", "a.bin", "application/octet-stream", bytes);
        let path = file.await.path();
        let mut stuck = gateway.narrow().await;
        stuck.send(get(&path)).await;
        relay.wait_for("a body on its way", |open| open > 0).await;
        // Resting connections of the pool go by themselves after 15 seconds.
        relay.wait_for("the body dropped", |open| open == 0).await;
        let mut rest = Vec::new();
        stuck.0.read_to_end(&mut rest).await.ok();
        assert!(rest.len() < 40 << 20, "{}", rest.len());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_at_rest_do_not_keep_others_out() {
    with(&[("SERVER_MAX_CONNECTIONS", "4")], |gateway| async move {
        let mut resting = Vec::new();
        for n in 0..4 {
            let mut connection = gateway.raw().await;
            match n {
                0 => {}
                1 => connection.send("GET /half").await,
                _ => {
                    connection.send(HEALTH).await;
                    assert_eq!(connection.answer().await.status, 200);
                }
            }
            resting.push(connection);
        }
        sleep(Duration::from_millis(100)).await;
        let mut probe = gateway.raw().await;
        probe.send(HEALTH).await;
        assert_eq!(probe.answer().await.status, 200);
        for mut connection in resting {
            assert_eq!(connection.rest().await, b"");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_gateway_ends_no_answer_at_work() {
    with(&[("SERVER_MAX_CONNECTIONS", "2")], |gateway| async move {
        let bytes = vec![7; 12 << 20];
        let file = gateway.store("ana", "a.bin", "application/octet-stream", bytes);
        let file = file.await;
        let (mut first, mut second) = (gateway.narrow().await, gateway.narrow().await);
        first.send(get(&file.path())).await;
        second.send(get(&file.path())).await;
        let mut waiting = gateway.raw().await;
        waiting.send(HEALTH).await;
        sleep(Duration::from_secs(2)).await;
        for connection in [&mut first, &mut second] {
            assert!(connection.rest().await.len() > file.bytes.len());
        }
        assert_eq!(waiting.answer().await.status, 200);
    })
    .await;
}

async fn an_early_refusal_is_read_and_the_body_is_no_request(gateway: Arc<Gateway>) {
    let body = HEALTH.repeat(100_000);
    let head = format!(
        "POST /v1/files HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut connection = gateway.raw().await;
    connection.send(head).await;
    connection.send(&body).await;
    let answer = connection.answer().await;
    assert_eq!(answer.status, 401, "{}", answer.head);
    assert!(answer.has("connection: close"), "{}", answer.head);
    connection.send(HEALTH).await;
    // Neither reset, nor a second answer.
    assert_eq!(connection.rest().await, b"");
}

async fn requests_in_one_packet_are_all_answered(gateway: Arc<Gateway>) {
    let token = member("ana");
    let chunked = format!(
        "POST /v1/files/location HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
         1\r\n{{\r\n1;x=y\r\n}}\r\n0\r\nX: y\r\n\r\n"
    );
    // Refused before it is read, and small enough to be read over.
    let sized = "POST /v1/files/location HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";
    let mut connection = gateway.raw().await;
    let requests = [HEALTH, &chunked, HEALTH, sized, HEALTH].concat();
    connection.send(&requests).await;
    for expected in [200, 422, 200, 401, 200] {
        assert_eq!(connection.answer().await.status, expected);
    }
    // And byte by byte.
    for byte in requests.bytes() {
        connection.send([byte]).await;
    }
    for expected in [200, 422, 200, 401, 200] {
        assert_eq!(connection.answer().await.status, expected);
    }
}

async fn empty_lines_before_a_request_are_skipped(gateway: Arc<Gateway>) {
    let mut connection = gateway.raw().await;
    connection
        .send(format!("\r\n\r\n{HEALTH}\r\n{HEALTH}"))
        .await;
    for _ in 0..2 {
        assert_eq!(connection.answer().await.status, 200);
    }
}
