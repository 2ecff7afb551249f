//! Uploads of every size, whole and in pieces.

use std::sync::Arc;

use reqwest::Method;

use super::client::{MIB, PIECE, encoded, pattern};
use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::support::{Answer, sha256};
use crate::worlds::{everywhere, on_both};

everywhere!(
    every_size_in_one_piece,
    every_size_with_its_creation,
    small_pieces_make_one_file,
    a_length_that_is_told_last,
    the_last_piece_again_is_answered_as_before,
    what_arrived_before_the_connection_broke_is_kept,
    the_type_is_found_in_the_first_bytes,
);

const SIZES: [usize; 6] = [0, 1, 5 * MIB - 1, 5 * MIB, 8 * MIB, 20 * MIB + 3];

async fn every_size_in_one_piece(gateway: Arc<Gateway>) {
    for size in SIZES {
        let bytes = pattern(size);
        let path = gateway.begin_upload(size).await;
        if size > 0 {
            let answer = gateway.append(&path, 0, &bytes).await;
            assert_eq!(answer.status, 204);
            gateway.assert_stored(&answer, &bytes).await;
        }
        let standing = gateway.standing(&path).await;
        assert_eq!(standing.header("upload-expires"), None);
        let file = gateway.assert_stored(&standing, &bytes).await;
        assert_eq!(gateway.world.sha256_of(&file).await, sha256(&bytes));
    }
    gateway.world.assert_files(SIZES.len()).await;
}

async fn every_size_with_its_creation(gateway: Arc<Gateway>) {
    for size in SIZES {
        let bytes = pattern(size);
        let request = gateway
            .tus("ana", Method::POST, "/v1/uploads")
            .header("upload-length", size)
            .header("content-type", PIECE)
            .body(bytes.clone());
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, 201);
        gateway.assert_stored(&answer, &bytes).await;
    }
    // Some of the bytes.
    let bytes = pattern(7 * MIB);
    let request = gateway
        .tus("ana", Method::POST, "/v1/uploads")
        .header("upload-length", bytes.len())
        .header("content-type", PIECE)
        .body(bytes[..10].to_vec());
    let answer = Answer::to(request).await;
    assert_eq!(answer.header("upload-offset"), Some("10"));
    assert_eq!(answer.header("upload-file-id"), None);
    let path = answer.header("location").unwrap().to_owned();
    let answer = gateway.append(&path, 10, &bytes[10..]).await;
    gateway.assert_stored(&answer, &bytes).await;
    gateway.world.assert_files(SIZES.len() + 1).await;
}

async fn small_pieces_make_one_file(gateway: Arc<Gateway>) {
    let bytes = pattern(23 * MIB + 11);
    let path = gateway.begin_upload(bytes.len()).await;
    let mut offset = 0;
    // Shorter than S3's smallest part, longer than ours, and of length 0.
    for size in [1, MIB, 0, 3 * MIB, 5 * MIB - 1, 1, 9 * MIB, 4 * MIB] {
        let answer = gateway
            .append(&path, offset, &bytes[offset..offset + size])
            .await;
        assert_eq!(answer.status, 204);
        offset += size;
        assert_eq!(
            answer.header("upload-offset"),
            Some(offset.to_string().as_str())
        );
        assert_eq!(answer.header("upload-file-id"), None);
        assert!(answer.header("upload-expires").is_some());
        assert_eq!(gateway.offset(&path).await, offset);
        // A reader does not see it yet.
        let file = path.replace("uploads", "files");
        let read = Answer::to(gateway.get(&file).bearer_auth(member("ana"))).await;
        read.assert_failure(404, "file_not_found");
    }
    let answer = gateway.append(&path, offset, &bytes[offset..]).await;
    let file = gateway.assert_stored(&answer, &bytes).await;
    assert_eq!(gateway.world.sha256_of(&file).await, sha256(&bytes));
    gateway.world.assert_files(1).await;
}

