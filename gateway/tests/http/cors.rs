//! Web pages of other origins.

use std::sync::Arc;

use reqwest::Method;

use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::support::{Answer, UNKNOWN};
use crate::worlds::{Database, ObjectStore, Variables, once, within};

const PAGE: &str = "https://app.example.com";
const OTHER_PAGE: &str = "http://localhost:5173";
const STRANGER: &str = "https://evil.example";

once!(without_configuration_no_page_of_another_origin_reads_anything);

async fn with<F>(variables: Variables<'_>, test: impl FnOnce(Arc<Gateway>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    within(Database::Sqlite, ObjectStore::Versitygw, variables, test).await;
}

impl Gateway {
    async fn preflight(&self, origin: &str, path: &str, method: &str, headers: &str) -> Answer {
        let request = self
            .request(Method::OPTIONS, path)
            .header("origin", origin)
            .header("access-control-request-method", method)
            .header("access-control-request-headers", headers);
        Answer::to(request).await
    }
}

/// The names of a list header, in lower case.
fn list(answer: &Answer, name: &str) -> Vec<String> {
    let header = answer.header(name).unwrap_or_default();
    header
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .collect()
}

/// Whether a cache is told that the answer depends on the origin.
fn varies(answer: &Answer) -> bool {
    answer
        .headers
        .get_all("vary")
        .iter()
        .any(|value| value.to_str().unwrap().eq_ignore_ascii_case("origin"))
}

#[track_caller]
fn assert_readable(answer: &Answer, origin: &str) {
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    assert_eq!(
        answer.header("access-control-allow-credentials"),
        Some("true")
    );
    assert!(varies(answer), "{:?}", answer.headers);
    let exposed = list(answer, "access-control-expose-headers");
    for name in [
        "location",
        "upload-offset",
        "upload-length",
        "upload-file-id",
        "tus-resumable",
        "etag",
        "content-range",
        "accept-ranges",
        "content-disposition",
        "content-digest",
        "repr-digest",
        "x-request-id",
        "deprecation",
        "sunset",
        "link",
        "retry-after",
    ] {
        assert!(exposed.iter().any(|exposed| exposed == name), "{name}");
    }
}

