//! An object store in trouble: what a client is told, and that rows, objects and open uploads in
//! parts agree afterwards.

mod connections;
mod downloads;
mod leftovers;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::multipart::{Form, Part};
use tokio::time::sleep;

use crate::faulty_store::{Fault, FaultyStore};
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
