//! Callers of one gateway that never rest, while something else changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use testbed::journey::Gateway;
use testbed::journey::client::{Client, Uploaded};
use testbed::journey::samples::Sample;
use tokio::task::JoinHandle;

/// Between two requests of one caller: enough to leave the machine to what is tried.
const PAUSE: Duration = Duration::from_millis(50);

/// Callers at work: one who reads, one who streams with file tokens, one who uploads and deletes.
pub struct Load {
    stop: Arc<AtomicBool>,
    callers: Vec<JoinHandle<Told>>,
}

/// What one caller had done, and what failed.
#[derive(Default)]
struct Told {
    requests: usize,
    failures: Vec<String>,
}

struct Caller {
    client: Client,
    document: Sample,
    kept: Uploaded,
    started: Instant,
    told: Told,
}

impl Load {
    /// Uploads what is read, and sets the callers to work.
    pub async fn on(gateway: &Gateway, document: &Sample) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = || Client::new(&gateway.url, &gateway.tokens.member).unwrap();
        let kept = client().upload(&[document]).await.unwrap().remove(0);
        let caller = || Caller {
            client: client(),
            document: document.clone(),
            kept: kept.clone(),
            started: Instant::now(),
            told: Told::default(),
        };
        let (mut reader, mut viewer, mut writer) = (caller(), caller(), caller());
        let (first, second, third) = (stop.clone(), stop.clone(), stop.clone());
        let callers = vec![
            tokio::spawn(async move {
                while !first.load(Ordering::SeqCst) {
                    reader.read().await;
                }
                reader.told
            }),
            tokio::spawn(async move {
                while !second.load(Ordering::SeqCst) {
                    viewer.stream().await;
                }
                viewer.told
            }),
            tokio::spawn(async move {
                while !third.load(Ordering::SeqCst) {
                    writer.upload().await;
                }
                writer.told
            }),
        ];
        Self { stop, callers }
    }

    /// Lets the callers finish: the number of requests, none of which has failed.
    ///
    /// # Panics
    /// One has failed, or none was made.
    pub async fn end(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        let mut requests = 0;
        let mut failures = Vec::new();
        for caller in self.callers {
            let told = caller.await.unwrap();
            assert!(told.requests > 0, "a caller made no request");
            requests += told.requests;
            failures.extend(told.failures);
        }
        assert!(
            failures.is_empty(),
            "{} of {requests} requests failed:\n{}",
            failures.len(),
            failures.join("\n")
        );
        requests
    }
}

impl Caller {
    async fn read(&mut self) {
        let read = self.client.read_by_id(&self.kept.id).await;
        let outcome = read.map(|read| read.sha256 == self.document.sha256);
        self.count("read", outcome).await;
    }

    /// Each token may be made by one pod and shown to another.
    async fn stream(&mut self) {
        let id = self.kept.id.clone();
        let token = self.client.file_token(Some(&id)).await;
        let token = match token {
            Ok(token) => token,
            Err(error) => return self.count("token", Err(error)).await,
        };
        self.count("token", Ok(true)).await;
        let read = self.client.stream_by_id(&id, &token, None).await;
        let outcome = read.map(|read| read.sha256 == self.document.sha256);
        self.count("stream", outcome).await;
    }

    async fn upload(&mut self) {
        let uploaded = match self.client.upload(&[&self.document]).await {
            Ok(mut uploaded) => uploaded.remove(0),
            Err(error) => return self.count("upload", Err(error)).await,
        };
        self.count("upload", Ok(uploaded.size == self.document.size))
            .await;
        let deleted = self.client.delete(&uploaded.id).await;
        let outcome = deleted.map(|status| status == StatusCode::OK);
        self.count("delete", outcome).await;
    }

    async fn count(&mut self, what: &str, outcome: testbed::Result<bool>) {
        self.told.requests += 1;
        let failure = match outcome {
            Ok(true) => None,
            Ok(false) => Some("another answer".to_owned()),
            Err(error) => Some(causes(&error)),
        };
        if let Some(failure) = failure {
            let at = self.started.elapsed().as_secs_f64();
            let line = format!("{what} at {at:.1} s: {failure}");
            self.told.failures.push(line);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// An error with all that is behind it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
