//! The framework's own failures have our form, and every answer has a request id.

use std::sync::Arc;

use reqwest::Method;

use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::support::Answer;
use crate::worlds::once;

once!(unknown_routes, wrong_methods, request_ids);

async fn unknown_routes(gateway: Arc<Gateway>) {
    for path in [
        "/nothing",
        "/v1",
        "/v1/files/",
        "/v1/files/a/b",
        "/v1/files/stream/a/b",
        "/v2/files",
        "/%ff",
    ] {
        Answer::to(gateway.get(path))
            .await
            .assert_failure(404, "not_found");
    }
}

async fn wrong_methods(gateway: Arc<Gateway>) {
    for (method, path, allowed) in [
        (Method::GET, "/v1/files", "POST"),
        (Method::PUT, "/v1/files/token", "GET, POST, DELETE"),
        (Method::DELETE, "/v1/files/stream", "GET, HEAD"),
        (Method::GET, "/v1/files/location", "POST"),
        (Method::POST, "/v1/files/abc", "GET, HEAD, DELETE"),
        (Method::POST, "/healthz", "GET"),
    ] {
        let request = gateway
            .request(method.clone(), path)
            .bearer_auth(member("ana"));
        let answer = Answer::to(request).await;
        answer.assert_failure(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
    }
}

async fn request_ids(gateway: Arc<Gateway>) {
    let ask = |id: Option<&'static str>| {
        let request = gateway.get("/healthz");
        Answer::to(match id {
            Some(id) => request.header("x-request-id", id),
            None => request,
        })
    };
    assert_eq!(
        ask(Some("abc-123")).await.header("x-request-id"),
        Some("abc-123")
    );
    let (first, second) = (ask(None).await, ask(None).await);
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    let long: &str = Box::leak("a".repeat(129).into_boxed_str());
    for bad in ["", "a b", "a\"b", "<script>", long] {
        let answer = ask(Some(bad)).await;
        assert_ne!(answer.header("x-request-id"), Some(bad));
    }
}