#[track_caller]
fn assert_unreadable(answer: &Answer) {
    let told = answer
        .headers
        .keys()
        .find(|name| name.as_str().starts_with("access-control-"));
    assert_eq!(told, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frontend_on_another_origin_can_not_upload_read_and_resume() {
    let origins = format!("{PAGE}, {OTHER_PAGE}");
    with(&[("CORS_ORIGINS", &origins)], |gateway| async move {
        for origin in [PAGE, OTHER_PAGE] {
            for (path, method, headers) in [
                ("/v1/files", "POST", "authorization, content-type"),
                ("/v1/files/token", "GET", "authorization"),
                ("/v1/files/abc", "DELETE", "authorization"),
                ("/v1/files/abc", "GET", "authorization, range, if-none-match"),
                (
                    "/v1/uploads",
                    "POST",
                    "authorization, tus-resumable, upload-length, upload-metadata, upload-defer-length",
                ),
                (
                    "/v1/uploads/abc",
                    "PATCH",
                    "authorization, content-type, tus-resumable, upload-offset, upload-checksum",
                ),
            ] {
                // No credential: browsers send none.
                let answer = gateway.preflight(origin, path, method, headers).await;
                assert_eq!(answer.status, 204, "{path}");
                assert_readable(&answer, origin);
                let methods = list(&answer, "access-control-allow-methods");
                assert!(methods.contains(&method.to_ascii_lowercase()), "{method}");
                let allowed = list(&answer, "access-control-allow-headers");
                for header in headers.split(", ") {
                    assert!(allowed.iter().any(|allowed| allowed == header), "{header}");
                }
                let age: u32 = answer.header("access-control-max-age").unwrap().parse().unwrap();
                assert!(age >= 600, "{age}");
                assert!(answer.header("x-request-id").is_some());
            }
        }
        let stored = gateway.store_sample().await;
        let read = gateway
            .get(&stored.path())
            .bearer_auth(member("ana"))
            .header("origin", PAGE)
            .header("range", "bytes=0-9");
        let answer = Answer::to(read).await;
        assert_eq!(answer.status, 206);
        assert_readable(&answer, PAGE);
        let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
        assert_eq!(vary, ["Authorization", "Origin"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frontend_sees_a_network_error_instead_of_what_went_wrong() {
    let limits = [("CORS_ORIGINS", PAGE), ("UPLOADS_MAX_FILE_BYTES", "10")];
    with(&limits, |gateway| async move {
        let ana = member("ana");
        let form = reqwest::multipart::Form::new().text("files", "0123456789abcdef");
        for (request, status) in [
            (gateway.get("/v1/files/token"), 401),
            (
                gateway
                    .get(&format!("/v1/files/{UNKNOWN}"))
                    .bearer_auth(&ana),
                404,
            ),
            (gateway.get("/v1/nothing"), 404),
            (gateway.request(Method::PUT, "/v1/files"), 405),
            (
                gateway.post("/v1/files").bearer_auth(&ana).multipart(form),
                413,
            ),
            (gateway.get("/v1/files/abc").bearer_auth(&ana), 422),
        ] {
            let answer = Answer::to(request.header("origin", PAGE)).await;
            assert_eq!(answer.status.as_u16(), status);
            assert_readable(&answer, PAGE);
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert_eq!(answer.headers.get_all("content-type").iter().count(), 1);
        }
    })
    .await;
    let nobody = [
        ("CORS_ORIGINS", PAGE),
        ("STORE_ENDPOINT", "http://127.0.0.1:1"),
    ];
    with(&nobody, |gateway| async move {
        let form = reqwest::multipart::Form::new().text("files", "bytes");
        let request = gateway.post("/v1/files").bearer_auth(member("ana"));
        let answer = Answer::to(request.multipart(form).header("origin", PAGE)).await;
        answer.assert_failure(503, "store_unavailable");
        assert_readable(&answer, PAGE);
        assert!(answer.header("retry-after").is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_a_stranger_reads_what_its_visitor_may() {
    with(&[("CORS_ORIGINS", PAGE)], |gateway| async move {
        let stored = gateway.store_sample().await;
        for origin in [
            STRANGER,
            "null",
            "https://app.example.com.evil.example",
            "http://app.example.com",
            "https://app.example.com:8443",
            "HTTPS://APP.EXAMPLE.COM",
            "",
        ] {
            let request = gateway.get(&stored.path()).bearer_auth(member("ana"));
            let answer = Answer::to(request.header("origin", origin)).await;
            // The browser keeps it from the page; to anybody else it is an answer like any.
            assert_eq!(answer.status, 200, "{origin}");
            assert_unreadable(&answer);
            assert!(varies(&answer), "{origin}");
            let preflight = gateway.preflight(origin, "/v1/files", "POST", "authorization");
            let answer = preflight.await;
            assert_unreadable(&answer);
            assert_ne!(answer.status, 204, "{origin}");
        }
        let plain = Answer::to(gateway.get(&stored.path()).bearer_auth(member("ana"))).await;
        assert_unreadable(&plain);
        assert!(varies(&plain), "a cache would hand this answer to the page");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_origin_gets_the_visitors_cookies_too() {
    with(&[("CORS_ORIGINS", "*")], |gateway| async move {
        let stored = gateway.store_sample().await;
        let request = gateway.get(&stored.path()).bearer_auth(member("ana"));
        let answer = Answer::to(request.header("origin", STRANGER)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert!(!varies(&answer));
        let preflight = gateway.preflight(STRANGER, "/v1/files", "POST", "authorization");
        assert_eq!(preflight.await.status, 204);
    })
    .await;
}

async fn without_configuration_no_page_of_another_origin_reads_anything(gateway: Arc<Gateway>) {
    let stored = gateway.store_sample().await;
    let request = gateway.get(&stored.path()).bearer_auth(member("ana"));
    let answer = Answer::to(request.header("origin", PAGE)).await;
    assert_eq!(answer.status, 200);
    assert_unreadable(&answer);
    assert!(!varies(&answer));
    let preflight = gateway.preflight(PAGE, "/v1/files", "POST", "authorization");
    let answer = preflight.await;
    answer.assert_failure(405, "method_not_allowed");
    assert_unreadable(&answer);
}
