//! Who may delete, and what is left.

use std::sync::Arc;

use gateway::files::NewFile;

use crate::support::{admin, caller, is_not_found, pattern};
use crate::world::{World, everywhere};

everywhere!(
    the_owner_deletes,
    an_admin_deletes,
    nobody_else_deletes,
    a_deletion_survives_an_unreachable_store,
);

async fn the_owner_deletes(world: Arc<World>) {
    let file = world.upload("ana", NewFile::default(), pattern(100)).await;
    let kept = world.upload("ana", NewFile::default(), pattern(100)).await;
    let derived = format!("acme/{}/poster.jpg", file.id);
    let put = world.s3.put_object().bucket(&world.bucket).key(&derived);
    put.send().await.unwrap();
    world.files.delete(&caller("ana"), file.id).await.unwrap();
    assert!(is_not_found(
        world.files.find(&caller("ana"), file.id).await
    ));
    assert!(is_not_found(
        world.files.delete(&caller("ana"), file.id).await
    ));
    assert_eq!(world.objects().await, [kept.location]);
    assert_eq!(world.count("SELECT count(*) FROM files").await, 1);
}

async fn an_admin_deletes(world: Arc<World>) {
    let file = world.upload("ana", NewFile::default(), pattern(100)).await;
    world.files.delete(&admin("bo"), file.id).await.unwrap();
    world.assert_nothing_is_left(&[]).await;
}

async fn nobody_else_deletes(world: Arc<World>) {
    let file = world.upload("ana", NewFile::default(), pattern(100)).await;
    assert!(is_not_found(
        world.files.delete(&caller("bo"), file.id).await
    ));
    world
        .execute("UPDATE files SET visibility = 'organization'")
        .await;
    world.files.find(&caller("bo"), file.id).await.unwrap();
    assert!(is_not_found(
        world.files.delete(&caller("bo"), file.id).await
    ));
    world.files.find(&caller("ana"), file.id).await.unwrap();
}

/// The key is revoked: the row says `deleting`, and the janitor finishes when the store is back.
async fn a_deletion_survives_an_unreachable_store(world: Arc<World>) {
    let file = world.upload("ana", NewFile::default(), pattern(100)).await;
    let secret = world.keys.join("secret-access-key");
    let right = std::fs::read(&secret).unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    std::fs::write(&secret, "wrong").unwrap();
    world.files.delete(&caller("ana"), file.id).await.unwrap();
    assert!(is_not_found(
        world.files.find(&caller("ana"), file.id).await
    ));
    let deleting = "SELECT count(*) FROM files WHERE status = 'deleting'";
    assert_eq!(world.count(deleting).await, 1);
    std::fs::write(&secret, right).unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    world.files.sweep(std::time::Duration::ZERO).await.unwrap();
    world.assert_nothing_is_left(&[]).await;
}
