//! `gateway janitor`, beside a running server.

use std::time::Duration;

use reqwest::Client;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use crate::process::program;
use crate::served::{Served, member};

impl Served {
    pub(crate) fn janitor(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = program();
        let command = command.arg("janitor").args(arguments);
        let output = command.envs(self.variables.clone()).output().unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap(),
        )
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_janitor_says_what_it_would_do_before_it_does_it() {
    let served = Served::start("info").await;
    let part = Part::bytes(vec![7; 1000]).file_name("a.bin");
    let upload = Client::new()
        .post(format!("{}/v1/files", served.url))
        .bearer_auth(member());
    let form = Form::new().part("files", part.mime_str("text/plain").unwrap());
    assert_eq!(upload.multipart(form).send().await.unwrap().status(), 200);
    // As if its request had died long ago, with the object stored and the row not finished.
    let mut database = SqliteConnection::connect(&served.database_url)
        .await
        .unwrap();
    sqlx::query("UPDATE files SET status = 'uploading', touched_at = '2020-01-01T00:00:00+00:00'")
        .execute(&mut database)
        .await
        .unwrap();

    let (well, report) = served.janitor(&["--dry-run", "--json"]);
    assert!(well);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["dry_run"], true);
    let found = json!({"found": 1, "settled": 0, "failed": 0, "bytes": 1000});
    assert_eq!(report["swept"]["rows"], found, "{report}");
    assert_eq!(served.rows().await, 1);

    let (well, report) = served.janitor(&[]);
    assert!(well);
    let line = "rows     1 found, 1 settled, 0 failed, 1000 bytes";
    assert!(report.lines().any(|told| told == line), "{report}");
    assert_eq!(served.rows().await, 0);

    // A running upload would look dead to it.
    assert!(!served.janitor(&["--age", "60"]).0);
    tokio::time::sleep(Duration::from_millis(10)).await;
    served.take_down().await;
}
