//! Answers that come while the client is still sending: they get to it (RFC 9112, 9.6).

use std::sync::Arc;

use crate::forms::{content_type, file};
use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::raw::{HEALTH, Raw};
use crate::worlds::{Database, ObjectStore, Variables, within};

/// More than any buffer between the two takes.
const LENGTH: usize = 24 << 20;

async fn with<F>(variables: Variables<'_>, test: impl FnOnce(Arc<Gateway>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    within(Database::Sqlite, ObjectStore::Versitygw, variables, test).await;
}

fn head(subject: &str) -> String {
    format!(
        "POST /v1/files HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\
         Content-Type: {}\r\nContent-Length: {LENGTH}\r\n\r\n",
        member(subject),
        content_type()
    )
}

fn body() -> Vec<u8> {
    file("a.bin", "application/octet-stream", &vec![7; LENGTH])[..LENGTH].to_vec()
}

async fn assert_refused(connection: &mut Raw, status: u16, code: &str) {
    let answer = connection.answer().await;
    assert_eq!(answer.status, status, "{}", answer.head);
    assert_eq!(answer.json()["code"], code);
    assert!(answer.has("connection: close"), "{}", answer.head);
    let mut lines = answer.head.lines();
    assert!(lines.any(|line| line.to_lowercase().starts_with("retry-after: ")));
}

/// Whoever reads before he has sent all, and whoever reads only then: both are told.
async fn is_told(gateway: &Gateway, subject: &str, status: u16, code: &str) {
    let body = body();
    let mut attentive = gateway.raw().await;
    attentive.send(head(subject)).await;
    attentive.send(&body[..1 << 20]).await;
    assert_refused(&mut attentive, status, code).await;
    // What it still sends is read over, and no request whatever it looks like.
    attentive.send(HEALTH.repeat(1000)).await;
    assert_eq!(attentive.rest().await, b"");

    let mut stubborn = gateway.raw().await;
    stubborn.send(head(subject)).await;
    stubborn.send(&body).await;
    assert_refused(&mut stubborn, status, code).await;
    assert_eq!(stubborn.rest().await, b"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_429_gets_to_a_client_that_is_still_sending() {
    with(&[("REQUESTS_PER_MINUTE", "1")], |gateway| async move {
        gateway.token("ana", "").await;
        is_told(&gateway, "ana", 429, "too_many_requests").await;
        gateway.world.assert_files(0).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_503_gets_to_a_client_that_is_still_sending() {
    with(&[("UPLOADS_IN_FLIGHT", "1")], |gateway| async move {
        let mut holder = gateway.raw().await;
        holder.send(head("ana")).await;
        holder.send(&body()[..1 << 20]).await;
        gateway.assert_soon("uploads", 1.0).await;
        is_told(&gateway, "ben", 503, "too_many_uploads").await;
        drop(holder);
        gateway.world.assert_files(0).await;
    })
    .await;
}
