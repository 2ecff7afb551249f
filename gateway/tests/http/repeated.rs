//! `Idempotency-Key`: a request that is repeated stores nothing twice.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use reqwest::Body;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::forms::{content_type, file, form};
use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::support::Answer;
use crate::worlds::everywhere;

everywhere!(
    a_repetition_is_answered_as_the_first_was,
    a_key_is_for_the_same_files_only,
    keys_of_two_callers_have_nothing_to_do_with_each_other,
    a_failed_request_may_be_tried_again,
    repeated_at_the_same_time_it_is_stored_once,
    a_client_that_left_may_come_again,
    keys_that_are_no_keys,
    at_another_replica_it_is_refused_meanwhile_and_then_answered_as_the_first_was,
    a_key_of_a_replica_that_died_is_free_when_its_lease_is_over,
    who_was_late_stores_nothing_beside_his_successor,
);

async fn send(gateway: &Gateway, owner: &str, key: &str, body: impl Into<Body>) -> Answer {
    let request = gateway.post("/v1/files").bearer_auth(member(owner));
    let request = request.header("idempotency-key", key);
    Answer::to(request.header("content-type", content_type()).body(body)).await
}

fn two() -> Vec<u8> {
    form(&[
        file("a.txt", "text/plain", b"first"),
        file("b.bin", "application/octet-stream", &vec![7; 9 << 20]),
    ])
}

async fn a_repetition_is_answered_as_the_first_was(gateway: Arc<Gateway>) {
    let first = send(&gateway, "ana", "one", two()).await;
    assert_eq!(first.status, 200);
    assert_eq!(first.header("idempotency-replayed"), None);
    // Also in quotes, as the header's draft has it.
    for key in ["one", "\"one\""] {
        let again = send(&gateway, "ana", key, two()).await;
        assert_eq!(again.status, 200);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(again.json(), first.json());
    }
    gateway.world.assert_files(2).await;
    let other = send(&gateway, "ana", "two", two()).await;
    assert_ne!(other.json(), first.json());
    gateway.world.assert_files(4).await;
}

async fn a_key_is_for_the_same_files_only(gateway: Arc<Gateway>) {
    assert_eq!(send(&gateway, "ana", "one", two()).await.status, 200);
    let reused = [(
        json!(["header", "idempotency-key"]),
        "idempotency_key_reused",
    )];
    for body in [
        form(&[file("a.txt", "text/plain", b"first")]),
        form(&[
            file("a.txt", "text/plain", b"first"),
            file("b.bin", "application/octet-stream", &vec![8; 9 << 20]),
        ]),
        form(&[]),
    ] {
        let answer = send(&gateway, "ana", "one", body).await;
        answer.assert_invalid(&reused);
    }
    gateway.world.assert_files(2).await;
}

async fn keys_of_two_callers_have_nothing_to_do_with_each_other(gateway: Arc<Gateway>) {
    let ana = send(&gateway, "ana", "one", two()).await.json();
    let ben = send(&gateway, "ben", "one", two()).await.json();
    assert_ne!(ana["files"][0]["id"], ben["files"][0]["id"]);
    assert_eq!(ben["files"][0]["owner"], "ben");
    gateway.world.assert_files(4).await;
}

async fn a_failed_request_may_be_tried_again(gateway: Arc<Gateway>) {
    let mut cut = two();
    cut.truncate(cut.len() - 100);
    let answer = send(&gateway, "ana", "one", cut).await;
    answer.assert_invalid(&[(json!(["body"]), "multipart_malformed")]);
    let answer = retried(&gateway, two()).await;
    assert_eq!(answer.header("idempotency-replayed"), None);
    gateway.world.assert_files(2).await;
}

