//! Conditional requests, over HTTP.

use std::sync::Arc;

use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::support::Answer;
use crate::worlds::once;

once!(validators_work_together);

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
