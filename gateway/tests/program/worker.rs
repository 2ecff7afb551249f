//! `gateway worker` beside `gateway serve`, killed again and again.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Client;
use reqwest::multipart::{Form, Part};
use serde_json::Value;

use crate::process::{Process, program};
use crate::served::{Served, member};

/// How long a worker is believed to be at work without a sign of life, in seconds: the least.
const LEASE: &str = "3";

fn worker(served: &Served, metrics: &str) -> Process {
    let mut command = program();
    command
        .arg("worker")
        .envs(&served.variables)
        .env("FILEGATEWAY_METRICS_LISTEN", metrics)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Process::start(&mut command)
}

/// Some seconds of work.
fn film() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.mp4");
    let made = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-f", "lavfi", "-i"])
        .args([
            "testsrc2=size=1280x720:rate=25:duration=15",
            "-c:v",
            "mpeg4",
        ])
        .args(["-q:v", "6"])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    std::fs::read(path).unwrap()
}

async fn metadata(served: &Served, id: &str) -> Value {
    let ask = Client::new().get(format!("{}/v1/files/{id}/metadata", served.url));
    let answer = ask.bearer_auth(member()).send().await.unwrap();
    answer.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_film_gets_ready_however_often_its_worker_is_killed() {
    let variables = [
        ("FILEGATEWAY_VIDEO_LEASE_SECONDS", LEASE),
        ("FILEGATEWAY_VIDEO_MAX_ATTEMPTS", "20"),
    ];
    let mut served = Served::start_on_postgres("warn", &variables).await;
    let form = Form::new().part("files", Part::bytes(film()).file_name("film.mp4"));
    let upload = Client::new().post(format!("{}/v1/files", served.url));
    let upload = upload.bearer_auth(member()).multipart(form).send().await;
    let uploaded: Value = upload.unwrap().json().await.unwrap();
    let id = uploaded["files"][0]["id"].as_str().unwrap();

    // While it fetches, while it encodes, while it stores.
    for life in [400, 1500, 2500, 4000] {
        let doomed = worker(&served, "Off");
        tokio::time::sleep(Duration::from_millis(life)).await;
        // Dropped, it is killed by SIGKILL.
        drop(doomed);
        let now = metadata(&served, id).await;
        if now["status"] == "ready" {
            break;
        }
        assert_eq!(now["status"], "processing", "{now}");
        assert_eq!(
            now["outputs"],
            serde_json::json!([]),
            "nothing is published by halves"
        );
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let workers = [worker(&served, &address), worker(&served, "Off")];
    let deadline = Instant::now() + Duration::from_secs(120);
    let ready = loop {
        let now = metadata(&served, id).await;
        if now["status"] == "ready" {
            break now;
        }
        assert!(Instant::now() < deadline, "{now}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let offered = ["hls/master.m3u8", "poster", "thumbnails.vtt"];
    assert_eq!(ready["outputs"], serde_json::json!(offered));
    let metrics = reqwest::get(format!("http://{address}/metrics"))
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    for line in [
        "filegateway_jobs{state=\"dead\"} 0",
        "filegateway_videos_at_work 0",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
    for mut worker in workers {
        worker.terminate();
        assert!(worker.ends_well());
    }
    // What the killed ones stored is gone: the original's folder, and that of the attempt that published.
    let folders: BTreeSet<String> = served
        .keys()
        .await
        .into_iter()
        .filter_map(|key| Some(key.strip_prefix(&format!("acme/{id}/"))?.to_owned()))
        .map(|key| key.split('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(folders.len(), 2, "{folders:?}");
    assert!(folders.contains("original"));
    served.process.terminate();
    assert!(served.process.ends_well());
    served.take_down().await;
}
