//! `POST /v1/files`.

use futures_util::stream;
use reqwest::Body;
use serde_json::json;

use crate::forms::{BOUNDARY, content_type, field, file, form, part};
use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::support::{Answer, sha256};
use crate::worlds::{Database, ObjectStore, everywhere, within};
use std::sync::Arc;

impl Gateway {
    pub(crate) async fn upload(&self, content_type: &str, body: impl Into<Body>) -> Answer {
        let request = self.post("/v1/files").bearer_auth(member("ana"));
        Answer::to(request.header("content-type", content_type).body(body)).await
    }
}

everywhere!(
    several_files_in_one_request,
    malformed_bodies,
    missing_part,
    wrong_content_type,
    one_bad_part_undoes_the_others,
    a_client_that_leaves,
    parts_of_other_names,
    names_are_only_ever_shown,
    an_encoded_body_is_not_stored,
);

async fn several_files_in_one_request(gateway: Arc<Gateway>) {
    let big: Vec<u8> = (0..20 << 20).map(|n: u32| (n % 251) as u8).collect();
    let body = form(&[
        file("film.mp4", "video/mp4", &big),
        file("Größe.txt", "text/plain", b"hello"),
        file("empty", "text/plain", b""),
        field("files", b"no name, no type"),
    ]);
    let answer = gateway.upload(&content_type(), body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    let answer = answer.json();
    let files = answer["files"].as_array().unwrap();
    assert_eq!(files.len(), 4);
    for (index, bytes) in [&big[..], b"hello", b"", b"no name, no type"]
        .iter()
        .enumerate()
    {
        let file = &files[index];
        assert_eq!(file["index"], index);
        assert_eq!(file["size"], bytes.len());
        assert_eq!(file["sha256"], sha256(bytes));
        assert_eq!(file["owner"], "ana");
        assert_eq!(file["visibility"], "private");
        let location = format!("acme/{}/original", file["id"].as_str().unwrap());
        assert_eq!(file["location"], location);
    }
    assert_eq!(files[1]["name"], "Größe.txt");
    assert_eq!(files[1]["status"], "ready");
    gateway.world.assert_files(4).await;
    for (index, bytes) in [(0, &big[..]), (2, b"")] {
        let path = format!("/v1/files/{}", files[index]["id"].as_str().unwrap());
        let read = Answer::to(gateway.get(&path).bearer_auth(member("ana"))).await;
        assert_eq!(read.status, 200);
        assert!(read.body == bytes, "file {index} came back differently");
    }
}

async fn malformed_bodies(gateway: Arc<Gateway>) {
    let whole = form(&[
        file("a.bin", "text/plain", b"first"),
        file("b.bin", "text/plain", b"second"),
    ]);
    let malformed = [(json!(["body"]), "multipart_malformed")];
    for end in [
        1,
        20,
        60,
        whole.len() / 2,
        whole.len() - 30,
        whole.len() - 5,
    ] {
        let answer = gateway.upload(&content_type(), whole[..end].to_vec()).await;
        answer.assert_invalid(&malformed);
    }
    let long = "b".repeat(71);
    for content_type in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=another",
        &format!("multipart/form-data; boundary={long}"),
        &format!("multipart/form-data; boundary={BOUNDARY}; boundary=other"),
        &format!("multipart/form-data; boundary=other; boundary={BOUNDARY}"),
        &format!("multipart/form-data; boundary={BOUNDARY}; Boundary={BOUNDARY}"),
    ] {
        let answer = gateway.upload(content_type, whole.clone()).await;
        answer.assert_invalid(&malformed);
    }
    let headers = "Content-Disposition: form-data; name=\"files\"\r\nno colon here";
    for body in [
        b"".to_vec(),
        b"no form at all".to_vec(),
        form(&[part(headers, b"bytes")]),
        form(&[part(&"a".repeat(2 << 20), b"bytes")]),
        vec![b'a'; 3 << 20],
    ] {
        let answer = gateway.upload(&content_type(), body).await;
        answer.assert_invalid(&malformed);
    }
    gateway.world.assert_files(0).await;
}

/// Whatever decodes on the way would find other bytes than were meant.
async fn an_encoded_body_is_not_stored(gateway: Arc<Gateway>) {
    let whole = form(&[file("a.bin", "text/plain", b"first")]);
    let send = |coding: &'static str| {
        let request = gateway.post("/v1/files").bearer_auth(member("ana"));
        let request = request.header("content-type", content_type());
        Answer::to(
            request
                .header("content-encoding", coding)
                .body(whole.clone()),
        )
    };
    for coding in ["gzip", "br", "identity, gzip"] {
        let answer = send(coding).await;
        answer.assert_failure(415, "content_encoding_not_taken");
        assert_eq!(answer.header("accept-encoding"), Some("identity"));
    }
    gateway.world.assert_files(0).await;
    assert_eq!(send("identity").await.status, 200);
}

