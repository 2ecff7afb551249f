//! Conditional requests, over HTTP.

use std::sync::Arc;

use crate::gateway_under_test::Gateway;
use crate::issuer::{member, stranger};
use crate::support::{Answer, UNKNOWN};
use crate::worlds::once;

once!(
    validators_work_together,
    head_is_refused_as_get_is_without_the_body,
);

async fn validators_work_together(gateway: Arc<Gateway>) {
    let stored = gateway.store_sample().await;
    let ask = |headers: &[(&'static str, &str)]| {
        let mut request = gateway.get(&stored.path()).bearer_auth(member("ana"));
        for (name, value) in headers {
            request = request.header(*name, (*value).to_owned());
        }
        Answer::to(request)
    };
    let first = ask(&[]).await;
    let etag = first.header("etag").unwrap();
    let modified = first.header("last-modified").unwrap();
    let long_ago = "Wed, 21 Oct 2015 07:28:00 GMT";
    for (headers, status) in [
        (vec![("if-none-match", etag)], 304),
        (vec![("if-none-match", "\"other\"")], 200),
        (vec![("if-modified-since", modified)], 304),
        (vec![("if-modified-since", long_ago)], 200),
        (vec![("if-match", etag)], 200),
        (vec![("if-match", "\"other\"")], 412),
        (vec![("if-unmodified-since", long_ago)], 412),
        (vec![("range", "bytes=0-9"), ("if-range", etag)], 206),
        (vec![("range", "bytes=0-9"), ("if-range", modified)], 206),
        (vec![("range", "bytes=0-9"), ("if-range", "\"other\"")], 200),
        (vec![("range", "bytes=0-9"), ("if-none-match", etag)], 304),
    ] {
        let answer = ask(&headers).await;
        assert_eq!(answer.status.as_u16(), status, "{headers:?}");
        match status {
            304 => {
                assert_eq!(answer.body, b"");
                assert_eq!(answer.header("etag"), Some(etag));
                // A tag is all that a cache needs (RFC 9110, 15.4.5).
                assert_eq!(answer.header("last-modified"), None);
            }
            412 => answer.assert_failure(412, "precondition_failed"),
            206 => assert_eq!(answer.body, stored.bytes[..10]),
            _ => assert_eq!(answer.body, stored.bytes),
        }
    }
}

async fn head_is_refused_as_get_is_without_the_body(gateway: Arc<Gateway>) {
    let stored = gateway.store_sample().await;
    let token = gateway.token("ana", "").await;
    let (ana, bo) = (member("ana"), member("bo"));
    let first = Answer::to(gateway.get(&stored.path()).bearer_auth(&ana)).await;
    let etag = first.header("etag").unwrap();
    let by_id = stored.path();
    let stream = |id: &str, token: &str| format!("/v1/files/stream/{id}?token={token}");
    let by_location =
        |location: &str| format!("/v1/files/stream?location={location}&token={token}");
    let long_ago = "Wed, 21 Oct 2015 07:28:00 GMT";
    let other = ("if-match", "\"other\"");
    let beyond = ("range", "bytes=5000-");
    let none = ("accept", "*/*");
    for (path, bearer, (name, value), status) in [
        (by_id.clone(), None, none, 401),
        (by_id.clone(), Some("nonsense"), none, 401),
        (by_id.clone(), Some(&*stranger("ana")), none, 403),
        (by_id.clone(), Some(&*bo), none, 404),
        (format!("/v1/files/{UNKNOWN}"), Some(&*ana), none, 404),
        ("/v1/files/abc".to_owned(), Some(&*ana), none, 422),
        (by_id.clone(), Some(&*ana), other, 412),
        (
            by_id.clone(),
            Some(&*ana),
            ("if-unmodified-since", long_ago),
            412,
        ),
        (by_id.clone(), Some(&*ana), ("if-none-match", etag), 304),
        (by_id.clone(), Some(&*ana), beyond, 416),
        (stream(&stored.id, "nonsense"), None, none, 401),
        (stream(&stored.id, ""), None, none, 401),
        (stream(UNKNOWN, &token), None, none, 404),
        (stream("abc", &token), None, none, 422),
        (stream(&stored.id, &token), None, other, 412),
        (stream(&stored.id, &token), None, beyond, 416),
        (by_location("nowhere"), None, none, 404),
        (by_location(&stored.location), None, other, 412),
        (by_location(&stored.location), None, beyond, 416),
        ("/v1/nothing".to_owned(), None, none, 404),
    ] {
        let ask = |request: reqwest::RequestBuilder| {
            let request = request.header("x-request-id", "same").header(name, value);
            Answer::to(match bearer {
                Some(bearer) => request.bearer_auth(bearer),
                None => request,
            })
        };
        let get = ask(gateway.get(&path)).await;
        let mut head = ask(gateway.head(&path)).await;
        assert_eq!(get.status, status, "{path} {value}");
        assert_eq!(head.status, status, "{path} {value}");
        assert_eq!(head.body, b"");
        let mut expected = get.headers;
        for headers in [&mut expected, &mut head.headers] {
            headers.remove("date");
        }
        assert_eq!(head.headers, expected, "{path} {value}");
    }
}
