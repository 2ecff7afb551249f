//! schemathesis makes requests of all kinds from the program's own OpenAPI document, and holds the
//! answers against it.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::served::{Served, member, variable};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/schemathesis");
const DOCUMENT: &str = include_str!("../../openapi.json");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_is_as_the_document_says() {
    let embedded = [("FILEGATEWAY_WORKER_EMBEDDED", "true")];
    let served = Served::start_on_postgres("warn", &embedded).await;
    let reports = tempfile::tempdir().unwrap();
    let har = reports.path().join("requests.har");
    let mut command = Command::new(variable("FGW_TEST_SCHEMATHESIS"));
    command
        .args(["-m", "schemathesis.cli", "--no-color", "--config-file"])
        .arg(format!("{FOLDER}/schemathesis.toml"))
        .arg("run")
        .arg(format!("{}/openapi.json", served.url))
        .arg("--report-har-path")
        .arg(&har)
        .current_dir(reports.path())
        .env("SCHEMATHESIS_HOOKS", format!("{FOLDER}/hooks.py"))
        .env("GATEWAY", &served.url)
        .env("JWT", member())
        .env("NO_PROXY", "127.0.0.1");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    println!("{told}");
    let log = crate::process::log(&served.log);
    served.take_down().await;
    assert!(
        output.status.success(),
        "{errors}\nthe gateway's log:\n{log}"
    );

    let har: Value = serde_json::from_str(&std::fs::read_to_string(&har).unwrap()).unwrap();
    let operations = operations();
    let mut answers: BTreeMap<&str, BTreeMap<u64, usize>> = BTreeMap::new();
    for entry in har["log"]["entries"].as_array().unwrap() {
        if let Some(operation) = operation_of(&operations, &entry["request"]) {
            let status = entry["response"]["status"].as_u64().unwrap();
            *answers
                .entry(operation)
                .or_default()
                .entry(status)
                .or_default() += 1;
        }
    }
    for (operation, statuses) in &answers {
        println!("{operation}: {statuses:?}");
    }
    for operation in &operations {
        let statuses = answers.get(operation.as_str());
        let succeeded =
            statuses.is_some_and(|statuses| statuses.keys().any(|status| status / 100 == 2));
        assert!(succeeded, "{operation} never answered with success");
    }
}

/// Every operation of the document, as `GET /v1/files/{file_id}`.
fn operations() -> Vec<String> {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, operations)| {
        let methods = operations.as_object().unwrap().keys();
        methods.map(move |method| format!("{} {path}", method.to_ascii_uppercase()))
    });
    operations.collect()
}

/// The operation that a recorded request was for: one without a placeholder before one with.
fn operation_of<'a>(operations: &'a [String], request: &Value) -> Option<&'a str> {
    let method = request["method"].as_str().unwrap();
    let url = request["url"].as_str().unwrap();
    let path = url.split(['?', '#']).next().unwrap();
    let steps: Vec<&str> = path.split('/').skip(3).collect();
    let mut found: Vec<&str> = operations
        .iter()
        .filter_map(|operation| operation.strip_prefix(method).map(|path| (operation, path)))
        .filter(|(_, path)| {
            let pattern: Vec<&str> = path.trim_start_matches(" /").split('/').collect();
            let fits =
                |(pattern, step): (&&str, &&str)| pattern.starts_with('{') || pattern == step;
            pattern.len() == steps.len() && pattern.iter().zip(&steps).all(fits)
        })
        .map(|(operation, _)| operation.as_str())
        .collect();
    found.sort_by_key(|operation| operation.contains('{'));
    found.first().copied()
}
