//! Reading by location: a lookup of what the catalogue holds, nothing else.

use std::sync::Arc;

use gateway::auth::Caller;
use gateway::auth::policy::LocationAccess;
use gateway::files::{NewFile, Settings};

use crate::support::{admin, caller, commit, frames, is_not_found, pattern};
use crate::world::{World, on_both_databases, settings};

on_both_databases!(
    members_read_by_exact_location,
    other_spellings_are_not_found,
    another_organization_is_not_found,
    locations_can_be_tightened_to_the_owner,
    others_do_not_read_by_id,
);

async fn members_read_by_exact_location(world: Arc<World>) {
    let file = world.upload("ana", NewFile::default(), pattern(10)).await;
    let found = world
        .files
        .find_by_location(&caller("bo"), &file.location)
        .await;
    assert_eq!(found.unwrap().id, file.id);
}

async fn other_spellings_are_not_found(world: Arc<World>) {
    let file = world.upload("ana", NewFile::default(), pattern(10)).await;
    let id = file.id;
    for location in [
        format!("acme/{id}/../{id}/original"),
        format!("acme/../acme/{id}/original"),
        format!("/acme/{id}/original"),
        format!("acme//{id}/original"),
        format!("acme/{id}/original/"),
        format!("acme/{id}/original\0"),
        format!("ACME/{id}/original"),
        format!("acme/{id}/%"),
        format!("acme/{id}"),
        "../../etc/passwd".into(),
        String::new(),
        "x".repeat(100_000),
    ] {
        let found = world
            .files
            .find_by_location(&caller("ana"), &location)
            .await;
        assert!(is_not_found(found), "{location:?}");
    }
}

async fn another_organization_is_not_found(world: Arc<World>) {
    let globex = world.seen_by(settings("globex"));
    let stranger = Caller {
        subject: "ana".into(),
        organization: "globex".into(),
        admin: true,
    };
    let mut batch = globex.begin_upload(&stranger, None).unwrap();
    batch
        .add(NewFile::default(), frames(pattern(10)))
        .await
        .unwrap();
    let file = commit(batch).await.unwrap().remove(0);
    for caller in [caller("ana"), admin("ana")] {
        assert!(is_not_found(
            world.files.find_by_location(&caller, &file.location).await
        ));
        assert!(is_not_found(world.files.find(&caller, file.id).await));
        assert!(is_not_found(world.files.delete(&caller, file.id).await));
    }
    globex
        .find_by_location(&stranger, &file.location)
        .await
        .unwrap();
}

async fn locations_can_be_tightened_to_the_owner(world: Arc<World>) {
    let file = world.upload("ana", NewFile::default(), pattern(10)).await;
    let tightened = world.seen_by(Settings {
        locations: LocationAccess::Owner,
        ..settings("acme")
    });
    assert!(is_not_found(
        tightened
            .find_by_location(&caller("bo"), &file.location)
            .await
    ));
    tightened
        .find_by_location(&caller("ana"), &file.location)
        .await
        .unwrap();
    tightened
        .find_by_location(&admin("bo"), &file.location)
        .await
        .unwrap();
}

async fn others_do_not_read_by_id(world: Arc<World>) {
    let file = world.upload("ana", NewFile::default(), pattern(10)).await;
    assert!(is_not_found(world.files.find(&caller("bo"), file.id).await));
    world.files.find(&admin("bo"), file.id).await.unwrap();
    assert!(is_not_found(
        world.files.find(&caller("ana"), uuid::Uuid::new_v4()).await
    ));
}
