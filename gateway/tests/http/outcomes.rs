//! Many files, an honest answer for each (`?atomic=false`, `outcomes`).

use std::sync::Arc;

use serde_json::{Value, json};

use crate::forms::{content_type, file, form};
use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::support::Answer;
use crate::worlds::{Database, ObjectStore, within};

const LIMITS: [(&str, &str); 2] = [
    ("UPLOADS_MAX_FILE_BYTES", "1000"),
    ("UPLOADS_DENIED_TYPES", "text/html"),
];

/// Both pairs of servers, with [`LIMITS`].
macro_rules! limited {
    ($($test:ident),* $(,)?) => { $(
        mod $test {
            use super::{Database, LIMITS, ObjectStore, within};

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite_versitygw() {
                within(Database::Sqlite, ObjectStore::Versitygw, &LIMITS, super::$test).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres_minio() {
                within(Database::Postgres, ObjectStore::Minio, &LIMITS, super::$test).await;
            }
        }
    )* };
}

limited!(
    the_good_ones_are_kept_and_each_has_its_outcome,
    all_or_nothing_says_which_one_it_was,
    nothing_good_is_a_failure,
    a_form_that_breaks_off_keeps_what_was_whole,
    every_stored_file_has_an_outcome,
);

fn good(name: &str) -> Vec<u8> {
    file(name, "text/plain", name.as_bytes())
}

fn large() -> Vec<u8> {
    file("large", "text/plain", &vec![b'x'; 200_000])
}

fn page() -> Vec<u8> {
    file("page", "text/html", b"<!doctype html><p>hello")
}

async fn send(gateway: &Gateway, query: &str, body: Vec<u8>) -> Answer {
    let request = gateway.post(&format!("/v1/files{query}"));
    let request = request.bearer_auth(member("ana"));
    Answer::to(request.header("content-type", content_type()).body(body)).await
}

/// Index and code of each outcome; an id counts as `stored`.
fn outcomes(body: &Value) -> Vec<(u64, String)> {
    let outcomes = body["outcomes"].as_array().unwrap();
    let word = |outcome: &Value| match outcome["code"].as_str() {
        Some(code) => {
            assert!(outcome["detail"].is_string(), "{outcome}");
            assert!(outcome.get("id").is_none(), "{outcome}");
            code.to_owned()
        }
        None => {
            assert!(outcome["id"].is_string(), "{outcome}");
            "stored".to_owned()
        }
    };
    outcomes
        .iter()
        .map(|outcome| (outcome["index"].as_u64().unwrap(), word(outcome)))
        .collect()
}

fn expected(codes: &[&str]) -> Vec<(u64, String)> {
    (0..).zip(codes.iter().map(ToString::to_string)).collect()
}

async fn the_good_ones_are_kept_and_each_has_its_outcome(gateway: Arc<Gateway>) {
    let body = form(&[large(), good("first"), page(), good("second"), large()]);
    let answer = send(&gateway, "?atomic=false", body).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let body = answer.json();
    assert_eq!(
        outcomes(&body),
        expected(&[
            "file_too_large",
            "stored",
            "type_not_allowed",
            "stored",
            "file_too_large"
        ])
    );
    let files = body["files"].as_array().unwrap();
    let named: Vec<_> = files
        .iter()
        .map(|file| (&file["index"], &file["name"]))
        .collect();
    assert_eq!(
        named,
        [(&json!(1), &json!("first")), (&json!(3), &json!("second"))]
    );
    assert_eq!(body["outcomes"][1]["id"], files[0]["id"]);
    gateway.world.assert_files(2).await;
}

async fn all_or_nothing_says_which_one_it_was(gateway: Arc<Gateway>) {
    for query in ["", "?atomic=true"] {
        let answer = send(&gateway, query, form(&[good("a"), page(), good("b")])).await;
        answer.assert_failure(415, "type_not_allowed");
        let body = answer.json();
        assert_eq!(
            outcomes(&body),
            expected(&["not_stored", "type_not_allowed"])
        );
        let limit = json!({"name": "uploads.deniedTypes", "value": "text/html"});
        assert_eq!(body["limit"], limit);
    }
    let answer = send(&gateway, "?atomic=maybe", form(&[good("a")])).await;
    answer.assert_invalid(&[(json!(["query", "atomic"]), "bool_parsing")]);
    gateway.world.assert_files(0).await;
}

async fn nothing_good_is_a_failure(gateway: Arc<Gateway>) {
    let answer = send(&gateway, "?atomic=false", form(&[page(), large()])).await;
    answer.assert_failure(413, "file_too_large");
    assert_eq!(
        outcomes(&answer.json()),
        expected(&["type_not_allowed", "file_too_large"])
    );
    let answer = send(&gateway, "?atomic=false", form(&[])).await;
    answer.assert_invalid(&[(json!(["body", "files"]), "missing")]);
    gateway.world.assert_files(0).await;
}

async fn a_form_that_breaks_off_keeps_what_was_whole(gateway: Arc<Gateway>) {
    let mut body = [
        good("a"),
        good("b"),
        file("cut", "text/plain", &[b'c'; 900]),
    ]
    .concat();
    body.truncate(body.len() - 500);
    let answer = send(&gateway, "?atomic=false", body).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    assert_eq!(
        outcomes(&answer.json()),
        expected(&["stored", "stored", "multipart_malformed"])
    );
    gateway.world.assert_files(2).await;
}

async fn every_stored_file_has_an_outcome(gateway: Arc<Gateway>) {
    let answer = send(&gateway, "", form(&[good("a"), good("b")])).await;
    let body = answer.json();
    assert_eq!(outcomes(&body), expected(&["stored", "stored"]));
    gateway.world.assert_files(2).await;
}
