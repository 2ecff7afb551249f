//! Events: each is there exactly when what it tells of is, and is one sender's at a time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use gateway::catalog::{DueEvent, EventType, EventTypes, MediaRow};
use gateway::files::{Files, Quota, Settings};
use serde_json::Value;

use crate::films::late_mp4;
use crate::support::{caller, commit, frames, is_not_found, named, pattern};
use crate::world::{World, on_both_databases, settings};

on_both_databases!(
    an_event_comes_with_what_it_tells_of,
    what_did_not_happen_is_not_told,
    only_the_chosen_events_are_written,
    a_video_tells_how_it_ended,
    each_event_is_taken_once,
    a_sender_that_lost_its_lease_changes_nothing,
    an_event_put_back_waits,
);

const LEASE: Duration = Duration::from_secs(60);

impl World {
    fn telling(&self, events: &[EventType], settings: Settings) -> Files {
        let events: EventTypes = events.iter().copied().collect();
        let catalog = self.catalog.clone().telling(events);
        Files::new(catalog, self.store.clone(), settings)
    }

    async fn taken(&self) -> Vec<(DueEvent, Value)> {
        let mut taken = Vec::new();
        while let Some(event) = self.catalog.take_event(LEASE).await.unwrap() {
            let body: Value = serde_json::from_str(&event.body).unwrap();
            assert_eq!(body["type"], event.kind);
            taken.push((event, body));
        }
        taken
    }
}

async fn upload(files: &Files, name: &str, bytes: bytes::Bytes) -> gateway::files::FileRecord {
    let mut batch = files.begin_upload(&caller("ana"), None).unwrap();
    let file = named(name, "application/octet-stream");
    batch.add(file, frames(bytes)).await.unwrap();
    commit(batch).await.unwrap().remove(0)
}

async fn an_event_comes_with_what_it_tells_of(world: Arc<World>) {
    let files = world.telling(&EventType::ALL, settings("acme"));
    let file = upload(&files, "a \"b\".bin", pattern(1000)).await;
    let taken = world.taken().await;
    assert_eq!(taken.len(), 1);
    let body = &taken[0].1;
    assert_eq!(body["type"], "file.created");
    let data = &body["data"];
    assert_eq!(data["id"], file.id.to_string());
    assert_eq!(data["name"], "a \"b\".bin");
    assert_eq!(data["size"], 1000);
    assert_eq!(data["content_type"], file.content_type);
    assert_eq!(data["sha256"], file.sha256_digits());
    assert_eq!(data["owner"], "ana");
    assert_eq!(data["status"], "ready");
    assert_eq!(data["visibility"], "private");
    assert!(data.get("reason").is_none());

    files.delete(&caller("ana"), file.id).await.unwrap();
    let taken = world.taken().await;
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].1["type"], "file.deleted");
    assert_eq!(taken[0].1["data"]["id"], file.id.to_string());
    assert!(taken[0].1["data"].get("status").is_none());
}

async fn what_did_not_happen_is_not_told(world: Arc<World>) {
    let files = world.telling(&EventType::ALL, settings("acme"));
    // Somebody undoes the upload before its end.
    let mut batch = files.begin_upload(&caller("ana"), None).unwrap();
    let file = named("a.bin", "application/octet-stream");
    batch.add(file, frames(pattern(10))).await.unwrap();
    let id = batch.records(Utc::now())[0].id;
    assert!(world.catalog.begin_undo(id).await.unwrap());
    assert!(commit(batch).await.is_err());
    // Others were faster: the quota is only told in the transaction.
    let two = world.telling(
        &EventType::ALL,
        Settings {
            quota: Quota {
                files: Some(1),
                ..Quota::default()
            },
            ..settings("acme")
        },
    );
    let mut batch = two.begin_upload(&caller("ana"), None).unwrap();
    let file = named("b.bin", "application/octet-stream");
    batch.add(file, frames(pattern(10))).await.unwrap();
    let first = world.upload("ana", named("c.bin", ""), pattern(10)).await;
    assert!(commit(batch).await.is_err());
    // Nothing was told of the file of a gateway that tells nothing either.
    assert_eq!(world.taken().await.len(), 0);
    // The second deletion finds nothing.
    files.delete(&caller("ana"), first.id).await.unwrap();
    assert!(is_not_found(files.delete(&caller("ana"), first.id).await));
    assert_eq!(world.taken().await.len(), 1);
}

