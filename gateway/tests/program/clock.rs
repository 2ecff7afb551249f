//! A clock that jumps: what the issuer and the gateway signed is judged by the time of day, and how long
//! something may take by a clock that does not jump. Needs libfaketime.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use reqwest::multipart::{Form, Part};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;

use crate::served::{Served, member};

/// Where Debian has the library, on whatever machine.
fn library() -> String {
    let folders = std::fs::read_dir("/usr/lib").unwrap();
    let found = folders
        .filter_map(|folder| Some(folder.ok()?.path().join("faketime/libfaketimeMT.so.1")))
        .find(|library| library.exists());
    let found = found.expect("libfaketime is missing; on Debian: apt-get install faketime");
    found.display().to_string()
}

/// A server whose time of day is told by a file.
struct Jumping {
    served: Served,
    offset: PathBuf,
    http: Client,
    _folder: tempfile::TempDir,
}

impl Jumping {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let offset = folder.path().join("offset");
        std::fs::write(&offset, "+0").unwrap();
        let (library, file) = (library(), offset.display().to_string());
        let variables = [
            ("LD_PRELOAD", library.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", &file),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        Self {
            served: Served::start_with("info", &variables).await,
            offset,
            http: Client::new(),
            _folder: folder,
        }
    }

    /// Sets the time of day so far off.
    fn jump(&self, by: &str) {
        std::fs::write(&self.offset, by).unwrap();
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.served.url))
    }

    async fn upload(&self, bytes: Vec<u8>) -> Response {
        let upload = self.http.post(format!("{}/v1/files", self.served.url));
        let part = Part::bytes(bytes).file_name("a.bin");
        let form = Form::new().part("files", part);
        let upload = upload.bearer_auth(member()).multipart(form);
        upload.send().await.unwrap()
    }

    async fn is_ready(&self, expected: u16) -> Value {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let ready = self.get("/readyz").send().await.unwrap();
            if ready.status() == expected {
                return ready.json().await.unwrap();
            }
            assert!(Instant::now() < deadline, "it stays {}", ready.status());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn code(answer: Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    (
        status,
        answer.json::<Value>().await.unwrap()["code"].clone(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jump_of_the_clock_ends_tokens_and_no_transfer() {
    let jumping = Jumping::start().await;
    let stored: Value = jumping
        .upload(vec![7; 24 << 20])
        .await
        .json()
        .await
        .unwrap();
    let id = stored["files"][0]["id"].as_str().unwrap();
    let token = jumping.get("/v1/files/token").bearer_auth(member());
    let token: Value = token.send().await.unwrap().json().await.unwrap();
    let token = token["token"].as_str().unwrap();
    let stream = format!("/v1/files/stream/{id}?token={token}");
    for (by, behind) in [("+3600", false), ("-3600", true)] {
        let mut at_work = jumping.get(&stream).send().await.unwrap();
        assert_eq!(at_work.status(), 200);
        let mut received = at_work.chunk().await.unwrap().unwrap().len();
        jumping.jump(by);
        let body = jumping.is_ready(503).await;
        let clock = body["clock"].as_str().unwrap();
        assert!(clock.contains("NTP"), "{body}");
        assert_eq!(clock.contains("behind"), behind, "{body}");
        let health = jumping.get("/healthz").send().await.unwrap();
        assert_eq!(health.status(), 200);
        let asked = jumping.get("/v1/files/token").bearer_auth(member());
        let asked = asked.send().await.unwrap();
        let streamed = jumping.get(&stream).send().await.unwrap();
        if behind {
            // The end of both is still to come, by this clock; the store may refuse its signature.
            assert_eq!(asked.status(), 200);
            assert!([200, 503].contains(&streamed.status().as_u16()));
        } else {
            assert_eq!(code(asked).await, (401, "token_expired".into()));
            assert_eq!(code(streamed).await, (401, "token_expired".into()));
        }
        // No limit on time is over because of an hour that was none.
        while let Some(frame) = at_work.chunk().await.unwrap() {
            received += frame.len();
        }
        assert_eq!(received, 24 << 20);
        jumping.jump("+0");
        jumping.is_ready(200).await;
        assert_eq!(jumping.upload(b"bytes".into()).await.status(), 200);
        assert_eq!(jumping.get(&stream).send().await.unwrap().status(), 200);
    }
    jumping.served.take_down().await;
}
