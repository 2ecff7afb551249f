//! What goes in comes out, and what is refused leaves nothing.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use gateway::files::{FileStatus, FilesError, NewFile};

use crate::support::{
    broken, caller, collect, commit, frames, is_not_found, named, pattern, sha256,
};
use crate::world::{LIMIT, World, everywhere};

const PART: usize = 8 << 20;

everywhere!(
    every_size_comes_back,
    files_become_readable_together,
    a_body_that_breaks_off_leaves_nothing,
    a_file_that_is_too_large_leaves_nothing,
    a_file_too_many_leaves_nothing,
    an_aborted_batch_leaves_nothing,
    a_batch_without_files_is_refused,
);

async fn every_size_comes_back(world: Arc<World>) {
    for size in [0, 1, PART - 1, PART, PART + 1, 40 << 20] {
        let bytes = pattern(size);
        let record = world
            .upload("ana", named("a.bin", "application/x-test"), bytes.clone())
            .await;
        assert_eq!(record.size, size as u64);
        assert_eq!(record.sha256, sha256(&bytes));
        assert_eq!(record.status, FileStatus::Ready);
        assert_eq!(record.location, format!("acme/{}/original", record.id));
        let found = world.files.find(&caller("ana"), record.id).await.unwrap();
        let read = collect(world.files.read(&found, None).await.unwrap()).await;
        assert_eq!(read.len(), size);
        assert_eq!(sha256(&read), sha256(&bytes), "{size} bytes");
        // The store can serve it by itself, so it must know the type too.
        let head = world.s3.head_object().bucket(&world.bucket);
        let head = head.key(&found.location).send().await.unwrap();
        assert_eq!(head.content_type(), Some("application/x-test"));
    }
    for location in world.locations().await {
        assert_eq!(world.uploads(&location).await, []);
    }
}

async fn files_become_readable_together(world: Arc<World>) {
    let mut batch = world.files.begin_upload(&caller("ana"), None).unwrap();
    batch
        .add(named("a.txt", "text/plain"), frames(pattern(10)))
        .await
        .unwrap();
    batch
        .add(NewFile::default(), frames(pattern(PART + 10)))
        .await
        .unwrap();
    for location in world.locations().await {
        let found = world
            .files
            .find_by_location(&caller("ana"), &location)
            .await;
        assert!(is_not_found(found));
    }
    let records = commit(batch).await.unwrap();
    let sizes: Vec<_> = records.iter().map(|file| file.size).collect();
    assert_eq!(sizes, [10, PART as u64 + 10]);
    assert_eq!(records[0].name, "a.txt");
    assert_eq!(records[1].name, "file");
    for record in &records {
        world.files.find(&caller("ana"), record.id).await.unwrap();
        assert_eq!(record.modified_at.timestamp_subsec_nanos(), 0);
    }
}

async fn a_body_that_breaks_off_leaves_nothing(world: Arc<World>) {
    let mut batch = world.files.begin_upload(&caller("ana"), None).unwrap();
    batch
        .add(NewFile::default(), frames(pattern(100)))
        .await
        .unwrap();
    batch
        .add(NewFile::default(), frames(pattern(9 << 20)))
        .await
        .unwrap();
    let body = frames(pattern(30 << 20)).chain(stream::iter([broken("the client left")]));
    let error = batch.add(NewFile::default(), body).await.unwrap_err();
    assert!(matches!(error, FilesError::Body { message } if message == "the client left"));
    let locations = world.locations().await;
    assert_eq!(locations.len(), 3);
    let error = commit(batch).await.unwrap_err();
    assert!(matches!(error, FilesError::Body { .. }));
    world.assert_nothing_is_left(&locations).await;
}

async fn a_file_that_is_too_large_leaves_nothing(world: Arc<World>) {
    let mut batch = world.files.begin_upload(&caller("ana"), None).unwrap();
    batch
        .add(NewFile::default(), frames(pattern(5)))
        .await
        .unwrap();
    let body = frames(pattern(LIMIT as usize + 1));
    let error = batch.add(NewFile::default(), body).await.unwrap_err();
    assert!(matches!(
        error,
        FilesError::TooLarge {
            index: 1,
            limit: LIMIT
        }
    ));
    let locations = world.locations().await;
    batch.abort().await;
    assert_eq!(world.locations().await, [""; 0]);
    world.assert_nothing_is_left(&locations).await;
}

async fn a_file_too_many_leaves_nothing(world: Arc<World>) {
    let mut batch = world.files.begin_upload(&caller("ana"), None).unwrap();
    for _ in 0..3 {
        batch
            .add(NewFile::default(), frames(pattern(5)))
            .await
            .unwrap();
    }
    let unread = stream::poll_fn(|_| panic!("the body of a refused file was read"));
    let unread = unread.map(|bytes: Bytes| Ok(bytes));
    let error = batch.add(NewFile::default(), unread).await.unwrap_err();
    assert!(matches!(error, FilesError::TooManyFiles { limit: 3 }));
    drop(batch);
    world.assert_nothing_is_left(&[]).await;
}

async fn an_aborted_batch_leaves_nothing(world: Arc<World>) {
    let mut batch = world.files.begin_upload(&caller("ana"), None).unwrap();
    batch
        .add(NewFile::default(), frames(pattern(5)))
        .await
        .unwrap();
    batch
        .add(NewFile::default(), frames(pattern(PART * 2)))
        .await
        .unwrap();
    batch.abort().await;
    assert_eq!(world.objects().await, [""; 0]);
    assert_eq!(world.count("SELECT count(*) FROM files").await, 0);
}

async fn a_batch_without_files_is_refused(world: Arc<World>) {
    let batch = world.files.begin_upload(&caller("ana"), None).unwrap();
    assert!(matches!(commit(batch).await, Err(FilesError::NoFiles)));
}
