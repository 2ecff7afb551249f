//! What a crash left.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use gateway::catalog::{NewRow, Visibility};
use gateway::files::{Files, NewFile, NewUpload, Piece, Settings, Swept, Tally};
use uuid::Uuid;

use crate::support::{caller, commit, frames, pattern};
use crate::world::{ObjectStore, World, everywhere, on_both_databases, settings};

everywhere!(
    what_a_crash_left_is_settled,
    what_is_young_or_not_ours_stays,
    a_running_upload_is_left_alone,
    many_janitors_beside_running_uploads_break_none,
    an_impatient_janitor_leaves_no_half_of_an_upload,
    uploads_that_expire_beside_janitors_leave_no_half,
    tails_of_finished_uploads_are_swept_and_others_stay,
);

on_both_databases!(
    more_uploads_in_parts_than_one_page_are_settled,
    only_one_janitor_sweeps,
    a_dead_janitors_lease_ends,
    what_is_older_than_the_catalogue_stays,
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
    pub(crate) async fn put(&self, key: &str) {
        let put = self.s3.put_object().bucket(&self.bucket).key(key);
        put.body(pattern(10).into()).send().await.unwrap();
    }

    async fn begin_parts(&self, key: &str) {
        let create = self.s3.create_multipart_upload().bucket(&self.bucket);
        create.key(key).send().await.unwrap();
    }
}

/// A bucket that was adopted by a new database, or outlived its own, has files that no row knows.
async fn what_is_older_than_the_catalogue_stays(world: Arc<World>) {
    let key = format!("acme/{}/original", Uuid::new_v4());
    world.put(&key).await;
    let later = "UPDATE catalogue SET begun_at = '2999-01-01T00:00:00.000+00:00'";
    world.execute(later).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    world.files.sweep(Duration::ZERO).await.unwrap();
    assert_eq!(world.objects().await, [key]);
    let before = "UPDATE catalogue SET begun_at = '2001-01-01T00:00:00.000+00:00'";
    world.execute(before).await;
    world.files.sweep(Duration::ZERO).await.unwrap();
    assert_eq!(world.objects().await, [""; 0]);
}

fn settled(count: u64, bytes: u64) -> Tally {
    Tally {
        found: count,
        settled: count,
        failed: 0,
        bytes,
    }
}

/// The same, had nothing been done about it.
fn looked_at(swept: Swept) -> Swept {
    let looked_at = |tally: Tally| Tally {
        settled: 0,
        ..tally
    };
    Swept {
        rows: looked_at(swept.rows),
        uploads: looked_at(swept.uploads),
        objects: looked_at(swept.objects),
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
        rows: settled(4, 10),
        uploads: settled(0, 0),
        objects: settled(2, 20),
    };
    // The embedded store forgets open uploads when it starts; MinIO lists them by whole key only.
    let unknown = format!("acme/{}/original", Uuid::new_v4());
    if world.object_store != ObjectStore::Embedded {
        world.begin_parts(&format!("acme/{parts}/original")).await;
    }
    if world.object_store == ObjectStore::Versitygw {
        world.begin_parts(&unknown).await;
        expected.uploads = settled(1, 0);
    }
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let before = (world.objects().await, world.locations().await);
    let survey = world.files.survey(Duration::ZERO).await.unwrap();
    assert_eq!(survey, looked_at(expected));
    assert_eq!((world.objects().await, world.locations().await), before);
    if world.object_store != ObjectStore::Embedded {
        assert_eq!(
            world.uploads(&format!("acme/{parts}/original")).await.len(),
            1
        );
        assert!(world.uploads(&unknown).await.len() <= 1);
    }
    let swept = world.files.sweep(Duration::ZERO).await.unwrap();
    assert_eq!(swept, Some(expected));
    assert_eq!(world.objects().await, [kept.location]);
    assert_eq!(world.locations().await.len(), 1);
    if world.object_store != ObjectStore::Embedded {
        assert_eq!(world.uploads(&format!("acme/{parts}/original")).await, []);
        assert_eq!(world.uploads(&unknown).await, []);
    }
    let nothing = Some(Swept::default());
    assert_eq!(world.files.sweep(Duration::ZERO).await.unwrap(), nothing);
}

