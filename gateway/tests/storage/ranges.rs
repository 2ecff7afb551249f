//! Reading parts of a file, and leaving in the middle.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use gateway::files::{ByteRange, NewFile};

use crate::support::{caller, collect, is_not_found, named, pattern};
use crate::world::{World, everywhere};

everywhere!(
    ranges_are_exact,
    a_reader_may_leave,
    a_presigned_url_reads_the_file,
    a_row_without_object_is_no_404,
);

async fn ranges_are_exact(world: Arc<World>) {
    let bytes = pattern(9 << 20);
    let file = world.upload("ana", NewFile::default(), bytes.clone()).await;
    let last = bytes.len() as u64 - 1;
    for (start, end) in [
        (0, 0),
        (0, 1),
        (0, last),
        (last, last),
        ((8 << 20) - 1, 8 << 20),
        (12_345, 4_567_890),
    ] {
        let range = ByteRange { start, end };
        let read = collect(world.files.read(&file, Some(range)).await.unwrap()).await;
        assert_eq!(read, bytes[start as usize..=end as usize], "{range:?}");
    }
}

async fn a_reader_may_leave(world: Arc<World>) {
    let file = world
        .upload("ana", NewFile::default(), pattern(20 << 20))
        .await;
    for _ in 0..60 {
        let mut body = world.files.read(&file, None).await.unwrap();
        body.next().await.unwrap().unwrap();
    }
    let read = world.files.read(&file, None).await.unwrap();
    let whole = tokio::time::timeout(Duration::from_secs(5), collect(read)).await;
    assert_eq!(whole.unwrap().len(), 20 << 20);
}

async fn a_presigned_url_reads_the_file(world: Arc<World>) {
    let bytes = pattern(1000);
    let file = named("ü \"1\".svg", "image/svg+xml");
    let file = world.upload("ana", file, bytes.clone()).await;
    let url = world
        .files
        .presign(&file, Duration::from_secs(60))
        .await
        .unwrap();
    let answer = reqwest::get(url.clone()).await.unwrap();
    assert_eq!(answer.status(), 200);
    // s3s-fs ignores the response-* parameters; the real servers must not.
    if world.object_store != crate::world::ObjectStore::Embedded {
        assert_eq!(answer.headers()["content-type"], "image/svg+xml");
        let disposition = answer.headers()["content-disposition"].to_str().unwrap();
        assert!(
            disposition.starts_with("attachment; filename=\"_ _1_.svg\""),
            "{disposition}"
        );
    }
    assert_eq!(answer.bytes().await.unwrap(), bytes);
    let mut forged = url;
    let path = forged.path().replace("original", "other");
    forged.set_path(&path);
    assert_eq!(reqwest::get(forged).await.unwrap().status(), 403);
}

async fn a_row_without_object_is_no_404(world: Arc<World>) {
    let file = world.upload("ana", NewFile::default(), pattern(10)).await;
    let delete = world.s3.delete_object().bucket(&world.bucket);
    delete.key(&file.location).send().await.unwrap();
    let error = world.files.read(&file, None).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the object store failed to read an object"
    );
    // Deleted between being found and being read: that is one.
    world.files.delete(&caller("ana"), file.id).await.unwrap();
    assert!(is_not_found(world.files.read(&file, None).await));
}
