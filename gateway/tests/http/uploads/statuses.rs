//! What is refused, with which status, and what it leaves.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use reqwest::{Body, Method};

use super::client::{MIB, PIECE, pattern};
use crate::gateway_under_test::Gateway;
use crate::support::{Answer, sha256};
use crate::worlds::{Database, ObjectStore, everywhere, once, within};

everywhere!(
    a_wrong_checksum_costs_that_piece_alone,
    more_bytes_than_were_announced,
);

once!(
    wrong_creations_leave_nothing,
    wrong_pieces_change_nothing,
    metadata_errors_name_the_key,
);

fn checksum(algorithm: &str, bytes: &[u8]) -> String {
    let digest = match algorithm {
        "sha1" => aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes),
        _ => aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes),
    };
    format!("{algorithm} {}", STANDARD.encode(digest))
}

async fn wrong_creations_leave_nothing(gateway: Arc<Gateway>) {
    let beyond = "18446744073709551616";
    for (headers, status, code) in [
        (vec![], 400, "header_invalid"),
        (vec![("upload-length", "-1")], 400, "header_invalid"),
        (vec![("upload-length", "many")], 400, "header_invalid"),
        (vec![("upload-length", "5368709121")], 413, "file_too_large"),
        (vec![("upload-length", beyond)], 413, "file_too_large"),
        (vec![("upload-defer-length", "2")], 400, "header_invalid"),
        (
            vec![("upload-defer-length", "1"), ("upload-length", "1")],
            400,
            "header_invalid",
        ),
        (
            vec![("upload-length", "1"), ("upload-concat", "partial")],
            400,
            "header_invalid",
        ),
        (
            vec![("upload-length", "1"), ("upload-checksum", "md5 YQ==")],
            400,
            "header_invalid",
        ),
        (
            vec![("upload-length", "1"), ("upload-checksum", "sha1 YQ==")],
            400,
            "header_invalid",
        ),
    ] {
        let mut request = gateway.tus("ana", Method::POST, "/v1/uploads");
        for (name, value) in &headers {
            request = request.header(*name, *value);
        }
        let answer = Answer::to(request).await;
        answer.assert_failure(status, code);
        if status == 413 {
            assert_eq!(answer.header("tus-max-size"), Some("5368709120"));
        }
    }
    let post = || {
        gateway
            .tus("ana", Method::POST, "/v1/uploads")
            .header("upload-length", 3)
    };
    let request = post().header("content-type", "application/octet-stream");
    let answer = Answer::to(request.body("abc")).await;
    answer.assert_failure(415, "unsupported_media_type");
    let request = post().header("content-type", PIECE).body("abcd");
    Answer::to(request)
        .await
        .assert_failure(413, "upload_overrun");
    let request = post()
        .header("content-type", PIECE)
        .header("upload-checksum", checksum("sha1", b"abd"));
    let answer = Answer::to(request.body("abc")).await;
    answer.assert_failure(460, "checksum_mismatch");
    gateway.world.assert_files(0).await;
}

async fn metadata_errors_name_the_key(gateway: Arc<Gateway>) {
    let request = gateway
        .tus("ana", Method::POST, "/v1/uploads")
        .header("upload-length", 3)
        .header("upload-metadata", "x YQ==,filename not-base64!");
    let answer = Answer::to(request).await;
    answer.assert_failure(400, "header_invalid");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.starts_with("Upload-Metadata: the value of filename"),
        "{detail}"
    );
}

async fn wrong_pieces_change_nothing(gateway: Arc<Gateway>) {
    let path = gateway.begin_upload(6).await;
    assert_eq!(gateway.append(&path, 0, b"ab").await.status, 204);
    for offset in ["0", "1", "3", "18446744073709551616"] {
        let request = gateway
            .tus("ana", Method::PATCH, &path)
            .header("content-type", PIECE)
            .header("upload-offset", offset)
            .body("cd");
        let answer = Answer::to(request).await;
        answer.assert_failure(409, "offset_mismatch");
        assert_eq!(answer.header("upload-offset"), Some("2"));
    }
    for offset in ["-1", "x", "1.5", ""] {
        let request = gateway
            .tus("ana", Method::PATCH, &path)
            .header("content-type", PIECE)
            .header("upload-offset", offset)
            .body("cd");
        Answer::to(request)
            .await
            .assert_failure(400, "header_invalid");
    }
    let request = gateway
        .tus("ana", Method::PATCH, &path)
        .header("upload-offset", 2)
        .header("content-type", "application/octet-stream")
        .body("cd");
    let answer = Answer::to(request).await;
    answer.assert_failure(415, "unsupported_media_type");
    let answer = gateway.append(&path, 2, b"cdefg").await;
    answer.assert_failure(413, "upload_overrun");
    let request = gateway.piece(&path, 2, "cd").header("upload-length", 7);
    Answer::to(request)
        .await
        .assert_failure(400, "upload_length_invalid");
    assert_eq!(gateway.offset(&path).await, 2);
    let answer = gateway.append(&path, 2, b"cdef").await;
    gateway.assert_stored(&answer, b"abcdef").await;
    // Finished is finished.
    let answer = gateway.append(&path, 2, b"cd").await;
    answer.assert_failure(409, "offset_mismatch");
    let answer = gateway.append(&path, 6, b"g").await;
    answer.assert_failure(409, "offset_mismatch");
}

