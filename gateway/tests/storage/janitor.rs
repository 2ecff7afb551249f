//! What a crash left.

use std::sync::Arc;
use std::time::Duration;

use gateway::catalog::{NewRow, Visibility};
use gateway::files::{NewFile, Swept};
use uuid::Uuid;

use crate::support::{caller, commit, frames, pattern};
use crate::world::{ObjectStore, World, everywhere};

everywhere!(
    what_a_crash_left_is_settled,
    what_is_young_or_not_ours_stays,
    a_running_upload_is_left_alone,
);

const DAY: Duration = Duration::from_secs(24 * 3600);

fn row(id: Uuid) -> NewRow {
    NewRow {
        id,
        organization: "acme".into(),
        owner: "ana".into(),
        name: "a".into(),
        location: format!("acme/{id}/original"),
        content_type: "text/plain".into(),
        visibility: Visibility::Private,
    }
}

impl World {
    async fn put(&self, key: &str) {
        let put = self.s3.put_object().bucket(&self.bucket).key(key);
        put.body(pattern(10).into()).send().await.unwrap();
    }

    async fn begin_parts(&self, key: &str) {
        let create = self.s3.create_multipart_upload().bucket(&self.bucket);
        create.key(key).send().await.unwrap();
    }
}

async fn what_a_crash_left_is_settled(world: Arc<World>) {
    let kept = world.upload("ana", NewFile::default(), pattern(10)).await;
    // Died with the row written; with the object stored; in the middle of the parts.
    let (bare, stored, parts) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    for id in [bare, stored, parts] {
        world.catalog.insert_uploading(row(id)).await.unwrap();
    }
    world.put(&format!("acme/{stored}/original")).await;
    // Died in a deletion.
    let deleting = world.upload("ana", NewFile::default(), pattern(10)).await;
    assert!(world.catalog.begin_delete(deleting.id).await.unwrap());
    // Objects that no row knows.
    let orphan = Uuid::new_v4();
    world.put(&format!("acme/{orphan}/original")).await;
    world.put(&format!("acme/{orphan}/poster.jpg")).await;
    let mut expected = Swept {
        rows: 4,
        uploads: 0,
        objects: 2,
    };
    // The embedded store forgets open uploads when it starts; MinIO lists them by whole key only.
    let unknown = format!("acme/{}/original", Uuid::new_v4());
    if world.object_store != ObjectStore::Embedded {
        world.begin_parts(&format!("acme/{parts}/original")).await;
    }
    if world.object_store == ObjectStore::Versitygw {
        world.begin_parts(&unknown).await;
        expected.uploads = 1;
    }
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(world.files.sweep(Duration::ZERO).await.unwrap(), expected);
    assert_eq!(world.objects().await, [kept.location]);
    assert_eq!(world.locations().await.len(), 1);
    if world.object_store != ObjectStore::Embedded {
        assert_eq!(world.uploads(&format!("acme/{parts}/original")).await, []);
        assert_eq!(world.uploads(&unknown).await, []);
    }
    assert_eq!(
        world.files.sweep(Duration::ZERO).await.unwrap(),
        Swept::default()
    );
}

async fn what_is_young_or_not_ours_stays(world: Arc<World>) {
    let id = Uuid::new_v4();
    world.catalog.insert_uploading(row(id)).await.unwrap();
    world
        .put(&format!("acme/{}/original", Uuid::new_v4()))
        .await;
    assert_eq!(world.files.sweep(DAY).await.unwrap(), Swept::default());
    world.catalog.begin_undo(id).await.unwrap();
    world.catalog.remove(id).await.unwrap();
    world.files.sweep(Duration::ZERO).await.unwrap();
    let foreign = [
        format!("acme2/{}/original", Uuid::new_v4()),
        "acme/readme.txt".into(),
        "acme/reports/2026.pdf".into(),
        format!("acme/{}/original", Uuid::new_v4().simple()),
    ];
    for key in &foreign {
        world.put(key).await;
    }
    tokio::time::sleep(Duration::from_millis(1100)).await;
    world.files.sweep(Duration::ZERO).await.unwrap();
    let mut left = world.objects().await;
    let mut expected = foreign.to_vec();
    left.sort();
    expected.sort();
    assert_eq!(left, expected);
}

/// Swept with no patience at all for objects, while its rows are young.
async fn a_running_upload_is_left_alone(world: Arc<World>) {
    let mut batch = world.files.begin_upload(&caller("ana"), None).unwrap();
    batch
        .add(NewFile::default(), frames(pattern(10)))
        .await
        .unwrap();
    batch
        .add(NewFile::default(), frames(pattern(9 << 20)))
        .await
        .unwrap();
    assert_eq!(world.files.sweep(DAY).await.unwrap(), Swept::default());
    assert_eq!(commit(batch).await.unwrap().len(), 2);
    // And one that was taken for dead is refused, not half committed.
    let mut batch = world.files.begin_upload(&caller("ana"), None).unwrap();
    batch
        .add(NewFile::default(), frames(pattern(10)))
        .await
        .unwrap();
    batch
        .add(NewFile::default(), frames(pattern(11)))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    world.files.sweep(Duration::ZERO).await.unwrap();
    commit(batch).await.unwrap_err();
    world.files.settle().await;
    assert_eq!(world.locations().await.len(), 2);
    assert_eq!(world.objects().await.len(), 2);
}
