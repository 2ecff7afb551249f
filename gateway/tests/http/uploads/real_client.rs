//! tus-js-client in Node.js, interrupted at random, each time going on at another replica.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::digest::{Context, SHA256};
use futures_util::StreamExt;
use rand::random;
use serde_json::{Value, json};

use super::client::{MIB, pattern};
use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::replica::Replica;
use crate::support::{Answer, hex};
use crate::worlds::{Database, ObjectStore, everywhere, variable, within};

everywhere!(
    every_size_survives_interruptions,
    an_upload_survives_a_killed_gateway,
);

const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/tus/client.js");

/// A client at work.
struct Client {
    child: std::process::Child,
    seed: u32,
    started: Instant,
}

impl Client {
    fn start(endpoints: &[&str], file: &Path, interruptions: u32, chunk_size: Value) -> Self {
        let modules = variable("FGW_TEST_TUS");
        // Said below, so that a failure can be had again.
        let seed = random::<u32>();
        let task = json!({
            "endpoints": endpoints,
            "file": file,
            "token": member("ana"),
            "seed": seed,
            "interruptions": interruptions,
            "chunkSize": chunk_size,
        });
        let child = Command::new("node")
            .arg(CLIENT)
            .env("FGW_TEST_TUS", modules)
            .env("TUS_TASK", task.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        println!("seed {seed}, {interruptions} interruptions, chunks of {chunk_size}");
        Self {
            child,
            seed,
            started: Instant::now(),
        }
    }

    /// Waits for the client's word that the file is stored.
    async fn finish(self) -> Value {
        let Self {
            child,
            seed,
            started,
        } = self;
        let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap());
        let output = output.await.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "seed {seed}: {errors}");
        let outcome: Value = serde_json::from_slice(&output.stdout).unwrap();
        println!("{outcome} after {:.1} s", started.elapsed().as_secs_f64());
        outcome
    }
}

impl Gateway {
    fn file_of(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Fails unless the file that a client was told of has these bytes.
    async fn assert_same(&self, outcome: &Value, file: &Path) {
        let path = format!("/v1/files/{}", outcome["id"].as_str().unwrap());
        let response = self
            .get(&path)
            .bearer_auth(member("ana"))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        let (mut read, mut frames) = (Context::new(&SHA256), response.bytes_stream());
        while let Some(frame) = frames.next().await {
            read.update(&frame.unwrap());
        }
        let read = hex(read.finish().as_ref());
        let mut sent = Context::new(&SHA256);
        let mut source = std::fs::File::open(file).unwrap();
        let mut buffer = vec![0; MIB];
        loop {
            let count = std::io::Read::read(&mut source, &mut buffer).unwrap();
            if count == 0 {
                break;
            }
            sent.update(&buffer[..count]);
        }
        assert_eq!(read, hex(sent.finish().as_ref()));
        assert_eq!(self.world.sha256_of(&path).await, read);
    }
}

async fn every_size_survives_interruptions(gateway: Arc<Gateway>) {
    let (gateway, other) = gateway.with_replica().await;
    let endpoints = [gateway.url.as_str(), other.gateway.url.as_str()];
    let cases = [
        (0, 0, Value::Null),
        (1, 1, Value::Null),
        (5 * MIB - 1, 2, Value::Null),
        (5 * MIB, 2, json!(MIB)),
        (64 * MIB, 5, Value::Null),
        (64 * MIB, 3, json!(7 * MIB)),
    ];
    for (turn, (size, interruptions, chunk_size)) in cases.into_iter().enumerate() {
        let file = gateway.file_of(&turn.to_string(), &pattern(size));
        let client = Client::start(&endpoints, &file, interruptions, chunk_size);
        let outcome = client.finish().await;
        // A short rest may be there before its connection is broken off, the first one is not.
        if size == 64 * MIB {
            assert!(outcome["interrupted"].as_u64() > Some(0), "{outcome}");
        }
        gateway.assert_same(&outcome, &file).await;
    }
    gateway.world.assert_files(6).await;
}

async fn an_upload_survives_a_killed_gateway(gateway: Arc<Gateway>) {
    let (gateway, mut other) = gateway.with_replica().await;
    let file = gateway.file_of("film", &pattern(200 * MIB));
    let endpoints = [other.gateway.url.as_str(), gateway.url.as_str()];
    let client = Client::start(&endpoints, &file, 0, Value::Null);
    // Somewhere in the middle, as soon as there is something to lose.
    let files = gateway.world.wait_for_parts(2).await;
    println!("killed after {files} parts");
    Replica::kill(&mut other);
    let outcome = client.finish().await;
    assert!(
        outcome["turns"].as_u64() > Some(1),
        "it was done before: {outcome}"
    );
    gateway.assert_same(&outcome, &file).await;
    gateway.world.assert_files(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gibibyte_survives_interruptions() {
    within(
        Database::Postgres,
        ObjectStore::Versitygw,
        &[],
        |gateway| async move {
            let (gateway, other) = gateway.with_replica().await;
            let path = gateway.folder.path().join("film");
            let mut file = std::fs::File::create(&path).unwrap();
            let block = pattern(16 * MIB - 7);
            let mut left = 1024 * MIB;
            while left > 0 {
                let count = left.min(block.len());
                std::io::Write::write_all(&mut file, &block[..count]).unwrap();
                left -= count;
            }
            let endpoints = [gateway.url.as_str(), other.gateway.url.as_str()];
            let outcome = Client::start(&endpoints, &path, 6, Value::Null)
                .finish()
                .await;
            assert!(outcome["interrupted"].as_u64() > Some(0), "{outcome}");
            gateway.assert_same(&outcome, &path).await;
            let answer = Answer::to(gateway.tus(
                "ana",
                reqwest::Method::HEAD,
                outcome["path"].as_str().unwrap(),
            ));
            assert_eq!(answer.await.header("upload-offset"), Some("1073741824"));
            gateway.world.assert_files(1).await;
        },
    )
    .await;
}
