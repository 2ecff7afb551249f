//! Many files, an honest answer for each (`?atomic=false`, `outcomes`).

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use reqwest::Body;
use serde_json::{Value, json};

use crate::forms::{content_type, file, form};
use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::support::Answer;
use crate::worlds::{Database, ObjectStore, on_both, within};

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
    a_form_that_breaks_off_is_stored_by_its_repetition_alone,
    a_client_that_leaves_is_stored_by_its_repetition_alone,
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

/// A form that ends too early, whatever its end looks like from here.
fn cut() -> Vec<u8> {
    let mut body = [
        good("a"),
        good("b"),
        file("cut", "text/plain", &[b'c'; 900]),
    ]
    .concat();
    body.truncate(body.len() - 500);
    body
}

fn whole() -> Vec<u8> {
    form(&[
        good("a"),
        good("b"),
        file("cut", "text/plain", &[b'c'; 900]),
    ])
}

/// Sends a form under a key until the key is free: it is given back after the request before was
/// undone.
async fn retried(gateway: &Gateway, body: Vec<u8>) -> Answer {
    for _ in 0..200 {
        let request = gateway.post("/v1/files?atomic=false");
        let request = request.bearer_auth(member("ana"));
        let request = request.header("idempotency-key", "one");
        let request = request.header("content-type", content_type());
        let answer = Answer::to(request.body(body.clone())).await;
        if answer.status != 409 {
            return answer;
        }
        answer.assert_failure(409, "idempotency_key_in_use");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the key was never given back");
}

async fn assert_all_stored_once(gateway: &Gateway) {
    let answer = retried(gateway, whole()).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    assert_eq!(answer.header("idempotency-replayed"), None);
    assert_eq!(outcomes(&answer.json()), expected(&["stored"; 3]));
    gateway.world.assert_files(3).await;
    let again = retried(gateway, whole()).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.json(), answer.json());
    gateway.world.assert_files(3).await;
}

async fn a_form_that_breaks_off_is_stored_by_its_repetition_alone(gateway: Arc<Gateway>) {
    let answer = retried(&gateway, cut()).await;
    answer.assert_invalid(&[(json!(["body"]), "multipart_malformed")]);
    gateway.world.assert_files(0).await;
    assert_all_stored_once(&gateway).await;
}

async fn a_client_that_leaves_is_stored_by_its_repetition_alone(gateway: Arc<Gateway>) {
    let request = gateway.post("/v1/files?atomic=false");
    let request = request
        .bearer_auth(member("ana"))
        .header("idempotency-key", "one")
        .header("content-type", content_type());
    let chunks = stream::iter([Ok(cut()), Err(std::io::Error::other("the client leaves"))]);
    assert!(
        request
            .body(Body::wrap_stream(chunks))
            .send()
            .await
            .is_err()
    );
    assert_all_stored_once(&gateway).await;
}

/// The same, and its client is told: of an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_too_slow_is_stored_by_its_repetition_alone() {
    let pace = [("SERVER_BODY_SECONDS", "1")];
    on_both(&pace, |gateway| async move {
        let request = gateway.post("/v1/files?atomic=false");
        let request = request
            .bearer_auth(member("ana"))
            .header("idempotency-key", "one")
            .header("content-type", content_type());
        let chunks = stream::iter([Ok::<_, std::io::Error>(cut())]).chain(stream::pending());
        let answer = Answer::to(request.body(Body::wrap_stream(chunks))).await;
        answer.assert_failure(408, "request_too_slow");
        assert_all_stored_once(&gateway).await;
    })
    .await;
}

/// One file more than a request may have: nobody reads what follows, so there is nothing to keep.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_of_too_many_files_is_refused_whole() {
    on_both(&[("UPLOADS_MAX_FILES", "2")], |gateway| async move {
        let body = form(&[good("a"), good("b"), good("c"), good("d")]);
        let answer = send(&gateway, "?atomic=false", body).await;
        answer.assert_invalid(&[(json!(["body", "files"]), "too_long")]);
        gateway.world.assert_files(0).await;
    })
    .await;
}

async fn every_stored_file_has_an_outcome(gateway: Arc<Gateway>) {
    let answer = send(&gateway, "", form(&[good("a"), good("b")])).await;
    let body = answer.json();
    assert_eq!(outcomes(&body), expected(&["stored", "stored"]));
    gateway.world.assert_files(2).await;
}
