//! What the server says of itself, and the frame of each request.

use std::sync::Arc;

use reqwest::Method;

use super::client::{PIECE, encoded};
use crate::gateway_under_test::Gateway;
use crate::support::{Answer, UNKNOWN};
use crate::worlds::once;

once!(
    what_the_server_can_do,
    other_versions_are_refused,
    strangers_are_told_nothing,
    a_client_that_can_only_post,
    addresses_do_not_repeat_a_forged_host,
    what_a_client_said_comes_back,
);

async fn what_the_server_can_do(gateway: Arc<Gateway>) {
    for path in ["/v1/uploads", &format!("/v1/uploads/{UNKNOWN}")] {
        // Without a JWT and without a version, as tus has it.
        let answer = Answer::to(gateway.request(Method::OPTIONS, path)).await;
        assert_eq!(answer.status, 204);
        for (header, expected) in [
            ("tus-resumable", "1.0.0"),
            ("tus-version", "1.0.0"),
            ("tus-max-size", "5368709120"),
            ("tus-checksum-algorithm", "sha1,sha256"),
            (
                "tus-extension",
                "creation,creation-with-upload,creation-defer-length,termination,expiration,checksum",
            ),
        ] {
            assert_eq!(answer.header(header), Some(expected));
        }
    }
}

async fn other_versions_are_refused(gateway: Arc<Gateway>) {
    let path = gateway.begin_upload(3).await;
    for (method, path) in [
        (Method::POST, "/v1/uploads"),
        (Method::HEAD, path.as_str()),
        (Method::PATCH, path.as_str()),
        (Method::DELETE, path.as_str()),
    ] {
        for version in [None, Some("0.2.2"), Some("1.0.1"), Some("")] {
            let mut request = gateway
                .request(method.clone(), path)
                .bearer_auth(crate::issuer::member("ana"))
                .header("upload-offset", 0)
                .header("upload-length", 3)
                .header("content-type", PIECE);
            if let Some(version) = version {
                request = request.header("tus-resumable", version);
            }
            let answer = Answer::to(request).await;
            assert_eq!(answer.status, 412, "{method} {version:?}");
            assert_eq!(answer.header("tus-version"), Some("1.0.0"));
            assert_eq!(answer.header("tus-resumable"), Some("1.0.0"));
            if method != Method::HEAD {
                answer.assert_failure(412, "tus_version_unsupported");
            }
        }
    }
    assert_eq!(gateway.offset(&path).await, 0);
}

async fn strangers_are_told_nothing(gateway: Arc<Gateway>) {
    let path = gateway.begin_upload(3).await;
    for (method, path) in [
        (Method::POST, "/v1/uploads"),
        (Method::PATCH, path.as_str()),
        (Method::DELETE, path.as_str()),
    ] {
        let request = gateway.request(method.clone(), path);
        let answer = Answer::to(request).await;
        answer.assert_failure(401, "not_authenticated");
        assert_eq!(answer.header("tus-resumable"), Some("1.0.0"));
        // Another member, and an admin, who may only end it.
        let answer = Answer::to(
            gateway
                .tus("bo", method.clone(), path)
                .header("content-type", PIECE)
                .header("upload-offset", 0)
                .header("upload-length", 3),
        )
        .await;
        match method {
            Method::POST => assert_eq!(answer.status, 201),
            _ => answer.assert_failure(404, "upload_not_found"),
        }
    }
    assert_eq!(
        Answer::to(gateway.tus("bo", Method::HEAD, &path))
            .await
            .status,
        404
    );
    for unknown in [UNKNOWN, "abc", "%00"] {
        let path = format!("/v1/uploads/{unknown}");
        let answer = Answer::to(gateway.tus("ana", Method::DELETE, &path)).await;
        answer.assert_failure(404, "upload_not_found");
        assert_eq!(gateway.standing(&path).await.status, 404);
    }
    assert_eq!(gateway.offset(&path).await, 0);
}

async fn a_client_that_can_only_post(gateway: Arc<Gateway>) {
    let path = gateway.begin_upload(5).await;
    let post = |method: &'static str| {
        gateway
            .tus("ana", Method::POST, &path)
            .header("x-http-method-override", method)
    };
    let patch = post("PATCH")
        .header("content-type", PIECE)
        .header("upload-offset", 0)
        .body("hel");
    assert_eq!(Answer::to(patch).await.header("upload-offset"), Some("3"));
    assert_eq!(
        Answer::to(post("HEAD")).await.header("upload-offset"),
        Some("3")
    );
    assert_eq!(Answer::to(post("DELETE")).await.status, 204);
    assert_eq!(gateway.standing(&path).await.status, 404);
    // Obeyed here alone.
    let file = gateway.store_sample().await;
    let request = gateway
        .tus("ana", Method::POST, &file.path())
        .header("x-http-method-override", "DELETE");
    Answer::to(request)
        .await
        .assert_failure(405, "method_not_allowed");
}

async fn addresses_do_not_repeat_a_forged_host(gateway: Arc<Gateway>) {
    let request = gateway
        .tus("ana", Method::POST, "/v1/uploads")
        .header("upload-length", 1)
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("forwarded", "host=evil.example");
    let answer = Answer::to(request).await;
    assert!(
        answer
            .header("location")
            .unwrap()
            .starts_with("/v1/uploads/")
    );
    assert!(!format!("{:?}", answer.headers).contains("evil"));
}

async fn what_a_client_said_comes_back(gateway: Arc<Gateway>) {
    let metadata = format!(
        "filename {},filetype {},mine {},flag",
        encoded("../Größe\r\n日本.txt"),
        encoded("text/plain"),
        encoded("a")
    );
    let request = gateway
        .tus("ana", Method::POST, "/v1/uploads")
        .header("upload-length", 5)
        .header("upload-metadata", &metadata);
    let answer = Answer::to(request).await;
    let path = answer.header("location").unwrap().to_owned();
    assert!(httpdate::parse_http_date(answer.header("upload-expires").unwrap()).is_ok());
    let standing = gateway.standing(&path).await;
    assert_eq!(standing.header("upload-metadata"), Some(metadata.as_str()));
    assert_eq!(standing.header("upload-length"), Some("5"));
    assert_eq!(standing.header("upload-defer-length"), None);
    assert_eq!(standing.header("cache-control"), Some("no-store"));
    let answer = gateway.append(&path, 0, b"hello").await;
    let file = gateway.assert_stored(&answer, b"hello").await;
    let read = Answer::to(gateway.get(&file).bearer_auth(crate::issuer::member("ana"))).await;
    assert_eq!(read.header("content-type"), Some("text/plain"));
    let disposition = read.header("content-disposition").unwrap();
    assert!(
        disposition.contains("Gr%C3%B6%C3%9Fe%E6%97%A5%E6%9C%AC.txt"),
        "{disposition}"
    );
}