async fn only_the_chosen_events_are_written(world: Arc<World>) {
    let files = world.telling(&[EventType::Deleted], settings("acme"));
    let file = upload(&files, "a.bin", pattern(10)).await;
    assert_eq!(world.taken().await.len(), 0);
    files.delete(&caller("ana"), file.id).await.unwrap();
    assert_eq!(world.taken().await[0].1["type"], "file.deleted");
}

async fn a_video_tells_how_it_ended(world: Arc<World>) {
    let files = world.telling(&EventType::ALL, settings("acme"));
    let catalog = world
        .catalog
        .clone()
        .telling(EventType::ALL.into_iter().collect());
    let good = upload(&files, "a.mp4", late_mp4()).await;
    assert_eq!(world.taken().await[0].1["data"]["status"], "processing");
    let stale = catalog.take_job(Duration::ZERO).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let job = catalog.take_job(LEASE).await.unwrap().unwrap();
    let finish = |job: gateway::catalog::Job| {
        catalog.finish_job(job.lease(), MediaRow::default(), Vec::new())
    };
    assert!(!finish(stale).await.unwrap());
    assert_eq!(world.taken().await.len(), 0);
    assert!(finish(job.clone()).await.unwrap());
    assert!(!finish(job).await.unwrap());
    let taken = world.taken().await;
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].1["type"], "file.ready");
    assert_eq!(taken[0].1["data"]["status"], "ready");
    assert_eq!(taken[0].1["data"]["id"], good.id.to_string());

    upload(&files, "b.mp4", late_mp4()).await;
    world.taken().await;
    let job = catalog.take_job(LEASE).await.unwrap().unwrap();
    let bury = || catalog.bury_job(job.lease(), "no picture".into(), "x".into());
    assert!(bury().await.unwrap());
    assert!(!bury().await.unwrap());
    let taken = world.taken().await;
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].1["type"], "file.failed");
    assert_eq!(taken[0].1["data"]["status"], "failed");
    assert_eq!(taken[0].1["data"]["reason"], "no picture");
}

async fn each_event_is_taken_once(world: Arc<World>) {
    let files = world.telling(&EventType::ALL, settings("acme"));
    for n in 0..20 {
        upload(&files, &format!("{n}.bin"), pattern(10)).await;
    }
    assert_eq!(world.catalog.pending_events().await.unwrap(), 20);
    let takers: Vec<_> = (0..4)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { world.taken().await })
        })
        .collect();
    let mut taken = Vec::new();
    for taker in takers {
        taken.extend(taker.await.unwrap());
    }
    // Skipping locked rows, all takers may have left before the last.
    taken.extend(world.taken().await);
    assert_eq!(taken.len(), 20);
    let ids: HashSet<_> = taken.iter().map(|(event, _)| event.id).collect();
    assert_eq!(ids.len(), 20);
    for (event, _) in &taken {
        assert!(world.catalog.end_event(event).await.unwrap());
    }
    assert_eq!(world.catalog.pending_events().await.unwrap(), 0);
}

async fn a_sender_that_lost_its_lease_changes_nothing(world: Arc<World>) {
    let files = world.telling(&EventType::ALL, settings("acme"));
    upload(&files, "a.bin", pattern(10)).await;
    let catalog = &world.catalog;
    let stale = catalog.take_event(Duration::ZERO).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let event = catalog.take_event(LEASE).await.unwrap().unwrap();
    assert_eq!((stale.id, &stale.body), (event.id, &event.body));
    assert_eq!((stale.attempts, event.attempts), (1, 2));
    assert!(!catalog.end_event(&stale).await.unwrap());
    assert!(
        !catalog
            .put_event_back(&stale, Duration::ZERO)
            .await
            .unwrap()
    );
    assert!(catalog.end_event(&event).await.unwrap());
}

async fn an_event_put_back_waits(world: Arc<World>) {
    let files = world.telling(&EventType::ALL, settings("acme"));
    upload(&files, "a.bin", pattern(10)).await;
    let catalog = &world.catalog;
    let event = catalog.take_event(LEASE).await.unwrap().unwrap();
    assert!(catalog.put_event_back(&event, LEASE).await.unwrap());
    assert!(catalog.take_event(LEASE).await.unwrap().is_none());
    assert!(
        !catalog.end_event(&event).await.unwrap(),
        "no longer its own"
    );
    assert_eq!(catalog.pending_events().await.unwrap(), 1);
}