async fn a_length_that_is_told_last(gateway: Arc<Gateway>) {
    for size in [0, 1, 6 * MIB, 8 * MIB, 17 * MIB] {
        let bytes = pattern(size);
        let request = gateway
            .tus("ana", Method::POST, "/v1/uploads")
            .header("upload-defer-length", 1);
        let path = Answer::to(request)
            .await
            .header("location")
            .unwrap()
            .to_owned();
        let answer = gateway.append(&path, 0, &bytes).await;
        assert_eq!(answer.status, 204);
        let standing = gateway.standing(&path).await;
        assert_eq!(standing.header("upload-defer-length"), Some("1"));
        assert_eq!(standing.header("upload-length"), None);
        let request = gateway.piece(&path, size, "").header("upload-length", size);
        let answer = Answer::to(request).await;
        assert_eq!(
            answer.status,
            204,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        gateway.assert_stored(&answer, &bytes).await;
    }
    gateway.world.assert_files(5).await;
}

async fn the_last_piece_again_is_answered_as_before(gateway: Arc<Gateway>) {
    let bytes = pattern(9 * MIB);
    let path = gateway.begin_upload(bytes.len()).await;
    assert_eq!(gateway.append(&path, 0, &bytes[..MIB]).await.status, 204);
    let first = gateway.append(&path, MIB, &bytes[MIB..]).await;
    let again = gateway.append(&path, MIB, &bytes[MIB..]).await;
    assert_eq!((first.status, again.status.as_u16()), (again.status, 204));
    for name in ["upload-offset", "upload-file-id", "content-location"] {
        assert!(first.header(name).is_some());
        assert_eq!(first.header(name), again.header(name), "{name}");
    }
    gateway.assert_stored(&again, &bytes).await;
    gateway.world.assert_files(1).await;
}

async fn what_arrived_before_the_connection_broke_is_kept(gateway: Arc<Gateway>) {
    let bytes = pattern(21 * MIB);
    let path = gateway.begin_upload(bytes.len()).await;
    let piece = gateway.open_piece(&path, 0);
    piece.feed(&bytes[..10 * MIB]).await;
    // One part is recorded while the request goes on; what came after it when it breaks.
    gateway.reaches(&path, 8 * MIB).await;
    piece.break_off().await;
    let offset = gateway.reaches(&path, 8 * MIB + 1).await;
    assert!(offset <= 10 * MIB, "{offset}");
    let answer = gateway.resume(&path, &bytes).await;
    gateway.assert_stored(&answer, &bytes).await;
    gateway.world.assert_files(1).await;
}

/// Who sends too slowly is told so, and goes on from where it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_too_slowly_is_kept() {
    on_both(&[("SERVER_BODY_SECONDS", "1")], |gateway| async move {
        let bytes = pattern(21 * MIB);
        let path = gateway.begin_upload(bytes.len()).await;
        let mut offset = 0;
        // A tail alone, a part with a tail after it, and nothing.
        for size in [3 * MIB, 10 * MIB, 0] {
            let piece = gateway.open_piece(&path, offset);
            piece.feed(&bytes[offset..offset + size]).await;
            let answer = piece.answered().await;
            answer.assert_failure(408, "request_too_slow");
            offset += size;
            assert_eq!(gateway.offset(&path).await, offset);
        }
        let answer = gateway.append(&path, offset, &bytes[offset..]).await;
        assert_eq!(answer.status, 204);
        gateway.assert_stored(&answer, &bytes).await;
        gateway.world.assert_files(1).await;
    })
    .await;
}

async fn the_type_is_found_in_the_first_bytes(gateway: Arc<Gateway>) {
    for size in [100, 9 * MIB] {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0".to_vec();
        bytes.resize(size, 0);
        let request = gateway
            .tus("ana", Method::POST, "/v1/uploads")
            .header("upload-length", size)
            .header(
                "upload-metadata",
                format!("filetype {}", encoded("application/pdf")),
            );
        let path = Answer::to(request)
            .await
            .header("location")
            .unwrap()
            .to_owned();
        // The first piece alone tells nothing.
        assert_eq!(gateway.append(&path, 0, &bytes[..1]).await.status, 204);
        let answer = gateway.append(&path, 1, &bytes[1..]).await;
        let file = gateway.assert_stored(&answer, &bytes).await;
        let read = Answer::to(gateway.head(&file).bearer_auth(member("ana"))).await;
        assert_eq!(read.header("content-type"), Some("image/png"));
    }
}
