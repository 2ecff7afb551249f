//! `GET` and `HEAD /v1/files/{file_id}`, and what every read has.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::json;

use crate::gateway_under_test::Gateway;
use crate::issuer::{admin, member, stranger};
use crate::support::{Answer, UNKNOWN, sha256};
use crate::worlds::{everywhere, once};

everywhere!(
    owner_and_admin_read_and_others_do_not,
    ranges,
    head_is_get_without_the_body,
    a_client_can_not_tell_whether_it_has_the_file_that_was_stored,
);
once!(active_content_is_fenced_in, unknown_and_malformed_ids);

async fn owner_and_admin_read_and_others_do_not(gateway: Arc<Gateway>) {
    let stored = gateway.store_sample().await;
    for bearer in [member("ana"), admin("root")] {
        let answer = Answer::to(gateway.get(&stored.path()).bearer_auth(bearer)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, stored.bytes);
        assert_eq!(answer.header("content-length"), Some("1000"));
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
        let etag = format!("\"{}\"", sha256(&stored.bytes));
        assert_eq!(answer.header("etag"), Some(etag.as_str()));
        assert!(httpdate::parse_http_date(answer.header("last-modified").unwrap()).is_ok());
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert!(answer.header("cache-control").unwrap().contains("private"));
    }
    let other = Answer::to(gateway.get(&stored.path()).bearer_auth(member("bo"))).await;
    other.assert_failure(404, "file_not_found");
    let unknown = gateway
        .get(&format!("/v1/files/{UNKNOWN}"))
        .bearer_auth(member("bo"));
    let unknown = Answer::to(unknown).await;
    assert_eq!(other.json()["detail"], unknown.json()["detail"]);
    for path in [stored.path(), format!("/v1/files/{UNKNOWN}")] {
        let answer = Answer::to(gateway.get(&path).bearer_auth(stranger("ana"))).await;
        answer.assert_failure(403, "other_organization");
    }
}

async fn ranges(gateway: Arc<Gateway>) {
    let stored = gateway.store_sample().await;
    let read = |range: &str| {
        let request = gateway.get(&stored.path()).bearer_auth(member("ana"));
        Answer::to(request.header("range", range.to_owned()))
    };
    for (range, start, end) in [
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=990-", 990, 999),
        ("bytes=-10", 990, 999),
        ("bytes=900-5000", 900, 999),
        ("bytes=-5000", 0, 999),
    ] {
        let answer = read(range).await;
        assert_eq!(answer.status, 206, "{range}");
        let told = format!("bytes {start}-{end}/1000");
        assert_eq!(answer.header("content-range"), Some(told.as_str()));
        let length = (end - start + 1).to_string();
        assert_eq!(answer.header("content-length"), Some(length.as_str()));
        assert_eq!(answer.body, stored.bytes[start..=end], "{range}");
    }
    for range in ["bytes=1000-", "bytes=5000-6000", "bytes=-0"] {
        let answer = read(range).await;
        answer.assert_failure(416, "range_not_satisfiable");
        assert_eq!(answer.header("content-range"), Some("bytes */1000"));
    }
    for range in [
        "bytes=9-1",
        "bytes=a-b",
        "items=0-1",
        "bytes",
        "bytes=0-1,5-6",
        "bytes=0-0,0-0",
    ] {
        let answer = read(range).await;
        assert_eq!(answer.status, 200, "{range}");
        assert_eq!(answer.body, stored.bytes, "{range}");
    }
    let empty = gateway
        .store("ana", "empty", "text/plain", Vec::new())
        .await;
    for range in ["bytes=0-", "bytes=0-1", "bytes=-1"] {
        let request = gateway.get(&empty.path()).bearer_auth(member("ana"));
        let answer = Answer::to(request.header("range", range)).await;
        assert_eq!(answer.status, 200, "{range}");
        assert_eq!(answer.header("content-length"), Some("0"));
        assert_eq!(answer.header("content-range"), None);
    }
}

async fn head_is_get_without_the_body(gateway: Arc<Gateway>) {
    let stored = gateway.store_sample().await;
    for range in [None, Some("bytes=10-19"), Some("bytes=5000-")] {
        let ask = |request: reqwest::RequestBuilder| {
            let request = request
                .bearer_auth(member("ana"))
                .header("x-request-id", "same");
            Answer::to(match range {
                Some(range) => request.header("range", range),
                None => request,
            })
        };
        let get = ask(gateway.get(&stored.path())).await;
        let head = ask(gateway.head(&stored.path())).await;
        assert_eq!(head.status, get.status);
        assert_eq!(head.body, b"");
        // Of no content there is nothing to digest (RFC 9530, section 2).
        assert_eq!(head.header("content-digest"), None);
        let compared = |answer: &Answer| {
            let mut headers = answer.headers.clone();
            headers.remove("content-digest");
            headers.remove("date");
            headers
        };
        assert_eq!(compared(&head), compared(&get), "{range:?}");
    }
}