async fn missing_part(gateway: Arc<Gateway>) {
    let missing = [(json!(["body", "files"]), "missing")];
    for body in [
        form(&[]),
        form(&[field("file", b"a"), field("comment", b"b")]),
    ] {
        let answer = gateway.upload(&content_type(), body).await;
        answer.assert_invalid(&missing);
        assert_eq!(
            answer.json(),
            json!({"detail": [{"loc": ["body", "files"], "msg": "Field required", "type": "missing"}]})
        );
    }
    gateway.world.assert_files(0).await;
}

async fn wrong_content_type(gateway: Arc<Gateway>) {
    let missing = [(json!(["body", "files"]), "missing")];
    for content_type in [
        "application/json",
        "application/x-www-form-urlencoded",
        "nonsense",
        "",
    ] {
        let answer = gateway.upload(content_type, "{\"files\": []}").await;
        answer.assert_invalid(&missing);
    }
    gateway.world.assert_files(0).await;
}

async fn one_bad_part_undoes_the_others(gateway: Arc<Gateway>) {
    let big = vec![7; 9 << 20];
    let mut body = [
        file("small.txt", "text/plain", b"good"),
        file("big.bin", "application/octet-stream", &big),
        file("cut.bin", "application/octet-stream", &big),
    ]
    .concat();
    body.truncate(body.len() - 1000);
    let answer = gateway.upload(&content_type(), body).await;
    answer.assert_invalid(&[(json!(["body"]), "multipart_malformed")]);
    gateway.world.assert_files(0).await;
}

async fn a_client_that_leaves(gateway: Arc<Gateway>) {
    let start = file("cut.bin", "application/octet-stream", &vec![7; 9 << 20]);
    let chunks = stream::iter([Ok(start), Err(std::io::Error::other("the client leaves"))]);
    let request = gateway
        .post("/v1/files")
        .bearer_auth(member("ana"))
        .header("content-type", content_type())
        .body(Body::wrap_stream(chunks));
    assert!(request.send().await.is_err());
    gateway.world.assert_files(0).await;
}

async fn parts_of_other_names(gateway: Arc<Gateway>) {
    let body = form(&[
        field("comment", b"read over"),
        file("a.txt", "text/plain", b"kept"),
        field("other", &vec![b'x'; 100_000]),
    ]);
    let answer = gateway.upload(&content_type(), body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["files"].as_array().unwrap().len(), 1);
    gateway.world.assert_files(1).await;

    let film = part(
        "Content-Disposition: form-data; name=\"file\"; filename=\"film.mp4\"",
        &vec![b'x'; 3 << 20],
    );
    let body = form(&[file("a.txt", "text/plain", b"undone"), film]);
    let answer = gateway.upload(&content_type(), body).await;
    answer.assert_invalid(&[(json!(["body", "file"]), "extra_forbidden")]);
    gateway.world.assert_files(1).await;
}

async fn names_are_only_ever_shown(gateway: Arc<Gateway>) {
    let body = form(&[
        file("../../etc/passwd", "text/plain", b"a"),
        file("C:\\\\temp\\\\evil.exe", "text/plain", b"b"),
        file("\u{202e}name", "text/plain", b"c"),
    ]);
    let answer = gateway.upload(&content_type(), body).await.json();
    for file in answer["files"].as_array().unwrap() {
        let name = file["name"].as_str().unwrap();
        assert!(!name.contains(['/', '\\', '\u{202e}']), "{name:?}");
        let location = file["location"].as_str().unwrap();
        assert_eq!(location.matches('/').count(), 2, "{location}");
        assert!(!location.contains(".."), "{location}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_told_and_leave_nothing() {
    let limits = [
        ("UPLOADS_MAX_FILE_BYTES", "1000"),
        ("UPLOADS_MAX_FILES", "2"),
    ];
    within(
        Database::Sqlite,
        ObjectStore::Versitygw,
        &limits,
        |gateway| async move {
            let fits = file("a", "text/plain", &[b'a'; 1000]);
            let answer = gateway
                .upload(&content_type(), form(&[fits.clone(), fits.clone()]))
                .await;
            assert_eq!(answer.status, 200);
            gateway.world.assert_files(2).await;

            let over = file("b", "text/plain", &[b'b'; 1001]);
            let answer = gateway
                .upload(&content_type(), form(&[fits.clone(), over]))
                .await;
            answer.assert_failure(413, "file_too_large");
            let limit = json!({"name": "uploads.maxFileBytes", "value": 1000});
            assert_eq!(answer.json()["limit"], limit);

            let three = form(&[fits.clone(), fits.clone(), fits]);
            let answer = gateway.upload(&content_type(), three).await;
            answer.assert_invalid(&[(json!(["body", "files"]), "too_long")]);

            // Told before the body is read: it is longer than any form within the limits.
            let answer = gateway.upload(&content_type(), vec![0; 400_000]).await;
            answer.assert_failure(413, "request_too_large");
            gateway.world.assert_files(2).await;
        },
    )
    .await;
}