async fn a_wrong_checksum_costs_that_piece_alone(gateway: Arc<Gateway>) {
    let bytes = pattern(19 * MIB);
    let path = gateway.begin_upload(bytes.len()).await;
    let (first, second) = bytes.split_at(MIB + 1);
    for algorithm in ["sha1", "sha256"] {
        let wrong = gateway
            .piece(&path, 0, first.to_vec())
            .header("upload-checksum", checksum(algorithm, second));
        Answer::to(wrong)
            .await
            .assert_failure(460, "checksum_mismatch");
        assert_eq!(gateway.offset(&path).await, 0);
    }
    let right = gateway
        .piece(&path, 0, first.to_vec())
        .header("upload-checksum", checksum("sha1", first));
    assert_eq!(Answer::to(right).await.status, 204);
    // Long enough for parts that S3 has already when the checksum turns out to be wrong.
    let mut spoiled = second.to_vec();
    spoiled[3] ^= 1;
    let wrong = gateway
        .piece(&path, first.len(), spoiled)
        .header("upload-checksum", checksum("sha256", second));
    Answer::to(wrong)
        .await
        .assert_failure(460, "checksum_mismatch");
    assert_eq!(gateway.offset(&path).await, first.len());
    let right = gateway
        .piece(&path, first.len(), second.to_vec())
        .header("upload-checksum", checksum("sha256", second));
    let answer = Answer::to(right).await;
    assert_eq!(answer.status, 204);
    let file = gateway.assert_stored(&answer, &bytes).await;
    gateway.world.assert_files(1).await;
    assert_eq!(gateway.world.sha256_of(&file).await, sha256(&bytes));
}

async fn more_bytes_than_were_announced(gateway: Arc<Gateway>) {
    let path = gateway.begin_upload(9 * MIB).await;
    // Without a Content-Length, so that only the bytes themselves tell.
    let frames = (0..10).map(|n| Ok::<_, std::io::Error>(vec![7_u8; if n < 9 { MIB } else { 1 }]));
    let body = Body::wrap_stream(stream::iter(frames));
    let answer = Answer::to(gateway.piece(&path, 0, body)).await;
    answer.assert_failure(413, "upload_overrun");
    let offset = gateway.offset(&path).await;
    assert!(offset < 9 * MIB, "{offset}");
    let answer = gateway
        .append(&path, offset, &vec![7; 9 * MIB - offset])
        .await;
    gateway.assert_stored(&answer, &vec![7; 9 * MIB]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_length_has_the_same_limit() {
    let variables = [("UPLOADS_MAX_FILE_BYTES", "4")];
    within(
        Database::Sqlite,
        ObjectStore::Versitygw,
        &variables,
        |gateway| async move {
            let request = gateway
                .tus("ana", Method::POST, "/v1/uploads")
                .header("upload-defer-length", 1);
            let path = Answer::to(request)
                .await
                .header("location")
                .unwrap()
                .to_owned();
            let answer = gateway.append(&path, 0, b"abcde").await;
            answer.assert_failure(413, "file_too_large");
            assert_eq!(answer.header("tus-max-size"), Some("4"));
            let request = gateway.piece(&path, 0, "ab").header("upload-length", 5);
            Answer::to(request)
                .await
                .assert_failure(413, "file_too_large");
            assert_eq!(gateway.append(&path, 0, b"ab").await.status, 204);
            let request = gateway.piece(&path, 2, "").header("upload-length", 1);
            Answer::to(request)
                .await
                .assert_failure(400, "upload_length_invalid");
            assert_eq!(gateway.offset(&path).await, 2);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotas_and_types_hold_here_too() {
    let variables = [("QUOTA_BYTES", "10"), ("UPLOADS_DENIED_TYPES", "image/png")];
    within(
        Database::Sqlite,
        ObjectStore::Versitygw,
        &variables,
        |gateway| async move {
            let post = || gateway.tus("ana", Method::POST, "/v1/uploads");
            let answer = Answer::to(post().header("upload-length", 11)).await;
            assert_eq!(answer.status, 507);
            // What is known only when it comes.
            let answer = Answer::to(post().header("upload-defer-length", 1)).await;
            let path = answer.header("location").unwrap().to_owned();
            assert_eq!(gateway.append(&path, 0, b"hello world").await.status, 507);
            assert_eq!(gateway.offset(&path).await, 0);
            let answer = Answer::to(gateway.tus("ana", Method::DELETE, &path)).await;
            assert_eq!(answer.status, 204);
            let path = gateway.begin_upload(8).await;
            let answer = gateway.append(&path, 0, b"\x89PNG\r\n\x1a\n").await;
            assert_eq!(answer.status, 415);
            assert_eq!(gateway.standing(&path).await.status, 404);
            gateway.world.assert_files(0).await;
        },
    )
    .await;
}
