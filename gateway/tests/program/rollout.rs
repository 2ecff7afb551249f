//! A server whose database a newer version has migrated already: it goes on, and can be started again.

use reqwest::Client;
use reqwest::multipart::{Form, Part};
use serde_json::Value;

use crate::served::{Served, member};

/// What migrations of a newer version do, as far as they are allowed to: they add.
const NEWER: &str = "\
    ALTER TABLE files ADD COLUMN newer_note TEXT; \
    ALTER TABLE files ADD COLUMN newer_count INTEGER NOT NULL DEFAULT 7; \
    ALTER TABLE idempotency_keys ADD COLUMN newer_note TEXT; \
    ALTER TABLE resumable_uploads ADD COLUMN newer_note TEXT; \
    CREATE TABLE newer (file_id INTEGER PRIMARY KEY); \
    CREATE INDEX newer_files ON files (newer_note); \
    INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
    SELECT 9999, 'of a newer gateway', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1;";

/// Everything that a client does with a file: a form that may be repeated, an upload in pieces, tokens,
/// reading and deleting.
async fn a_life_of_a_file(url: &str, key: &str) {
    let http = Client::new();
    let ask = |method: &str, path: &str| {
        let method = method.parse().unwrap();
        let request = http.request(method, format!("{url}{path}"));
        request.bearer_auth(member())
    };
    let mut answers: Vec<Value> = Vec::new();
    for _ in 0..2 {
        let part = Part::bytes(b"bytes".as_slice()).file_name("a.txt");
        let form = Form::new().part("files", part);
        let upload = ask("POST", "/v1/files").header("idempotency-key", key);
        let answer = upload.multipart(form).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answers.push(answer.json().await.unwrap());
    }
    assert_eq!(answers[0], answers[1]);
    let in_pieces = ask("POST", "/v1/uploads")
        .header("tus-resumable", "1.0.0")
        .header("upload-length", 5)
        .header("content-type", "application/offset+octet-stream")
        .body("bytes");
    let in_pieces = in_pieces.send().await.unwrap();
    assert_eq!(in_pieces.status(), 201);
    let in_pieces = in_pieces.headers()["upload-file-id"].to_str().unwrap();
    for id in [answers[0]["files"][0]["id"].as_str().unwrap(), in_pieces] {
        let token = ask("GET", &format!("/v1/files/token?file_id={id}"));
        let token: Value = token.send().await.unwrap().json().await.unwrap();
        let token = token["token"].as_str().unwrap();
        let stream = http.get(format!("{url}/v1/files/stream/{id}?token={token}"));
        assert_eq!(stream.send().await.unwrap().text().await.unwrap(), "bytes");
        let path = format!("/v1/files/{id}");
        for status in [200, 404] {
            let delete = ask("DELETE", &path).send().await.unwrap();
            assert_eq!(delete.status(), status);
        }
    }
}

async fn goes_on(served: Served) {
    a_life_of_a_file(&served.url, "before").await;
    served.execute(NEWER).await;
    // With the statements that it had prepared before.
    a_life_of_a_file(&served.url, "after").await;
    // After its pod was moved, or because the rollout was taken back.
    let again = served.beside().await;
    a_life_of_a_file(&again.url, "again").await;
    let (well, report) = served.janitor(&["--dry-run", "--json"]);
    assert!(well, "{report}");
    drop(again);
    served.take_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_goes_on_and_starts_on_a_newer_schema_on_sqlite() {
    goes_on(Served::start("info").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_goes_on_and_starts_on_a_newer_schema_on_postgres() {
    goes_on(Served::start_on_postgres("info", &[]).await).await;
}
