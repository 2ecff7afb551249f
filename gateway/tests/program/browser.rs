//! What a person sees: the page of `gateway dev`, and films on pages of others, in headless Chromium.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Client;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::process::{Process, program};
use crate::served::{Served, member, variable};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/browser");

/// Runs a script of `tests/browser` and gives what it tells.
fn browse(script: &str, mut task: Value) -> Value {
    task["chromium"] = json!(on_path("chromium"));
    let output = Command::new("node")
        .arg(format!("{SCRIPTS}/{script}"))
        .env("FGW_TEST_BROWSER", variable("FGW_TEST_BROWSER"))
        .env("BROWSER_TASK", task.to_string())
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let told = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(told.lines().last().unwrap()).unwrap()
}

fn on_path(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let mut folders = std::env::split_paths(&path).map(|folder| folder.join(program));
    folders.find(|file| file.is_file()).unwrap()
}

/// Twenty seconds that no browser plays as they are (MPEG-4 part 2).
pub(crate) fn film(folder: &Path) -> PathBuf {
    let path = folder.join("film.mp4");
    let made = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-f", "lavfi", "-i"])
        .args(["testsrc2=size=854x480:rate=25:duration=20", "-f", "lavfi"])
        .args([
            "-i",
            "sine=duration=20",
            "-c:v",
            "mpeg4",
            "-q:v",
            "4",
            "-c:a",
            "aac",
        ])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_uploads_watches_and_deletes_a_film() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program();
    command
        .args(["dev", "--listen", "127.0.0.1:0", "--json", "--data"])
        .arg(folder.path().join("data"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut process = Process::start(&mut command);
    let announced: Value = serde_json::from_str(&process.line()).unwrap();
    let gateway = &announced["gateways"][0];
    let (url, jwt) = (&gateway["url"], &gateway["tokens"]["member"]);
    // Where they can be looked at, if somebody wants to.
    let kept = std::env::var_os("FGW_TEST_PICTURES").map(PathBuf::from);
    let task = json!({
        "url": format!("{}/#{}", url.as_str().unwrap(), jwt.as_str().unwrap()),
        "film": film(folder.path()),
        "pictures": kept.as_deref().unwrap_or(folder.path()),
    });
    let told = browse("page.js", task);
    assert_eq!(told["troubles"], json!([]), "{told}");
    assert_eq!(
        told["statuses"],
        json!(["uploading", "processing", "ready"]),
        "{told}"
    );
    let (begun, sought) = (&told["begun"], &told["sought"]);
    assert!(
        (begun["duration"].as_f64().unwrap() - 20.0).abs() < 0.2,
        "{told}"
    );
    assert!(sought["at"].as_f64().unwrap() > 16.0, "{told}");
    assert!(
        sought["frames"].as_u64().unwrap() > begun["frames"].as_u64().unwrap(),
        "{told}"
    );
    process.terminate();
    assert!(process.ends_well());
}

/// A film on a page of another site whose token ends after four seconds.
async fn renewed(renews: bool) -> Value {
    let variables = [
        ("FILEGATEWAY_WORKER_EMBEDDED", "true"),
        ("FILEGATEWAY_TOKENS_LIFETIME_SECONDS", "4"),
        ("FILEGATEWAY_TOKENS_PLAYBACK_SECONDS", "0"),
        ("FILEGATEWAY_CORS_ORIGINS", "*"),
    ];
    let mut served = Served::start_with("warn", &variables).await;
    let folder = tempfile::tempdir().unwrap();
    let film = std::fs::read(film(folder.path())).unwrap();
    let form = Form::new().part("files", Part::bytes(film).file_name("film.mp4"));
    let (http, url) = (Client::new(), served.url.clone());
    let upload = http.post(format!("{url}/v1/files")).bearer_auth(member());
    let uploaded: Value = upload
        .multipart(form)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let id = uploaded["files"][0]["id"].as_str().unwrap().to_owned();
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let metadata = http.get(format!("{url}/v1/files/{id}/metadata"));
        let metadata = metadata.bearer_auth(member()).send().await.unwrap();
        let metadata: Value = metadata.json().await.unwrap();
        if metadata["status"] == "ready" {
            break;
        }
        assert!(Instant::now() < deadline, "{metadata}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let task = json!({"gateway": url, "id": id, "jwt": member(), "renews": renews});
    let told = tokio::task::spawn_blocking(move || browse("renewal.js", task)).await;
    served.process.terminate();
    assert!(served.process.ends_well());
    served.take_down().await;
    told.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_film_goes_on_with_fresh_tokens() {
    let told = renewed(true).await;
    assert_eq!(
        (&told["refused"], &told["error"]),
        (&Value::Null, &Value::Null),
        "{told}"
    );
    assert_eq!(told["troubles"], json!([]), "{told}");
    assert!(told["at"].as_f64().unwrap() > 16.0, "{told}");
    assert!(told["tokens"].as_u64().unwrap() >= 2, "{told}");
    for kind in ["video", "audio"] {
        let begins = told["begins"][kind].as_f64();
        assert!(begins.is_some_and(|at| at.abs() < 0.03), "{told}");
    }
}

/// What the fresh tokens are for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_fresh_tokens_the_film_breaks_off() {
    let told = renewed(false).await;
    assert_eq!(told["refused"], 401, "{told}");
}
