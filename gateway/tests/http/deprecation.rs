//! Streaming by location is on its way out, and says so.

use std::sync::Arc;

use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::support::{Answer, Stored};
use crate::worlds::{Database, ObjectStore, Variables, once, within};

once!(a_client_learns_of_the_end_only_when_it_comes);

/// 2026-02-01 and 2027-06-30T12:00:00Z.
const DATES: [(&str, &str); 2] = [
    ("ACCESS_LOCATION_STREAM_DEPRECATED", "2026-02-01"),
    ("ACCESS_LOCATION_STREAM_SUNSET", "2027-06-30T12:00:00Z"),
];

async fn with<F>(variables: Variables<'_>, test: impl FnOnce(Arc<Gateway>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    within(Database::Sqlite, ObjectStore::Versitygw, variables, test).await;
}

fn by_location(stored: &Stored, token: &str) -> String {
    let location = &stored.location;
    format!("/v1/files/stream?location={location}&token={token}")
}

fn links(answer: &Answer) -> Vec<&str> {
    let links = answer.headers.get_all("link").iter();
    links.map(|link| link.to_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_not_told_when_and_what_instead() {
    with(&DATES, |gateway| async move {
        let stored = gateway.store_sample().await;
        let token = gateway.token("ana", "").await;
        let path = by_location(&stored, &token);
        let explained = "</docs>; rel=\"deprecation\"; type=\"text/html\"";
        let successor = format!(
            "</v1/files/stream/{}>; rel=\"successor-version\"",
            stored.id
        );
        for (request, status) in [
            (gateway.get(&path), 200),
            (gateway.head(&path), 200),
            (gateway.get(&path).header("range", "bytes=0-1"), 206),
            (gateway.get(&path).header("range", "bytes=5000-"), 416),
            (gateway.get("/v1/files/stream"), 422),
            (gateway.get("/v1/files/stream?location=a&token=b"), 401),
            (
                gateway.get(&by_location(&stored, &token).replace("original", "x")),
                404,
            ),
        ] {
            let answer = Answer::to(request).await;
            assert_eq!(answer.status.as_u16(), status);
            assert_eq!(answer.header("deprecation"), Some("@1769904000"));
            assert_eq!(
                answer.header("sunset"),
                Some("Wed, 30 Jun 2027 12:00:00 GMT")
            );
            let mut expected = vec![explained];
            // Who is refused does not learn which file it is.
            if status < 300 {
                expected.insert(0, &successor);
            }
            assert_eq!(links(&answer), expected, "{status}");
        }
        // What replaces it works, with the same token, and is not deprecated.
        let path = format!("/v1/files/stream/{}?token={token}", stored.id);
        let answer = Answer::to(gateway.get(&path)).await;
        assert_eq!(answer.body, stored.bytes);
        for name in ["deprecation", "sunset", "link"] {
            assert_eq!(answer.header(name), None);
        }
    })
    .await;
}

async fn a_client_learns_of_the_end_only_when_it_comes(gateway: Arc<Gateway>) {
    let answer = Answer::to(gateway.get("/v1/files/stream?location=a&token=b")).await;
    // 2026-01-01: from the start.
    assert_eq!(answer.header("deprecation"), Some("@1767225600"));
    assert_eq!(answer.header("sunset"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_way_stays_open_although_it_was_closed() {
    with(&[("ACCESS_LOCATION_STREAM", "Off")], |gateway| async move {
        let stored = gateway.store_sample().await;
        let token = gateway.token("ana", "").await;
        let path = by_location(&stored, &token);
        let answer = Answer::to(gateway.get(&path)).await;
        answer.assert_failure(410, "location_stream_off");
        let detail = answer.json()["detail"].to_string();
        assert!(detail.contains("/v1/files/stream/{file_id}"), "{detail}");
        assert!(answer.header("deprecation").is_some());
        assert_eq!(Answer::to(gateway.head(&path)).await.status, 410);
        assert_eq!(
            Answer::to(gateway.get("/v1/files/stream")).await.status,
            410
        );
        // The other ways go on.
        let by_id = format!("/v1/files/stream/{}?token={token}", stored.id);
        assert_eq!(Answer::to(gateway.get(&by_id)).await.status, 200);
        let body = serde_json::json!({"location": stored.location});
        let request = gateway
            .post("/v1/files/location")
            .bearer_auth(member("ana"));
        assert_eq!(Answer::to(request.json(&body)).await.status, 200);
        assert_eq!(
            gateway.metric(
                "deprecated_requests_total{operation=\"/v1/files/stream\",caller=\"unknown\"}"
            ),
            3.0
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_knows_who_still_calls_the_old_way() {
    with(&[], |gateway| async move {
        let stored = gateway.store_sample().await;
        for subject in ["ana", "ana", "bo"] {
            let token = gateway.token(subject, "").await;
            assert_eq!(
                Answer::to(gateway.get(&by_location(&stored, &token)))
                    .await
                    .status,
                200
            );
        }
        let of = |caller: &str| {
            let labels = format!("{{operation=\"/v1/files/stream\",caller=\"{caller}\"}}");
            gateway.metric(&format!("deprecated_requests_total{labels}"))
        };
        assert_eq!((of("ana"), of("bo")), (2.0, 1.0));
    })
    .await;
}
