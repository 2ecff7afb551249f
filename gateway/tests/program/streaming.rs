//! Large files pass through in bounded memory, and nothing secret gets into the logs.

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use futures_util::stream;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Client};
use serde_json::Value;

use crate::process::log;
use crate::served::{Served, member};

const MEBIBYTE: u64 = 1024 * 1024;

/// The size of the large file.
const LARGE: u64 = 256 * MEBIBYTE;

/// What the server may take for it, on top of what it took before: three parts of 8 MiB that are in
/// memory at once, as much again for what the allocator keeps, and the buffers of the connections.
const ALLOWED: u64 = 64 * MEBIBYTE;

fn hex(digest: Context) -> String {
    let digest = digest.finish();
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_passes_in_bounded_memory() {
    let served = Served::start("info").await;
    let http = Client::new();
    let (before, _) = served.process.memory();

    let block: Bytes = (0..MEBIBYTE).map(|n| (n * 31 % 251) as u8).collect();
    let mut sent = Context::new(&SHA256);
    for _ in 0..LARGE / MEBIBYTE {
        sent.update(&block);
    }
    let blocks = (0..LARGE / MEBIBYTE).map(move |_| Ok::<_, std::io::Error>(block.clone()));
    let body = Body::wrap_stream(stream::iter(blocks));
    let part = Part::stream_with_length(body, LARGE).file_name("large.bin");
    let upload = http
        .post(format!("{}/v1/files", served.url))
        .bearer_auth(member());
    let upload = upload
        .multipart(Form::new().part("files", part))
        .send()
        .await
        .unwrap();
    assert_eq!(upload.status(), 200);
    let uploaded: Value = upload.json().await.unwrap();
    let file = &uploaded["files"][0];
    let sent = hex(sent);
    assert_eq!(file["size"], LARGE);
    assert_eq!(file["sha256"], sent);
    let (_, after_upload) = served.process.memory();

    let id = file["id"].as_str().unwrap();
    let read = http
        .get(format!("{}/v1/files/{id}", served.url))
        .bearer_auth(member());
    let mut read = read.send().await.unwrap();
    let mut received = Context::new(&SHA256);
    while let Some(frame) = read.chunk().await.unwrap() {
        received.update(&frame);
    }
    assert_eq!(hex(received), sent);
    let (_, after_download) = served.process.memory();

    println!(
        "resident: {} MiB before, at most {} MiB while uploading and {} MiB by the end of the download",
        before / MEBIBYTE,
        after_upload / MEBIBYTE,
        after_download / MEBIBYTE
    );
    served.take_down().await;
    assert!(after_download - before <= ALLOWED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_gets_into_the_log() {
    let served = Served::start("trace").await;
    let (http, jwt) = (Client::new(), member());
    let part = Part::bytes(b"bytes".as_slice()).file_name("a.txt");
    let upload = http
        .post(format!("{}/v1/files", served.url))
        .bearer_auth(&jwt);
    let upload = upload
        .multipart(Form::new().part("files", part))
        .send()
        .await
        .unwrap();
    let uploaded: Value = upload.json().await.unwrap();
    let id = uploaded["files"][0]["id"].as_str().unwrap();
    let location = uploaded["files"][0]["location"].as_str().unwrap();
    let token = http
        .get(format!("{}/v1/files/token", served.url))
        .bearer_auth(&jwt);
    let token: Value = token.send().await.unwrap().json().await.unwrap();
    let token = token["token"].as_str().unwrap();
    let path = format!("{}/v1/files/stream/{id}?token={token}", served.url);
    let played = http.get(&path).send().await.unwrap();
    let cookie = played.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    http.get(&path)
        .header("cookie", &cookie)
        .send()
        .await
        .unwrap();
    for url in [
        format!(
            "{}/v1/files/stream?location={location}&token={token}",
            served.url
        ),
        format!("{}/v1/files/stream/{id}?token={token}x", served.url),
        format!("{}/v1/nothing?token={token}", served.url),
    ] {
        http.get(url).send().await.unwrap();
    }
    let logged = log(&served.log);
    served.take_down().await;
    assert!(logged.contains(id), "the log has no requests in it");
    for secret in served
        .secrets
        .iter()
        .map(String::as_str)
        .chain([jwt.as_str(), token, &cookie])
    {
        // The signature alone would be enough to find, and a log may cut a line.
        let tail = &secret[secret.len() - 12..];
        let line = logged.lines().find(|line| line.contains(tail));
        assert!(
            line.is_none(),
            "a secret is logged: {}",
            line.unwrap_or_default()
        );
    }
}