async fn what_is_young_or_not_ours_stays(world: Arc<World>) {
    let id = Uuid::new_v4();
    world.catalog.insert_uploading(row(id)).await.unwrap();
    world
        .put(&format!("acme/{}/original", Uuid::new_v4()))
        .await;
    let nothing = Some(Swept::default());
    assert_eq!(world.files.sweep(DAY).await.unwrap(), nothing);
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
    let nothing = Some(Swept::default());
    assert_eq!(world.files.sweep(DAY).await.unwrap(), nothing);
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

/// Uploads one after the other, each of several files and parts: how many got through.
async fn upload_many(world: &World, owner: &str) -> usize {
    let mut stored = 0;
    for _ in 0..4 {
        let mut batch = world.files.begin_upload(&caller(owner), None).unwrap();
        let mut is_whole = true;
        for length in [10, 6 << 20, 0] {
            let added = batch.add(NewFile::default(), frames(pattern(length)));
            is_whole &= added.await.is_ok();
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        if is_whole && let Ok(files) = commit(batch).await {
            stored += files.len();
        }
    }
    stored
}

/// The same in pieces, with tails and parts between them.
async fn upload_many_in_pieces(files: &Files, owner: &str) -> usize {
    let (caller, mut stored) = (caller(owner), 0);
    for length in [10, 6 << 20, 12 << 20, 0] {
        let bytes = pattern(length);
        let new = NewUpload {
            length: Some(length as u64),
            metadata: String::new(),
            file: NewFile::default(),
        };
        let Ok(mut upload) = files.create_resumable(&caller, new).await else {
            continue;
        };
        for end in [length / 7, length / 2, length] {
            tokio::time::sleep(Duration::from_millis(30)).await;
            let start = usize::try_from(upload.offset).unwrap();
            let piece = Piece {
                offset: upload.offset,
                length: None,
                size: None,
                checksum: None,
                body: frames(bytes.slice(start..end.max(start))),
            };
            match files.append_resumable(&caller, upload.id, piece).await {
                Ok(further) => upload = further,
                Err(_) => break,
            }
        }
        stored += usize::from(upload.file.is_some());
    }
    files.settle().await;
    stored
}

/// They keep both cores busy: two at once wait for connections to the database for too long.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Uploads of both kinds beside four replicas' janitors of this patience, and then what is there: how
/// many files were acknowledged of each kind. None is there in part.
async fn uploads_beside_janitors(
    world: &Arc<World>,
    age: Duration,
    expire: Duration,
) -> (usize, usize) {
    let _alone = ALONE.lock().await;
    let stop = tokio_util::sync::CancellationToken::new();
    let janitors: Vec<_> = (0..4)
        .map(|_| {
            let (files, stop) = (world.seen_by(settings("acme")), stop.clone());
            tokio::spawn(async move {
                while !stop.is_cancelled() {
                    files.sweep(age).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
        })
        .collect();
    let forms: Vec<_> = (0..3)
        .map(|n| {
            let world = world.clone();
            tokio::spawn(async move { upload_many(&world, &format!("user-{n}")).await })
        })
        .collect();
    let pieces: Vec<_> = (0..3)
        .map(|n| {
            let files = world.seen_by(Settings {
                uploads_expire: expire,
                ..settings("acme")
            });
            tokio::spawn(async move { upload_many_in_pieces(&files, &format!("user-{n}")).await })
        })
        .collect();
    let stored = (sum(forms).await, sum(pieces).await);
    stop.cancel();
    for janitor in janitors {
        janitor.await.unwrap();
    }
    world.files.settle().await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    world.files.sweep(Duration::ZERO).await.unwrap();
    let mut rows = world.locations().await;
    let mut objects = world.objects().await;
    rows.sort();
    objects.sort();
    assert_eq!(rows, objects);
    assert_eq!(rows.len(), stored.0 + stored.1);
    assert_eq!(world.every_upload().await, []);
    let unready = "SELECT count(*) FROM files WHERE status <> 'ready'";
    assert_eq!(world.count(unready).await, 0);
    stored
}

async fn many_janitors_beside_running_uploads_break_none(world: Arc<World>) {
    assert_eq!(uploads_beside_janitors(&world, DAY, DAY).await, (36, 12));
}

/// Without patience it takes running forms for dead, but none of them is half there afterwards, and
/// none that was acknowledged is gone. Uploads in pieces say themselves when they expire.
async fn an_impatient_janitor_leaves_no_half_of_an_upload(world: Arc<World>) {
    let (_, pieces) = uploads_beside_janitors(&world, Duration::ZERO, DAY).await;
    assert_eq!(pieces, 12);
}

/// Nor is there a half of one that expires while somebody is at work on it.
async fn uploads_that_expire_beside_janitors_leave_no_half(world: Arc<World>) {
    uploads_beside_janitors(&world, Duration::ZERO, Duration::from_millis(60)).await;
}

async fn sum(counts: Vec<tokio::task::JoinHandle<usize>>) -> usize {
    let mut sum = 0;
    for count in counts {
        sum += count.await.unwrap();
    }
    sum
}

const JANITOR: &str = "janitor";

async fn only_one_janitor_sweeps(world: Arc<World>) {
    let other = Uuid::new_v4();
    let minute = Duration::from_secs(60);
    let taken = world.catalog.take_lease(JANITOR, other, minute).await;
    assert!(taken.unwrap());
    assert_eq!(world.files.sweep(DAY).await.unwrap(), None);
    // A look changes nothing, and needs no lease.
    assert_eq!(world.files.survey(DAY).await.unwrap(), Swept::default());
    // Extended by its holder, and by nobody else.
    let catalog = &world.catalog;
    assert!(catalog.take_lease(JANITOR, other, minute).await.unwrap());
    let stranger = Uuid::new_v4();
    assert!(!catalog.take_lease(JANITOR, stranger, minute).await.unwrap());
    catalog.give_lease(JANITOR, stranger).await.unwrap();
    assert!(world.files.sweep(DAY).await.unwrap().is_none());
    catalog.give_lease(JANITOR, other).await.unwrap();
    assert!(world.files.sweep(DAY).await.unwrap().is_some());
    // Given back after a sweep.
    assert!(world.files.sweep(DAY).await.unwrap().is_some());
}

async fn a_dead_janitors_lease_ends(world: Arc<World>) {
    // Long enough for a loaded machine to ask once before it ends.
    let moment = Duration::from_secs(3);
    let taken = world.catalog.take_lease(JANITOR, Uuid::new_v4(), moment);
    assert!(taken.await.unwrap());
    assert!(world.files.sweep(DAY).await.unwrap().is_none());
    tokio::time::sleep(moment).await;
    assert!(world.files.sweep(DAY).await.unwrap().is_some());
}

/// A gateway that dies after it made a file readable leaves what only the upload needed.
async fn tails_of_finished_uploads_are_swept_and_others_stay(world: Arc<World>) {
    let file = world.upload("ana", NewFile::default(), pattern(10)).await;
    let left = format!("acme/{}/tail/{}", file.id, Uuid::new_v4());
    world.put(&left).await;
    // What was made of it is no tail, whatever it is called.
    let made = format!("acme/{}/tails", file.id);
    world.put(&made).await;
    let uploading = Uuid::new_v4();
    world
        .catalog
        .insert_uploading(row(uploading))
        .await
        .unwrap();
    let needed = format!("acme/{uploading}/tail/{}", Uuid::new_v4());
    world.put(&needed).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    // Nobody knows yet whether the young are needed.
    assert_eq!(
        world.files.sweep(DAY).await.unwrap(),
        Some(Swept::default())
    );
    world.catalog.touch(vec![uploading]).await.unwrap();
    let swept = world.files.sweep(Duration::from_millis(900)).await.unwrap();
    assert_eq!(swept.unwrap().objects, settled(1, 10));
    let mut expected = [file.location, made, needed];
    let mut objects = world.objects().await;
    expected.sort();
    objects.sort();
    assert_eq!(objects, expected);
}

async fn more_uploads_in_parts_than_one_page_are_settled(world: Arc<World>) {
    const COUNT: usize = 1_003;
    let begun = (0..COUNT).map(|_| {
        let world = world.clone();
        async move {
            let key = format!("acme/{}/original", Uuid::new_v4());
            world.begin_parts(&key).await;
        }
    });
    let begun = futures_util::stream::iter(begun).buffer_unordered(16);
    begun.collect::<Vec<()>>().await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let swept = world.files.sweep(Duration::ZERO).await.unwrap();
    assert_eq!(swept.unwrap().uploads, settled(COUNT as u64, 0));
    assert_eq!(world.uploads("").await, []);
}
