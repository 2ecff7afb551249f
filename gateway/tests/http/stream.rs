//! `GET` and `HEAD /v1/files/stream/{file_id}` and `/v1/files/stream`.

use std::sync::Arc;

use serde_json::json;

use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::support::{Answer, UNKNOWN};
use crate::worlds::{Database, ObjectStore, everywhere, once, within};

everywhere!(by_id_with_a_range, by_location);
once!(
    wrong_fields_are_all_told,
    a_bad_token_is_told_before_wrong_fields,
    a_token_opens_only_what_its_caller_may_read,
    a_deleted_file_is_gone_at_once,
);

fn by_id(id: &str, token: &str) -> String {
    format!("/v1/files/stream/{id}?token={token}")
}

async fn by_id_with_a_range(gateway: Arc<Gateway>) {
    let stored = gateway.store_sample().await;
    let token = gateway.token("ana", "").await;
    let path = by_id(&stored.id, &token);
    let whole = Answer::to(gateway.get(&path)).await;
    assert_eq!(whole.status, 200);
    assert_eq!(whole.body, stored.bytes);
    let caching = whole.header("cache-control").unwrap();
    let age: u64 = caching
        .strip_prefix("private, max-age=")
        .unwrap()
        .parse()
        .unwrap();
    assert!(age <= 300, "{caching}");

    let part = Answer::to(gateway.get(&path).header("range", "bytes=500-509")).await;
    assert_eq!(part.status, 206);
    assert_eq!(part.header("content-range"), Some("bytes 500-509/1000"));
    assert_eq!(part.body, stored.bytes[500..510]);

    let head = Answer::to(gateway.head(&path)).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), Some("1000"));
    assert_eq!(head.body, b"");
}

async fn by_location(gateway: Arc<Gateway>) {
    let stored = gateway.store_sample().await;
    // Membership is the check: another member may, too.
    for subject in ["ana", "bo"] {
        let token = gateway.token(subject, "").await;
        let request = gateway.get("/v1/files/stream");
        let request = request.query(&[("location", stored.location.as_str()), ("token", &token)]);
        let answer = Answer::to(request.header("range", "bytes=1-3")).await;
        assert_eq!(answer.status, 206);
        assert_eq!(answer.body, stored.bytes[1..=3]);
    }
    let token = gateway.token("ana", "").await;
    for location in [
        "acme/../acme/x/original",
        &stored.location.replace("acme/", "acme/../acme/"),
        &stored.location.replace("acme", "globex"),
        &format!("/{}", stored.location),
        &stored.location.to_uppercase(),
        "",
        "%",
        "a\0b",
        &"x".repeat(5000),
    ] {
        let request = gateway.get("/v1/files/stream");
        let request = request.query(&[("location", location), ("token", &token)]);
        Answer::to(request)
            .await
            .assert_failure(404, "file_not_found");
    }
    gateway.world.assert_files(1).await;
}

async fn wrong_fields_are_all_told(gateway: Arc<Gateway>) {
    let token = gateway.token("ana", "").await;
    let missing_token = (json!(["query", "token"]), "missing");
    let bad_id = (json!(["path", "file_id"]), "uuid_parsing");
    for (path, expected) in [
        (
            format!("/v1/files/stream/{UNKNOWN}"),
            vec![missing_token.clone()],
        ),
        (
            "/v1/files/stream/abc".to_owned(),
            vec![bad_id.clone(), missing_token.clone()],
        ),
        (format!("/v1/files/stream/abc?token={token}"), vec![bad_id]),
        (
            "/v1/files/stream".to_owned(),
            vec![(json!(["query", "location"]), "missing"), missing_token],
        ),
        (
            format!("/v1/files/stream?token={token}"),
            vec![(json!(["query", "location"]), "missing")],
        ),
    ] {
        Answer::to(gateway.get(&path))
            .await
            .assert_invalid(&expected);
    }
}

async fn a_bad_token_is_told_before_wrong_fields(gateway: Arc<Gateway>) {
    for path in ["/v1/files/stream/abc?token=x", "/v1/files/stream?token=x"] {
        Answer::to(gateway.get(path))
            .await
            .assert_failure(401, "token_invalid");
    }
}

async fn a_token_opens_only_what_its_caller_may_read(gateway: Arc<Gateway>) {
    let (first, second) = (gateway.store_sample().await, gateway.store_sample().await);
    let other = gateway.token("bo", "").await;
    let answer = Answer::to(gateway.get(&by_id(&first.id, &other))).await;
    answer.assert_failure(404, "file_not_found");

    let bound = gateway
        .token("ana", &format!("?file_id={}", first.id))
        .await;
    assert_eq!(
        Answer::to(gateway.get(&by_id(&first.id, &bound)))
            .await
            .status,
        200
    );
    for path in [
        by_id(&second.id, &bound),
        format!(
            "/v1/files/stream?location={}&token={bound}",
            second.location
        ),
    ] {
        Answer::to(gateway.get(&path))
            .await
            .assert_failure(404, "file_not_found");
    }
    let path = format!("/v1/files/stream?location={}&token={bound}", first.location);
    assert_eq!(Answer::to(gateway.get(&path)).await.status, 200);
}

async fn a_deleted_file_is_gone_at_once(gateway: Arc<Gateway>) {
    let stored = gateway.store_sample().await;
    let token = gateway
        .token("ana", &format!("?file_id={}", stored.id))
        .await;
    let delete = gateway.request(reqwest::Method::DELETE, &stored.path());
    assert_eq!(
        Answer::to(delete.bearer_auth(member("ana"))).await.status,
        200
    );
    let answer = Answer::to(gateway.get(&by_id(&stored.id, &token))).await;
    answer.assert_failure(404, "file_not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locations_can_be_tightened_to_the_owner() {
    let owner = [("ACCESS_LOCATIONS", "Owner")];
    within(
        Database::Sqlite,
        ObjectStore::Versitygw,
        &owner,
        |gateway| async move {
            let stored = gateway.store_sample().await;
            for (subject, status) in [("ana", 200), ("bo", 404)] {
                let token = gateway.token(subject, "").await;
                let path = format!(
                    "/v1/files/stream?location={}&token={token}",
                    stored.location
                );
                assert_eq!(
                    Answer::to(gateway.get(&path)).await.status,
                    status,
                    "{subject}"
                );
            }
        },
    )
    .await;
}
