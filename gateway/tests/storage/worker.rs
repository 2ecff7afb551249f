//! Leases: every job once, whoever dies.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use gateway::catalog::MediaRow;
use gateway::files::FileStatus;
use gateway::worker::Settings;
use sqlx::{Connection, PgConnection};

use crate::films::{Worker, late_mp4, settings};
use crate::support::{caller, commit, named, pattern};
use crate::world::{World, everywhere, on_both_databases};

on_both_databases!(
    each_job_is_taken_once,
    a_dead_workers_job_is_taken_over,
    a_stale_worker_changes_nothing,
    a_job_that_kills_its_workers_is_given_up,
    a_stopping_worker_puts_its_job_back,
    two_workers_share_the_work,
    an_unreachable_store_is_tried_again,
    a_video_is_begun_with_at_once_where_it_arrives,
    only_videos_get_a_job,
    owners_take_turns_and_small_videos_go_first,
);

everywhere!(a_file_deleted_while_worked_on_leaves_nothing);

const LEASE: Duration = Duration::from_secs(60);

impl World {
    async fn upload_videos(&self, count: usize) {
        for n in 0..count {
            let name = named(&format!("{n}.mp4"), "video/mp4");
            let file = self.upload("ana", name, late_mp4()).await;
            assert_eq!(file.status, FileStatus::Processing);
        }
    }
}

async fn each_job_is_taken_once(world: Arc<World>) {
    world.upload_videos(20).await;
    let takers: Vec<_> = (0..4)
        .map(|_| {
            let catalog = world.catalog.clone();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                // Skipping locked rows, a taker may find nothing while others hold the last ones.
                while let Some(job) = catalog.take_job(LEASE).await.unwrap() {
                    taken.push(job.file_id);
                }
                taken
            })
        })
        .collect();
    let mut taken = Vec::new();
    for taker in takers {
        taken.extend(taker.await.unwrap());
    }
    assert_eq!(taken.len(), 20);
    assert_eq!(taken.iter().collect::<HashSet<_>>().len(), 20);
}

