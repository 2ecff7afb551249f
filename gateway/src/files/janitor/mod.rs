//! Settling what a crash left, both ways: rows without objects, objects and uploads without rows.
//!
//! Safe beside running uploads: a row is written before its object and touched while its upload
//! runs, so a row is only settled when nobody has touched it for `age`, and an object or upload is
//! only deleted when it is older than `age` and has no row at all, or is the tail of an upload that has
//! ended. Keys that are not of our form are
//! somebody else's and stay. Uploads in pieces say themselves when they expire. One janitor sweeps at a time, by a lease in the database.

mod report;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::resumable::tails;
use super::{Files, FilesError};
use crate::catalog::{FileRow, Status};
use crate::causes::causes;
use crate::store::{MultipartUpload, OpenUpload, StoredObject};
pub use report::{Swept, Tally};

/// A deletion that was begun needs no such patience: doing it twice does no harm.
const DELETING_AGE: Duration = Duration::from_secs(5 * 60);
const ROWS_AT_ONCE: u32 = 500;

/// How many rows a dry run looks at, at most.
const DRY_RUN_ROWS: u32 = 100_000;

/// Only one janitor sweeps at a time: two would do the same work twice.
const LEASE: &str = "janitor";

/// How long a janitor that shows no sign of life keeps the others away.
const LEASE_TIME: Duration = Duration::from_secs(60);

/// What to do with what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Settle,
    /// Nothing.
    Look,
}

impl Files {
    /// Settles what is older than `age` (for deletions: five minutes, if that is less). Nothing, and
    /// no report, when another janitor is at work.
    ///
    /// # Errors
    /// When the database or the bucket can't be asked at all; single failures are logged, counted and
    /// left to the next sweep.
    pub async fn sweep(&self, age: Duration) -> Result<Option<Swept>, FilesError> {
        let holder = Uuid::new_v4();
        if !self.catalog.take_lease(LEASE, holder, LEASE_TIME).await? {
            return Ok(None);
        }
        let swept = tokio::select! {
            swept = self.pass(age, Mode::Settle) => swept.map(Some),
            () = self.hold(holder) => Ok(None),
        };
        self.catalog.give_lease(LEASE, holder).await?;
        swept
    }

    /// What [`Self::sweep`] would find; changes nothing.
    ///
    /// # Errors
    /// As [`Self::sweep`].
    pub async fn survey(&self, age: Duration) -> Result<Swept, FilesError> {
        self.pass(age, Mode::Look).await
    }

    async fn pass(&self, age: Duration, mode: Mode) -> Result<Swept, FilesError> {
        if mode == Mode::Settle {
            self.catalog.forget_finished(Utc::now()).await?;
        }
        Ok(Swept {
            rows: self.sweep_rows(age, mode).await?,
            uploads: self.sweep_uploads(before(age), mode).await?,
            objects: self.sweep_objects(before(age), mode).await?,
        })
    }