/// Sends until the key is free: it is given back after the failed request was undone.
async fn retried(gateway: &Gateway, body: Vec<u8>) -> Answer {
    for _ in 0..100 {
        let answer = send(gateway, "ana", "one", body.clone()).await;
        if answer.status == 200 {
            return answer;
        }
        answer.assert_failure(409, "idempotency_key_in_use");
        assert!(answer.header("retry-after").is_some());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the key was never given back");
}

async fn repeated_at_the_same_time_it_is_stored_once(gateway: Arc<Gateway>) {
    let send = |_| {
        let gateway = gateway.clone();
        tokio::spawn(async move { send(&gateway, "ana", "one", two()).await })
    };
    let sent: Vec<_> = (0..8).map(send).collect();
    let mut stored = Vec::new();
    for answer in sent {
        let answer = answer.await.unwrap();
        match answer.status.as_u16() {
            200 => stored.push(answer.json()),
            _ => answer.assert_failure(409, "idempotency_key_in_use"),
        }
    }
    assert!(!stored.is_empty());
    assert!(stored.iter().all(|answer| *answer == stored[0]));
    gateway.world.assert_files(2).await;
}

async fn a_client_that_left_may_come_again(gateway: Arc<Gateway>) {
    let start = two()[..5 << 20].to_vec();
    let chunks = stream::iter([Ok(start), Err(std::io::Error::other("the client leaves"))]);
    let request = gateway
        .post("/v1/files")
        .bearer_auth(member("ana"))
        .header("idempotency-key", "one")
        .header("content-type", content_type())
        .body(Body::wrap_stream(chunks));
    assert!(request.send().await.is_err());
    retried(&gateway, two()).await;
    gateway.world.assert_files(2).await;
}

async fn keys_that_are_no_keys(gateway: Arc<Gateway>) {
    for key in ["", "\"", "a\"b", "\\", &"k".repeat(256)] {
        let answer = send(&gateway, "ana", key, form(&[])).await;
        answer.assert_invalid(&[(
            json!(["header", "idempotency-key"]),
            "string_pattern_mismatch",
        )]);
    }
    gateway.world.assert_files(0).await;
}

/// A form of Ana's under the key `one`, of which a part is sent and the rest is waited for.
struct Underway {
    rest: Vec<u8>,
    frames: mpsc::Sender<Vec<u8>>,
    answer: JoinHandle<Option<Answer>>,
}

impl Underway {
    /// Begins it, and waits until the key is its own.
    async fn at(gateway: &Gateway) -> Self {
        let mut form = two();
        let rest = form.split_off(5 << 20);
        let (frames, body) = mpsc::channel::<Vec<u8>>(2);
        let body = stream::unfold(body, |mut body| async {
            let frame = body.recv().await?;
            Some((Ok::<_, std::io::Error>(frame), body))
        });
        let request = gateway
            .post("/v1/files")
            .bearer_auth(member("ana"))
            .header("idempotency-key", "one")
            .header("content-type", content_type())
            .body(Body::wrap_stream(body));
        let answer = tokio::spawn(async move {
            let response = request.send().await.ok()?;
            Some(Answer {
                status: response.status(),
                headers: response.headers().clone(),
                body: response.bytes().await.ok()?.into(),
            })
        });
        frames.send(form).await.unwrap();
        gateway.world.wait_for_key().await;
        Self {
            rest,
            frames,
            answer,
        }
    }

    /// Sends the rest, and waits for the answer.
    async fn finish(self) -> Answer {
        self.frames.send(self.rest).await.unwrap();
        drop(self.frames);
        self.answer.await.unwrap().unwrap()
    }
}

async fn at_another_replica_it_is_refused_meanwhile_and_then_answered_as_the_first_was(
    gateway: Arc<Gateway>,
) {
    let (gateway, other) = gateway.with_replica().await;
    let underway = Underway::at(&gateway).await;
    for _ in 0..3 {
        let meanwhile = send(&other.gateway, "ana", "one", two()).await;
        meanwhile.assert_failure(409, "idempotency_key_in_use");
        assert_eq!(meanwhile.header("retry-after"), Some("5"));
    }
    // Nobody else is kept from using the same word.
    let ben = send(&other.gateway, "ben", "one", two()).await;
    assert_eq!(ben.status, 200);
    let first = underway.finish().await;
    assert_eq!(first.status, 200);
    let again = send(&other.gateway, "ana", "one", two()).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.json(), first.json());
    gateway.world.assert_files(4).await;
}

async fn a_key_of_a_replica_that_died_is_free_when_its_lease_is_over(gateway: Arc<Gateway>) {
    let (gateway, mut other) = gateway.with_replica().await;
    let underway = Underway::at(&other.gateway).await;
    other.kill();
    let too_soon = send(&gateway, "ana", "one", two()).await;
    too_soon.assert_failure(409, "idempotency_key_in_use");
    gateway.world.expire_keys().await;
    let answer = send(&gateway, "ana", "one", two()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("idempotency-replayed"), None);
    let again = send(&gateway, "ana", "one", two()).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.json(), answer.json());
    // What the dead one had begun is the janitor's.
    underway.answer.abort();
    // The store's times are whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(gateway.files.sweep(Duration::ZERO).await.unwrap().is_some());
    gateway.world.assert_files(2).await;
}

async fn who_was_late_stores_nothing_beside_his_successor(gateway: Arc<Gateway>) {
    let (gateway, other) = gateway.with_replica().await;
    // As after a pause that was longer than its lease.
    let late = Underway::at(&gateway).await;
    gateway.world.expire_keys().await;
    let answer = send(&other.gateway, "ana", "one", two()).await;
    assert_eq!(answer.status, 200);
    let late = late.finish().await;
    late.assert_failure(503, "catalog_unavailable");
    assert!(late.header("retry-after").is_some());
    gateway.world.assert_files(2).await;
    let again = send(&gateway, "ana", "one", two()).await;
    assert_eq!(again.json(), answer.json());
}
