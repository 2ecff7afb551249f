//! SIGTERM ends the server without breaking a transfer.

use std::time::Duration;

use reqwest::Client;
use reqwest::multipart::{Form, Part};
use serde_json::Value;

use crate::served::{Served, member};

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