async fn a_client_can_not_tell_whether_it_has_the_file_that_was_stored(gateway: Arc<Gateway>) {
    let stored = gateway.store_sample().await;
    let digest_of = |bytes: &[u8]| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        format!("sha-256=:{}:", STANDARD.encode(digest))
    };
    let (all, part) = (digest_of(&stored.bytes), digest_of(&stored.bytes[..2]));
    let etag = format!("\"{}\"", sha256(&stored.bytes));
    for (method, headers, status, of_file, of_content) in [
        (Method::GET, vec![], 200, Some(&all), Some(&all)),
        (Method::HEAD, vec![], 200, Some(&all), None),
        (
            Method::GET,
            vec![("range", "bytes=0-1")],
            206,
            Some(&all),
            None,
        ),
        (
            Method::HEAD,
            vec![("range", "bytes=0-1")],
            206,
            Some(&all),
            None,
        ),
        (
            Method::GET,
            vec![("want-repr-digest", "sha-512=9")],
            200,
            Some(&all),
            Some(&all),
        ),
        (Method::GET, vec![("if-none-match", &etag)], 304, None, None),
        (Method::GET, vec![("range", "bytes=1000-")], 416, None, None),
        (
            Method::GET,
            vec![("if-match", "\"other\"")],
            412,
            None,
            None,
        ),
    ] {
        let mut request = gateway.request(method.clone(), &stored.path());
        for (name, value) in &headers {
            request = request.header(*name, *value);
        }
        let answer = Answer::to(request.bearer_auth(member("ana"))).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {headers:?}");
        assert_eq!(answer.header("repr-digest"), of_file.map(String::as_str));
        assert_eq!(
            answer.header("content-digest"),
            of_content.map(String::as_str)
        );
        if status == 206 && method == Method::GET {
            assert_eq!(digest_of(&answer.body), part);
        }
    }
}

async fn active_content_is_fenced_in(gateway: Arc<Gateway>) {
    let html = b"<!doctype html><script>alert(1)</script>".as_slice();
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    let xslt = b"<?xml version='1.0'?><?xml-stylesheet type='text/xsl' href='#'?><a/>";
    let xhtml = b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'><script/></html>";
    let gif_and_script = b"GIF89a/*<script>alert(1)</script>*/=1;";
    let pdf_and_html = b"%PDF-1.7\n<html><script>alert(1)</script></html>";
    for (name, content_type, bytes, served_as) in [
        ("a.html", "text/html", html, "text/html"),
        ("a.png", "image/png", html, "text/html"),
        ("a.mp4", "video/mp4", html, "text/html"),
        ("a.svg", "image/svg+xml", svg.as_slice(), "image/svg+xml"),
        ("a.jpg", "image/jpeg", svg, "image/svg+xml"),
        ("a.xml", "text/plain", xslt, "text/xml"),
        (
            "a.xhtml",
            "application/xhtml+xml",
            xhtml,
            "application/xhtml+xml",
        ),
        ("a.gif", "text/html", gif_and_script, "text/html"),
        ("a.js", "text/javascript", b"alert(1)", "text/javascript"),
        // Scripts of a PDF run in the viewer, which is no part of any origin; a sandbox would keep
        // browsers from showing it. With `nosniff` its other half is never HTML.
        ("a.pdf", "text/html", b"%PDF-1.7\n", "text/html"),
        ("b.pdf", "application/pdf", pdf_and_html, "application/pdf"),
    ] {
        let stored = gateway
            .store("ana", name, content_type, bytes.to_vec())
            .await;
        let token = gateway.token("ana", "").await;
        let stream = format!("/v1/files/stream/{}?token={token}", stored.id);
        for (request, embedding) in [
            (
                gateway.get(&stored.path()).bearer_auth(member("ana")),
                "same-origin",
            ),
            (gateway.get(&stream), "cross-origin"),
        ] {
            let answer = Answer::to(request).await;
            let told = answer.header("content-type").unwrap();
            assert_eq!(told.split(';').next(), Some(served_as), "{name}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(
                answer.header("cross-origin-resource-policy"),
                Some(embedding)
            );
            let disposition = answer.header("content-disposition").unwrap();
            let policy = answer.header("content-security-policy");
            if served_as == "application/pdf" {
                assert!(disposition.starts_with("inline"), "{name}");
                assert_eq!(policy, None);
            } else {
                assert!(disposition.starts_with("attachment"), "{name}");
                assert_eq!(policy, Some("default-src 'none'; sandbox"), "{name}");
            }
        }
    }
    let name = "a%0D%0ASet-Cookie: b=c; \"Größe\".pdf";
    let stored = gateway
        .store("ana", name, "application/pdf", b"%PDF-1.7\n".to_vec())
        .await;
    let answer = Answer::to(gateway.get(&stored.path()).bearer_auth(member("ana"))).await;
    assert_eq!(answer.header("set-cookie"), None);
    assert!(
        answer
            .header("content-disposition")
            .unwrap()
            .contains("Gr%C3%B6%C3%9Fe")
    );
}

async fn unknown_and_malformed_ids(gateway: Arc<Gateway>) {
    let answer = gateway
        .get(&format!("/v1/files/{UNKNOWN}"))
        .bearer_auth(member("ana"));
    Answer::to(answer)
        .await
        .assert_failure(404, "file_not_found");
    for id in [
        "1",
        "abc",
        "0b4b8f4e-5a7f-4f0e-9a51-2f0f1f0a9c1",
        "..%2F..%2Fetc",
        "%00",
    ] {
        let request = gateway
            .get(&format!("/v1/files/{id}"))
            .bearer_auth(member("ana"));
        let answer = Answer::to(request).await;
        answer.assert_invalid(&[(json!(["path", "file_id"]), "uuid_parsing")]);
    }
    let request = gateway.get("/v1/files/%FF").bearer_auth(member("ana"));
    let answer = Answer::to(request).await;
    answer.assert_invalid(&[(json!(["path"]), "string_unicode")]);
}