async fn owners_take_turns_and_small_videos_go_first(world: Arc<World>) {
    let film = |size: usize| {
        let mut bytes = late_mp4().to_vec();
        bytes.resize(size.max(bytes.len()), 0);
        bytes::Bytes::from(bytes)
    };
    let mut names = std::collections::HashMap::new();
    // The large one came first.
    for (owner, name, size) in [
        ("ana", "large", 40 << 20),
        ("ana", "small 1", 0),
        ("ana", "small 2", 0),
        ("bo", "other", 0),
        ("cy", "last", 0),
    ] {
        let file = named(&format!("{name}.mp4"), "video/mp4");
        let file = world.upload(owner, file, film(size)).await;
        names.insert(file.id, name);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut order = Vec::new();
    while let Some(job) = world.catalog.take_job(LEASE).await.unwrap() {
        order.push(names[&job.file_id]);
    }
    assert_eq!(order, ["small 1", "other", "last", "small 2", "large"]);
}

async fn a_dead_workers_job_is_taken_over(world: Arc<World>) {
    world.upload_videos(1).await;
    let first = world
        .catalog
        .take_job(Duration::from_millis(300))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(first.attempts, 1);
    assert!(world.catalog.take_job(LEASE).await.unwrap().is_none());
    tokio::time::sleep(Duration::from_millis(400)).await;
    let second = world.catalog.take_job(LEASE).await.unwrap().unwrap();
    assert_eq!((second.id, second.attempts), (first.id, 2));
}

async fn a_stale_worker_changes_nothing(world: Arc<World>) {
    world.upload_videos(1).await;
    let catalog = &world.catalog;
    let stale = catalog
        .take_job(Duration::ZERO)
        .await
        .unwrap()
        .unwrap()
        .lease();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let current = catalog.take_job(LEASE).await.unwrap().unwrap();
    assert!(!catalog.extend_lease(stale, LEASE, 1).await.unwrap());
    assert!(
        !catalog
            .finish_job(stale, MediaRow::default(), Vec::new())
            .await
            .unwrap()
    );
    assert!(!catalog.retry_job(stale, LEASE, "x".into()).await.unwrap());
    assert!(!catalog.release_job(stale).await.unwrap());
    assert!(
        !catalog
            .bury_job(stale, "x".into(), "x".into())
            .await
            .unwrap()
    );
    let row = catalog.find(current.file_id).await.unwrap().unwrap();
    assert_eq!((row.status.as_str(), row.reason), ("processing", None));
    let current = current.lease();
    assert!(catalog.extend_lease(current, LEASE, 7).await.unwrap());
    let media = MediaRow {
        width: Some(7),
        ..MediaRow::default()
    };
    assert!(
        catalog
            .finish_job(current, media.clone(), Vec::new())
            .await
            .unwrap()
    );
    assert_eq!(catalog.media(row.id).await.unwrap(), Some(media));
}

async fn a_job_that_kills_its_workers_is_given_up(world: Arc<World>) {
    let file = world
        .upload("ana", named("a.mp4", "video/mp4"), late_mp4())
        .await;
    for _ in 0..2 {
        world
            .catalog
            .take_job(Duration::ZERO)
            .await
            .unwrap()
            .unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let worker = Worker::start(&world, settings(&world));
    let file = world.settled(&file).await;
    worker.stop().await;
    assert_eq!(file.status, FileStatus::Failed);
    let reason = "the video could not be worked on, after 2 tries";
    assert_eq!(file.reason.as_deref(), Some(reason));
}

async fn a_stopping_worker_puts_its_job_back(world: Arc<World>) {
    world.upload_videos(1).await;
    let worker = Worker::start(&world, settings(&world));
    let running = "SELECT count(*) FROM jobs WHERE state = 'running'";
    while world.count(running).await == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    worker.stop().await;
    let untouched = "SELECT count(*) FROM jobs WHERE state = 'queued' AND attempts = 0";
    assert_eq!(world.count(untouched).await, 1);
}

async fn two_workers_share_the_work(world: Arc<World>) {
    world.upload_videos(4).await;
    let workers = [(), ()].map(|()| Worker::start(&world, settings(&world)));
    let waiting = "SELECT count(*) FROM files WHERE status <> 'ready'";
    tokio::time::timeout(Duration::from_secs(60), async {
        while world.count(waiting).await > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .unwrap();
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!(world.catalog.job_counts().await.unwrap(), []);
    // The original of each, and what was made of it.
    let mut files: Vec<_> = world.objects().await;
    files.retain(|key| key.ends_with("/original"));
    assert_eq!(files.len(), 4);
    assert_eq!(world.objects().await.len(), 4 * 11);
}

/// The object is away, which may pass: tried again, and at last given up.
async fn an_unreachable_store_is_tried_again(world: Arc<World>) {
    let file = world
        .upload("ana", named("a.mp4", "video/mp4"), late_mp4())
        .await;
    let delete = world.s3.delete_object().bucket(&world.bucket);
    delete.key(&file.location).send().await.unwrap();
    let worker = Worker::start(&world, settings(&world));
    let file = world.settled(&file).await;
    worker.stop().await;
    assert_eq!(file.status, FileStatus::Failed);
    let dead = "SELECT count(*) FROM jobs WHERE state = 'dead' AND attempts = 2";
    assert_eq!(world.count(dead).await, 1);
}

async fn a_video_is_begun_with_at_once_where_it_arrives(world: Arc<World>) {
    let mut settings = settings(&world);
    settings.poll = Duration::from_secs(3600);
    let worker = Worker::start(&world, settings);
    // It has looked once and found nothing.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let file = world
        .upload("ana", named("a.mp4", "video/mp4"), late_mp4())
        .await;
    let file = world.settled(&file).await;
    worker.stop().await;
    assert_eq!(file.status, FileStatus::Ready);
}

async fn only_videos_get_a_job(world: Arc<World>) {
    world
        .upload("ana", named("a.mp4", "video/mp4"), pattern(100))
        .await;
    world
        .upload("ana", named("a.txt", "text/plain"), "abc".into())
        .await;
    let without = world.seen_by(gateway::files::Settings {
        video: false,
        ..crate::world::settings("acme")
    });
    let mut batch = without.begin_upload(&caller("ana"), None).unwrap();
    let body = crate::support::frames(late_mp4());
    batch.add(named("b.mp4", "video/mp4"), body).await.unwrap();
    assert_eq!(commit(batch).await.unwrap()[0].status, FileStatus::Ready);
    assert_eq!(world.catalog.job_counts().await.unwrap(), []);
}

mod a_file_and_its_ending_job_go_without_a_deadlock {
    crate::world::on!(
        a_file_and_its_ending_job_go_without_a_deadlock,
        postgres,
        Postgres,
        Versitygw
    );
}

/// A worker that ends its job locks the job's row and then the file's. Whoever forgets the file must
/// not take them the other way round: PostgreSQL would fail one of the two, and the row would stay.
async fn a_file_and_its_ending_job_go_without_a_deadlock(world: Arc<World>) {
    let file = world
        .upload("ana", named("a.mp4", "video/mp4"), late_mp4())
        .await;
    assert!(world.catalog.begin_delete(file.id).await.unwrap());
    let mut worker = PgConnection::connect(&world.database_url).await.unwrap();
    sqlx::raw_sql("BEGIN; DELETE FROM jobs")
        .execute(&mut worker)
        .await
        .unwrap();
    let forget = {
        let (world, id) = (world.clone(), file.id);
        tokio::spawn(async move { world.catalog.remove(id).await })
    };
    // Until it waits for the worker.
    let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while world.count(waiting).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    sqlx::raw_sql("UPDATE files SET reason = NULL; COMMIT")
        .execute(&mut worker)
        .await
        .unwrap();
    forget.await.unwrap().unwrap();
    assert_eq!(world.count("SELECT count(*) FROM files").await, 0);
}

async fn a_file_deleted_while_worked_on_leaves_nothing(world: Arc<World>) {
    for pause in [0, 100, 300, 600] {
        let file = world
            .upload("ana", named("a.mp4", "video/mp4"), late_mp4())
            .await;
        let worker = Worker::start(&world, Settings { ..settings(&world) });
        tokio::time::sleep(Duration::from_millis(pause)).await;
        world.files.delete(&caller("ana"), file.id).await.unwrap();
        let idle = "SELECT count(*) FROM jobs";
        while world.count(idle).await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Let it come to the end of what it has in hand.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        worker.stop().await;
        assert_eq!(world.count("SELECT count(*) FROM files").await, 0);
        // An object that the worker was sending when it was stopped may land after its file is gone:
        // the request is dropped, but the server may have all of it. That is the janitor's.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        world.files.sweep(Duration::ZERO).await.unwrap();
        world.assert_nothing_is_left(&[]).await;
    }
}