    /// Extends the lease again and again; ends when it is somebody else's.
    async fn hold(&self, holder: Uuid) {
        loop {
            tokio::time::sleep(LEASE_TIME / 3).await;
            match self.catalog.take_lease(LEASE, holder, LEASE_TIME).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(
                        error = causes(&error),
                        "the janitor's lease could not be extended"
                    );
                }
            }
        }
    }

    async fn sweep_rows(&self, age: Duration, mode: Mode) -> Result<Tally, FilesError> {
        let mut tally = Tally::default();
        let limit = match mode {
            Mode::Settle => ROWS_AT_ONCE,
            Mode::Look => DRY_RUN_ROWS,
        };
        loop {
            let rows = self
                .catalog
                .unsettled(before(age), before(age.min(DELETING_AGE)), limit)
                .await?;
            let is_page = rows.len() == limit as usize;
            let failed = tally.failed;
            for row in rows {
                tally.find(row.size);
                if mode == Mode::Settle {
                    let settled = self.settle_row(&row).await;
                    count(&mut tally, settled, &row.location);
                }
            }
            // Those that failed would come again.
            if !is_page || mode == Mode::Look || tally.failed > failed {
                return Ok(tally);
            }
        }
    }

    async fn settle_row(&self, row: &FileRow) -> Result<(), FilesError> {
        if row.status == Status::Uploading && !self.catalog.begin_undo(row.id).await? {
            return Ok(());
        }
        if let Some(upload) = self.multipart_of(row).await? {
            self.store.abort_multipart_upload(&upload).await?;
        }
        // By the whole key: MinIO lists uploads in no other way.
        for open in self.open_uploads(&row.location).await? {
            self.store.abort_multipart_upload(&open.upload).await?;
        }
        self.clear(row.id, &row.location, None).await
    }

    /// The upload in parts that the catalogue knows of, also where the server lists none.
    async fn multipart_of(&self, row: &FileRow) -> Result<Option<MultipartUpload>, FilesError> {
        let upload = self.catalog.find_resumable(row.id).await?;
        let id = upload.and_then(|upload| upload.multipart_id);
        Ok(id.map(|id| MultipartUpload {
            key: row.location.clone(),
            id,
        }))
    }

    async fn sweep_uploads(&self, before: DateTime<Utc>, mode: Mode) -> Result<Tally, FilesError> {
        let mut tally = Tally::default();
        for open in self.open_uploads(&self.root()).await? {
            let Some(id) = self.id_in(&open.upload.key) else {
                continue;
            };
            let old = open.initiated_at.is_some_and(|at| at < before);
            // A stored file's is a worker's that died; an uploading row is settled by its own age.
            let uploading = Some(Status::Uploading);
            if old && self.catalog.find(id).await?.map(|row| row.status) != uploading {
                tally.find(0);
                if mode == Mode::Settle {
                    let settled = self.store.abort_multipart_upload(&open.upload).await;
                    count(&mut tally, settled, &open.upload.key);
                }
            }
        }
        Ok(tally)
    }

    async fn open_uploads(&self, prefix: &str) -> Result<Vec<OpenUpload>, FilesError> {
        let (mut uploads, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.list_multipart_uploads(prefix, after.clone());
            let page = match page.await {
                Ok(page) => page,
                // Such a server cleans up by itself, or has no uploads that outlive a crash.
                Err(error) if error.is_unsupported() => return Ok(uploads),
                Err(error) => return Err(error.into()),
            };
            uploads.extend(page.uploads);
            // A server that gets nowhere would go on for ever.
            if page.next.is_none() || page.next == after {
                return Ok(uploads);
            }
            after = page.next;
        }
    }

    async fn sweep_objects(&self, before: DateTime<Utc>, mode: Mode) -> Result<Tally, FilesError> {
        let (mut tally, mut after) = (Tally::default(), None);
        // What is older than the catalogue is of a catalogue before it: the bucket was adopted, or the
        // database lost. Nobody but a person may delete that.
        let begun = self.catalog.begun_at().await? - SKEW;
        loop {
            let mut page = self.store.list_objects(&self.root(), after).await?;
            page.objects
                .retain(|object| object.modified_at.is_none_or(|at| at >= begun));
            self.sweep_page(page.objects, before, mode, &mut tally)
                .await?;
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(tally),
            }
        }
    }

    async fn sweep_page(
        &self,
        objects: Vec<StoredObject>,
        before: DateTime<Utc>,
        mode: Mode,
        tally: &mut Tally,
    ) -> Result<(), FilesError> {
        let objects: Vec<(Uuid, StoredObject)> = objects
            .into_iter()
            .filter_map(|object| Some((self.id_in(&object.key)?, object)))
            .collect();
        let ids = objects.iter().map(|(id, _)| *id);
        let (Some(first), Some(last)) = (ids.clone().min(), ids.max()) else {
            return Ok(());
        };
        // One query a page. Asked after the listing: an object that is listed had its row before.
        let known = self.catalog.statuses_between(first, last).await?;
        for (id, object) in objects {
            let old = object.modified_at.is_some_and(|at| at < before);
            let needed = match known.get(&id) {
                None => false,
                // The end of an upload may have left its tails.
                Some(status) => *status == Status::Uploading || !self.is_tail(id, &object.key),
            };
            if old && !needed {
                tally.find(object.size);
                if mode == Mode::Settle {
                    let settled = self.store.delete_object(&object.key).await;
                    count(tally, settled, &object.key);
                }
            }
        }
        Ok(())
    }

    /// Whether a key of a file's is that of bytes which only its upload needs.
    fn is_tail(&self, id: Uuid, key: &str) -> bool {
        key.starts_with(&tails(&self.original(id)))
    }

    /// The file that a key belongs to, if it has our form.
    fn id_in(&self, key: &str) -> Option<Uuid> {
        let rest = key.strip_prefix(&self.root())?;
        let (id, name) = rest.split_once('/')?;
        let id = Uuid::try_parse(id)
            .ok()
            .filter(|parsed| parsed.to_string() == id)?;
        (!name.is_empty()).then_some(id)
    }
}

/// How far the store's clock may be off the database's.
const SKEW: TimeDelta = TimeDelta::minutes(1);

fn count<E: std::error::Error + 'static>(tally: &mut Tally, settled: Result<(), E>, key: &str) {
    match settled {
        Ok(()) => tally.settled += 1,
        Err(error) => {
            tally.failed += 1;
            tracing::warn!(
                key,
                error = causes(&error),
                "the janitor could not settle something"
            );
        }
    }
}

fn before(age: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(age)
        .ok()
        .and_then(|age| Utc::now().checked_sub_signed(age))
        .unwrap_or(DateTime::UNIX_EPOCH)
}
