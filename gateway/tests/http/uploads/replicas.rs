//! Two gateways on one database and one bucket.

use std::sync::Arc;

use super::client::{MIB, pattern};
use crate::gateway_under_test::Gateway;
use crate::support::sha256;
use crate::worlds::everywhere;

everywhere!(
    pieces_go_to_any_replica,
    a_killed_replica_loses_nothing_acknowledged,
    a_reconnected_client_does_not_wait_for_its_old_connection,
    a_late_request_changes_nothing,
    bytes_that_are_all_there_become_a_file_without_their_gateway,
);

async fn pieces_go_to_any_replica(gateway: Arc<Gateway>) {
    let (gateway, other) = gateway.with_replica().await;
    let bytes = pattern(30 * MIB);
    let path = gateway.begin_upload(bytes.len()).await;
    let mut offset = 0;
    for (turn, size) in [MIB, 9 * MIB, 1, 6 * MIB, 3 * MIB].into_iter().enumerate() {
        let by = [&*gateway, &other.gateway][turn % 2];
        let answer = by
            .append(&path, offset, &bytes[offset..offset + size])
            .await;
        assert_eq!(answer.status, 204);
        offset += size;
    }
    let answer = other.gateway.append(&path, offset, &bytes[offset..]).await;
    let file = gateway.assert_stored(&answer, &bytes).await;
    assert_eq!(gateway.world.sha256_of(&file).await, sha256(&bytes));
    gateway.world.assert_files(1).await;
}

async fn a_killed_replica_loses_nothing_acknowledged(gateway: Arc<Gateway>) {
    let (gateway, mut other) = gateway.with_replica().await;
    let bytes = pattern(40 * MIB);
    let path = other.gateway.begin_upload(bytes.len()).await;
    // Acknowledged, and shorter than a part.
    let answer = other.gateway.append(&path, 0, &bytes[..3 * MIB]).await;
    assert_eq!(answer.status, 204);
    let piece = other.gateway.open_piece(&path, 3 * MIB);
    piece.feed(&bytes[3 * MIB..30 * MIB]).await;
    gateway.reaches(&path, 8 * MIB).await;
    other.kill();
    let offset = gateway.offset(&path).await;
    assert!((8 * MIB..=30 * MIB).contains(&offset), "{offset}");
    // No lease is waited for.
    let answer = gateway.resume(&path, &bytes).await;
    let file = gateway.assert_stored(&answer, &bytes).await;
    assert_eq!(gateway.world.sha256_of(&file).await, sha256(&bytes));
    piece.break_off().await;
    gateway.world.assert_files(1).await;
}

async fn a_reconnected_client_does_not_wait_for_its_old_connection(gateway: Arc<Gateway>) {
    let (gateway, other) = gateway.with_replica().await;
    let bytes = pattern(20 * MIB);
    let path = gateway.begin_upload(bytes.len()).await;
    // The old connection hangs: nothing comes, and nobody closes it.
    let hanging = other.gateway.open_piece(&path, 0);
    hanging.feed(&bytes[..10 * MIB]).await;
    gateway.reaches(&path, 8 * MIB).await;
    let answer = gateway.resume(&path, &bytes).await;
    assert_eq!(answer.status, 204);
    gateway.assert_stored(&answer, &bytes).await;
    hanging.answered().await.assert_failure(423, "upload_taken");
    let standing = gateway.standing(&path).await;
    gateway.assert_stored(&standing, &bytes).await;
    gateway.world.assert_files(1).await;
}

async fn a_late_request_changes_nothing(gateway: Arc<Gateway>) {
    let (gateway, other) = gateway.with_replica().await;
    let bytes = pattern(33 * MIB);
    let path = gateway.begin_upload(bytes.len()).await;
    // It holds the upload, with bytes in memory, when the newer one comes.
    let late = other.gateway.open_piece(&path, 0);
    late.feed(&vec![0xEE; 5 * MIB]).await;
    gateway.world.wait_for_holder().await;
    let newer = gateway.open_piece(&path, 0);
    newer.feed(&bytes[..9 * MIB]).await;
    gateway.reaches(&path, 8 * MIB).await;
    // Now the old one goes on: whole parts of other bytes, which S3 would take.
    late.feed(&vec![0xEE; 20 * MIB]).await;
    // The server does not read what it does not want, so its answer may get lost.
    if let Ok(answer) = late.finish().await {
        answer.assert_failure(423, "upload_taken");
    }
    newer.feed(&bytes[9 * MIB..]).await;
    let answer = newer.finish().await.unwrap();
    assert_eq!(answer.status, 204);
    let file = gateway.assert_stored(&answer, &bytes).await;
    assert_eq!(gateway.world.sha256_of(&file).await, sha256(&bytes));
    gateway.world.assert_files(1).await;
}

async fn bytes_that_are_all_there_become_a_file_without_their_gateway(gateway: Arc<Gateway>) {
    for size in [5, 9 * MIB] {
        let bytes = pattern(size);
        let path = gateway.begin_upload(size).await;
        let answer = gateway.append(&path, 0, &bytes).await;
        let file = gateway.assert_stored(&answer, &bytes).await;
        // As a gateway leaves it that dies after the object was put together, before the commit.
        gateway.world.uncommit(&file).await;
        let standing = gateway.standing(&path).await;
        gateway.assert_stored(&standing, &bytes).await;
    }
}
