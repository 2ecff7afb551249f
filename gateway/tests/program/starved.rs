//! A server that hardly gets any time of the processor: everything is slow, and nothing is lost.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use reqwest::Client;
use reqwest::multipart::{Form, Part};

use crate::process::log;
use crate::served::{Served, member};

/// Lets a process run for a tenth of the time, in pieces as a quota of a container's gives it.
struct Starved {
    over: Arc<AtomicBool>,
    starving: Option<JoinHandle<()>>,
}

impl Starved {
    fn process(id: u32) -> Self {
        let over = Arc::<AtomicBool>::default();
        let is_over = over.clone();
        let signal = move |name: &str| {
            let kill = Command::new("kill").args([name, &id.to_string()]).status();
            assert!(kill.unwrap().success());
        };
        let starving = std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                signal("-STOP");
                sleep(Duration::from_millis(90));
                signal("-CONT");
                sleep(Duration::from_millis(10));
            }
        });
        Self {
            over,
            starving: Some(starving),
        }
    }
}

impl Drop for Starved {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(starving) = self.starving.take() {
            starving.join().ok();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_a_tenth_of_a_processor_is_slow_and_loses_no_lease() {
    let served = Served::start("info").await;
    let starved = Starved::process(served.process.id());
    let http = Client::new();
    let bytes = vec![7; 17 << 20];
    let form = async {
        let part = Part::bytes(bytes.clone()).file_name("a.bin");
        let upload = http
            .post(format!("{}/v1/files", served.url))
            .bearer_auth(member())
            .header("idempotency-key", "one");
        let form = Form::new().part("files", part);
        upload.multipart(form).send().await.unwrap().status()
    };
    let in_pieces = async {
        let upload = http
            .post(format!("{}/v1/uploads", served.url))
            .bearer_auth(member())
            .header("tus-resumable", "1.0.0")
            .header("upload-length", bytes.len())
            .header("content-type", "application/offset+octet-stream");
        upload.body(bytes.clone()).send().await.unwrap().status()
    };
    let health = async {
        let mut statuses = Vec::new();
        for _ in 0..20 {
            let health = http.get(format!("{}/healthz", served.url)).send().await;
            statuses.push(health.unwrap().status());
        }
        statuses
    };
    let (form, in_pieces, health) = tokio::join!(form, in_pieces, health);
    assert_eq!((form.as_u16(), in_pieces.as_u16()), (200, 201));
    assert!(health.iter().all(|status| *status == 200));
    drop(starved);
    let logged = log(&served.log);
    assert_eq!(served.rows().await, 2);
    assert_eq!(served.uploads().await, 0);
    served.take_down().await;
    for lost in [
        "could not be held",
        "left to its lease",
        "\"level\":\"ERROR\"",
    ] {
        assert!(!logged.contains(lost), "{logged}");
    }
}
