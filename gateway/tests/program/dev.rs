//! `gateway dev`: everything in one process.

use std::path::Path;
use std::process::Stdio;

use reqwest::Client;
use reqwest::multipart::{Form, Part};
use serde_json::Value;

use crate::process::{Process, program, run};

fn start(data: &Path) -> (Process, Value) {
    let mut command = program();
    command
        .args(["dev", "--listen", "127.0.0.1:0", "--json", "--data"])
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut process = Process::start(&mut command);
    let announced = serde_json::from_str(&process.line()).unwrap();
    (process, announced)
}

#[tokio::test]
async fn uploads_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (mut first, announced) = start(&data);
    assert!(announced["kubeconfig"].is_null());
    let gateway = &announced["gateways"][0];
    assert_eq!(gateway["organization"], "dev");
    let member = gateway["tokens"]["member"].as_str().unwrap();
    let http = Client::new();
    let part = Part::bytes(b"kept".as_slice()).file_name("a.txt");
    let url = gateway["url"].as_str().unwrap();
    let upload = http
        .post(format!("{url}/v1/files"))
        .bearer_auth(member)
        .multipart(Form::new().part("files", part));
    let uploaded: Value = upload.send().await.unwrap().json().await.unwrap();
    let id = uploaded["files"][0]["id"].as_str().unwrap();
    drop(http);
    first.terminate();
    assert!(first.ends_well());

    let (_second, announced) = start(&data);
    let url = announced["gateways"][0]["url"].as_str().unwrap();
    for (caller, status) in [("member", 200), ("other_member", 404), ("admin", 200)] {
        let token = announced["gateways"][0]["tokens"][caller].as_str().unwrap();
        let read = Client::new()
            .get(format!("{url}/v1/files/{id}"))
            .bearer_auth(token);
        assert_eq!(read.send().await.unwrap().status(), status, "{caller}");
    }
    // The JWTs of the first start are still good: the identity is kept.
    let read = Client::new()
        .get(format!("{url}/v1/files/{id}"))
        .bearer_auth(member);
    assert_eq!(read.send().await.unwrap().text().await.unwrap(), "kept");
}

#[test]
fn a_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (_first, _) = start(folder.path());
    let data = folder.path().to_str().unwrap();
    let second = run(&["dev", "--listen", "127.0.0.1:0", "--data", data], &[]);
    assert_eq!(second.status.code(), Some(1));
    let told = String::from_utf8(second.stderr).unwrap();
    assert!(told.contains("--data"), "{told}");
}
