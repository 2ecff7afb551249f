//! SIGTERM ends the server without breaking a transfer.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Client, Response};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::served::{Served, member};
use crate::tus::{MIB, begin, body, offset, piece, resume, standing};

/// A form with enough for parts in the store, which are there, and then never an end.
async fn endless(served: &Served) -> JoinHandle<reqwest::Result<Response>> {
    let head = "--x\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a\"\r\n\r\n";
    let frames = [head.as_bytes().to_vec(), vec![7; 20 << 20]];
    let frames = stream::iter(frames.map(Ok::<_, std::io::Error>)).chain(stream::pending());
    let upload = Client::new()
        .post(format!("{}/v1/files", served.url))
        .bearer_auth(member())
        .header("content-type", "multipart/form-data; boundary=x")
        .body(Body::wrap_stream(frames));
    let upload = tokio::spawn(upload.send());
    while served.uploads().await == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    upload
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_at_work_is_ended_and_no_new_one_begun() {
    let mut served = Served::start("info").await;
    let http = Client::new();
    let bytes = vec![7; 32 << 20];
    let part = Part::bytes(bytes.clone()).file_name("a.bin");
    let upload = http
        .post(format!("{}/v1/files", served.url))
        .bearer_auth(member());
    let upload = upload
        .multipart(Form::new().part("files", part))
        .send()
        .await
        .unwrap();
    let uploaded: Value = upload.json().await.unwrap();
    let id = uploaded["files"][0]["id"].as_str().unwrap();

    let url = format!("{}/v1/files/{id}", served.url);
    let mut read = http.get(&url).bearer_auth(member()).send().await.unwrap();
    let mut received = read.chunk().await.unwrap().unwrap().len();
    served.process.terminate();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let refused = Client::new().get(&url).bearer_auth(member()).send().await;
    assert!(refused.is_err(), "a new connection was accepted");
    while let Some(frame) = read.chunk().await.unwrap() {
        received += frame.len();
    }
    assert_eq!(received, bytes.len());
    drop((read, http));
    assert!(served.process.ends_well());
    served.take_down().await;
}

/// Whoever sends it requests has to learn that it stops before it is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_not_ready_at_once_and_still_answers_for_a_while() {
    let delay = [("FILEGATEWAY_SERVER_STOP_DELAY_SECONDS", "3")];
    let mut served = Served::start_with("info", &delay).await;
    let get = |path: &str| Client::new().get(format!("{}{path}", served.url)).send();
    let told_to_leave = |answer: &Response| {
        let value = answer.headers().get("connection");
        value.is_some_and(|value| value == "close")
    };
    let ready = get("/readyz").await.unwrap();
    assert_eq!(ready.status(), 200);
    assert!(!told_to_leave(&ready));
    served.process.terminate();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let ready = get("/readyz").await.unwrap();
    assert_eq!(ready.status(), 503);
    assert!(
        told_to_leave(&ready),
        "the next request would meet the connection's end"
    );
    let body: Value = ready.json().await.unwrap();
    assert_eq!(body["status"], "stopping");
    assert_eq!(get("/healthz").await.unwrap().status(), 200);
    assert!(served.process.ends_well());
    assert!(get("/healthz").await.is_err());
    served.take_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_takes_too_long_to_end_is_undone() {
    let limit = [("FILEGATEWAY_SERVER_STOP_SECONDS", "1")];
    let mut served = Served::start_with("info", &limit).await;
    let upload = endless(&served).await;
    assert_eq!(served.rows().await, 1);
    served.process.terminate();
    assert!(served.process.ends_well());
    upload.await.unwrap().unwrap_err();
    assert_eq!(served.rows().await, 0);
    assert_eq!(served.uploads().await, 0);
    served.take_down().await;
}

/// Unlike a form, which is sent again from its beginning.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_an_upload_in_pieces_that_is_cut_off_everything_is_kept() {
    let limit = [("FILEGATEWAY_SERVER_STOP_SECONDS", "1")];
    let mut served = Served::start_with("info", &limit).await;
    let bytes: Bytes = (0..=250).cycle().take(20 * MIB).collect();
    let path = begin(&served.url, bytes.len()).await;
    // A whole part, and less than one after it.
    let (frames, reached) = body(&bytes, 10 * MIB);
    let request = piece(format!("{}{path}", served.url), 0, frames);
    let request = tokio::spawn(request.send());
    reached.await.unwrap();
    let mut known = 0;
    while known < 8 * MIB {
        known = offset(&standing(&format!("{}{path}", served.url)).await);
    }
    served.process.terminate();
    assert!(served.process.ends_well());
    request.await.unwrap().unwrap_err();
    served.start_again().await;
    let url = format!("{}{path}", served.url);
    assert_eq!(offset(&standing(&url).await), 10 * MIB);
    let id = resume(&url, &bytes).await;
    let read = Client::new().get(format!("{}/v1/files/{id}", served.url));
    let read = read.bearer_auth(member()).send().await.unwrap();
    assert!(read.bytes().await.unwrap() == bytes);
    served.process.terminate();
    assert!(served.process.ends_well());
    assert_eq!(served.rows().await, 1);
    assert_eq!(served.keys().await, [format!("acme/{id}/original")]);
    assert_eq!(served.uploads().await, 0);
    served.take_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_at_rest_does_not_hold_up_the_end() {
    let mut served = Served::start("info").await;
    let http = Client::new();
    let health = format!("{}/healthz", served.url);
    assert_eq!(http.get(&health).send().await.unwrap().status(), 200);
    let silent = tokio::net::TcpStream::connect(served.url.strip_prefix("http://").unwrap());
    let silent = silent.await.unwrap();
    let begun = Instant::now();
    served.process.terminate();
    assert!(served.process.ends_well());
    // 20 seconds are for those that have something to say.
    assert!(begun.elapsed() < Duration::from_secs(15));
    drop((http, silent));
    served.take_down().await;
}

/// Who says it twice does not want to wait for a transfer that never ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_twice_it_ends_at_once() {
    let patience = [("FILEGATEWAY_SERVER_STOP_SECONDS", "3600")];
    let mut served = Served::start_with("info", &patience).await;
    let upload = endless(&served).await;
    served.process.terminate();
    // It is still at work, and takes nobody new.
    let health = format!("{}/healthz", served.url);
    while Client::new().get(&health).send().await.is_ok() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!upload.is_finished());
    served.process.terminate();
    assert_eq!(served.process.end(), Some(143));
    upload.await.unwrap().unwrap_err();
    served.take_down().await;
}
