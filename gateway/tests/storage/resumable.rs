//! Uploads in pieces, below HTTP: what only the service layer can show.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use gateway::catalog::{
    Advance, Allowance, NewResumableRow, NewRow, PartRow, Quota, Terms, Visibility,
};
use gateway::files::{FileStatus, NewUpload, Piece, ResumableUpload};
use gateway::store::{MultipartUpload, UploadedPart};
use uuid::Uuid;

use crate::support::{caller, frames, named, pattern, sha256};
use crate::world::{World, everywhere};

everywhere!(
    a_video_in_pieces_gets_its_job,
    a_stale_holder_changes_nothing,
    part_numbers_are_used_once,
    one_undone_while_it_was_put_together_is_settled,
);

const LEASE: Duration = Duration::from_secs(60);

impl World {
    async fn begin(&self, length: usize) -> ResumableUpload {
        let new = NewUpload {
            length: Some(length as u64),
            metadata: String::new(),
            file: named("film", "video/mp4"),
        };
        self.files
            .create_resumable(&caller("ana"), new)
            .await
            .unwrap()
    }

    async fn append(
        &self,
        upload: &ResumableUpload,
        offset: usize,
        bytes: Bytes,
    ) -> ResumableUpload {
        let piece = Piece {
            offset: offset as u64,
            length: None,
            size: None,
            checksum: None,
            body: frames(bytes),
        };
        let files = &self.files;
        files
            .append_resumable(&caller("ana"), upload.id, piece)
            .await
            .unwrap()
    }
}

async fn a_video_in_pieces_gets_its_job(world: Arc<World>) {
    for size in [100, 11 << 20] {
        let mut bytes = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41".to_vec();
        bytes.extend_from_slice(&pattern(size));
        let bytes = Bytes::from(bytes);
        let upload = world.begin(bytes.len()).await;
        world.append(&upload, 0, bytes.slice(..20)).await;
        let finished = world.append(&upload, 20, bytes.slice(20..)).await;
        let file = finished.file.unwrap();
        assert_eq!(file.status, FileStatus::Processing);
        assert_eq!(file.content_type, "video/mp4");
        assert_eq!(file.sha256, sha256(&bytes));
        let job = world.catalog.take_job(LEASE).await.unwrap().unwrap();
        assert_eq!(job.file_id, file.id);
    }
    assert!(world.catalog.take_job(LEASE).await.unwrap().is_none());
}

async fn held(world: &World) -> Uuid {
    let id = Uuid::new_v4();
    let file = NewRow {
        id,
        organization: "acme".into(),
        owner: "ana".into(),
        name: "a".into(),
        location: format!("acme/{id}/original"),
        content_type: "text/plain".into(),
        visibility: Visibility::Private,
    };
    let upload = NewResumableRow {
        length: Some(100),
        metadata: String::new(),
        declared_type: None,
        part_size: 10,
        digest: vec![1],
        expires_at: Utc::now() + LEASE,
    };
    let allowance = Allowance {
        quota: Quota::default(),
        unfinished: 100,
    };
    let insert = world.catalog.insert_resumable(file, upload, allowance);
    insert.await.unwrap();
    id
}

fn terms(length: Option<u64>) -> Terms {
    Terms {
        length,
        quota: Quota::default(),
        lease_until: Utc::now() + LEASE,
        expires_at: Utc::now() + LEASE,
    }
}

async fn a_stale_holder_changes_nothing(world: Arc<World>) {
    let (catalog, id) = (&world.catalog, held(&world).await);
    let soon = Utc::now() + LEASE;
    let take = |offset, length| catalog.take_resumable(id, offset, terms(length));
    assert_eq!(take(1, None).await.unwrap(), None);
    assert_eq!(take(0, Some(99)).await.unwrap(), None);
    let stale = take(0, Some(100)).await.unwrap().unwrap();
    let newest = take(0, None).await.unwrap().unwrap();
    let advance = |offset| Advance {
        offset,
        digest: vec![2],
        parts: vec![PartRow {
            number: 1,
            etag: "a".into(),
            size: offset,
        }],
        tail: None,
        expires_at: soon,
    };
    assert!(!catalog.advance_resumable(stale, advance(10)).await.unwrap());
    assert!(!catalog.hold_resumable(stale, soon, soon).await.unwrap());
    assert_eq!(catalog.take_part_number(stale, 10).await.unwrap(), None);
    let begin = catalog.begin_parts(stale, "x".into(), "image/png".into(), true);
    assert!(!begin.await.unwrap());
    catalog.release_resumable(stale).await.unwrap();
    let row = catalog.find_resumable(id).await.unwrap().unwrap();
    assert_eq!(
        (row.upload_offset, row.multipart_id, row.video),
        (0, None, false)
    );
    assert_eq!(row.content_type, "text/plain");
    assert!(row.lease_until.is_some());
    assert!(catalog.parts_of(id).await.unwrap().is_empty());
    assert!(
        catalog
            .advance_resumable(newest, advance(10))
            .await
            .unwrap()
    );
    assert!(take(0, None).await.unwrap().is_none());
    // Ended, it is nobody's.
    assert!(catalog.begin_undo(id).await.unwrap());
    assert!(
        !catalog
            .advance_resumable(newest, advance(20))
            .await
            .unwrap()
    );
    assert!(!catalog.hold_resumable(newest, soon, soon).await.unwrap());
    assert!(take(10, None).await.unwrap().is_none());
}

async fn part_numbers_are_used_once(world: Arc<World>) {
    let (catalog, id) = (&world.catalog, held(&world).await);
    let mut numbers = Vec::new();
    for _ in 0..3 {
        let held = catalog
            .take_resumable(id, 0, terms(None))
            .await
            .unwrap()
            .unwrap();
        numbers.push(catalog.take_part_number(held, 4).await.unwrap());
        numbers.push(catalog.take_part_number(held, 4).await.unwrap());
    }
    assert_eq!(numbers, [Some(1), Some(2), Some(3), Some(4), None, None]);
}

/// Whoever put it together came too late to commit it, and the store knows its parts no more.
async fn one_undone_while_it_was_put_together_is_settled(world: Arc<World>) {
    let upload = world.begin(12 << 20).await;
    world.append(&upload, 0, pattern(6 << 20)).await;
    let row = world.catalog.find_resumable(upload.id).await.unwrap();
    let row = row.unwrap();
    let in_parts = MultipartUpload {
        key: row.location,
        id: row.multipart_id.unwrap(),
    };
    let parts = world.catalog.parts_of(upload.id).await.unwrap();
    let parts: Vec<_> = parts
        .into_iter()
        .map(|part| UploadedPart {
            number: part.number,
            etag: part.etag,
        })
        .collect();
    let complete = world
        .store
        .complete_multipart_upload(&in_parts, &parts, 6 << 20);
    complete.await.unwrap();
    assert!(world.catalog.begin_undo(upload.id).await.unwrap());
    tokio::time::sleep(Duration::from_millis(50)).await;
    let swept = world.files.sweep(Duration::ZERO).await.unwrap().unwrap();
    assert_eq!((swept.rows.settled, swept.rows.failed), (1, 0));
    assert_eq!(world.objects().await, [""; 0]);
    assert_eq!(world.locations().await, [""; 0]);
}
