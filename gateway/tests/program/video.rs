//! `serve` with the worker in its own process, as a SQLite file needs it.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::Client;
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use sqlx::{Connection, SqliteConnection};

use crate::served::{Served, member};

/// A film of a second, made on the spot.
fn film(folder: &Path) -> Vec<u8> {
    let path = folder.join("film.mp4");
    let made = Command::new("ffmpeg")
        .args([
            "-loglevel",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc=size=320x180:duration=1",
        ])
        .args(["-c:v", "libx264", "-pix_fmt", "yuv420p"])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    std::fs::read(path).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uploaded_film_is_worked_on() {
    let folder = tempfile::tempdir().unwrap();
    let film = film(folder.path());
    let embedded = [("FILEGATEWAY_WORKER_EMBEDDED", "true")];
    let mut served = Served::start_with("info", &embedded).await;
    let part = Part::bytes(film).file_name("film.mp4");
    let upload = Client::new()
        .post(format!("{}/v1/files", served.url))
        .bearer_auth(member());
    let upload = upload
        .multipart(Form::new().part("files", part))
        .send()
        .await
        .unwrap();
    let uploaded: Value = upload.json().await.unwrap();
    assert_eq!(uploaded["files"][0]["content_type"], "video/mp4");
    assert_eq!(uploaded["files"][0]["status"], "processing");

    let mut database = SqliteConnection::connect(&served.database_url)
        .await
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let query = sqlx::query_scalar("SELECT status FROM files");
        let status: String = query.fetch_one(&mut database).await.unwrap();
        match status.as_str() {
            "ready" => break,
            "processing" => assert!(Instant::now() < deadline, "the film is never done"),
            other => panic!("the film is {other}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    served.process.terminate();
    assert!(served.process.ends_well());
    served.take_down().await;
}
