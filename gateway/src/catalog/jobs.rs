//! The table `jobs`: leases, retries, and the jobs that gave up.
//!
//! All times of a job are the database's, so workers whose clocks differ agree on a lease.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::files::columns;
use super::pool::{Pool, read, timed, write};
use super::webhook_events::tell;
use super::{Catalog, CatalogError, EventType, FileRow, MediaRow, OutputRow, Status};

/// A job that is ours until its lease runs out.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Job {
    /// Its id.
    pub id: Uuid,
    /// The file to work on.
    pub file_id: Uuid,
    /// How often it was taken, this time included.
    pub attempts: i64,
    /// Proof that it is ours.
    pub lease_token: Uuid,
}

impl Job {
    /// What the writes below want as proof.
    pub fn lease(&self) -> Lease {
        Lease {
            job: self.id,
            token: self.lease_token,
        }
    }
}

/// Proof that a job is ours; refused once somebody else has taken it.
#[derive(Debug, Clone, Copy)]
pub struct Lease {
    job: Uuid,
    token: Uuid,
}

impl Lease {
    /// What no other holder of any job ever had.
    pub fn token(self) -> Uuid {
        self.token
    }
}

/// A video of this many bytes goes ahead of larger ones of its owner.
const SMALL_BYTES: i64 = 32 << 20;
/// A job that has waited for this long goes ahead as if it were small.
const PATIENCE: Duration = Duration::from_secs(600);
/// After this long without a job, an owner's turn is forgotten.
const TURN_FORGOTTEN: Duration = Duration::from_secs(24 * 3600);

/// Takes the job that is next: owners take turns, the one that has waited longest for its turn
/// first; within an owner small videos come first, then older ones. `=` with a scalar subquery: it
/// is evaluated once, where `IN` could be evaluated again and take more than one.
macro_rules! take {
    ($lock:literal) => {
        concat!(
            "UPDATE jobs SET state = 'running', attempts = attempts + 1, lease_token = $1, \
             lease_until = $2, progress = 0 WHERE id = (SELECT jobs.id FROM jobs \
             JOIN files ON files.id = jobs.file_id LEFT JOIN turns ON turns.owner = files.owner \
             WHERE (jobs.state = 'queued' AND jobs.run_after <= $3) \
             OR (jobs.state = 'running' AND jobs.lease_until < $3) \
             ORDER BY CASE WHEN turns.owner IS NULL THEN 0 ELSE 1 END, turns.taken_at, \
             CASE WHEN files.size <= $4 OR jobs.run_after < $5 THEN 0 ELSE 1 END, \
             jobs.run_after LIMIT 1",
            $lock,
            ") RETURNING id, file_id, attempts, lease_token"
        )
    };
}

/// Forgets old turns. One whose row somebody else is just writing is left: that one may wait for a row
/// of ours.
macro_rules! forget {
    ($lock:literal) => {
        concat!(
            "DELETE FROM turns WHERE owner IN (SELECT owner FROM turns WHERE taken_at < $1",
            $lock,
            ")"
        )
    };
}

impl Catalog {
    /// Waits until this process has added a job since somebody last waited. Those of other processes are
    /// found by looking.
    pub async fn job_added(&self) {
        self.job_added.notified().await;
    }

    /// Takes a job that is due, or whose holder's lease ran out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_job(&self, lease: Duration) -> Result<Option<Job>, CatalogError> {
        let now = self.now().await?;
        let until = after(now, lease);
        let patience = before(now, PATIENCE);
        let forgotten = before(now, TURN_FORGOTTEN);
        let token = Uuid::new_v4();
        // One transaction either way; on SQLite the one writer is the lock.
        let (statement, forget) = match &self.pool {
            Pool::Sqlite { .. } => (take!(""), forget!("")),
            Pool::Postgres(_) => (
                take!(" FOR UPDATE OF jobs SKIP LOCKED"),
                forget!(" FOR UPDATE SKIP LOCKED"),
            ),
        };
        write!(self, "take a job", |tx| {
            let job = sqlx::query_as::<_, Job>(statement)
                .bind(token)
                .bind(until)
                .bind(now)
                .bind(SMALL_BYTES)
                .bind(patience)
                .fetch_optional(&mut *tx)
                .await?;
            if let Some(job) = &job {
                sqlx::query(
                    "INSERT INTO turns (owner, taken_at) SELECT owner, $2 FROM files WHERE id = $1 \
                     ON CONFLICT (owner) DO UPDATE SET taken_at = excluded.taken_at",
                )
                .bind(job.file_id)
                .bind(now)
                .execute(&mut *tx)
                .await?;
                sqlx::query(forget)
                    .bind(forgotten)
                    .execute(&mut *tx)
                    .await?;
            }
            job
        })
    }

    /// Holds a job longer, and writes down how far it is, in percent; false when it is no longer
    /// ours.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn extend_lease(
        &self,
        held: Lease,
        lease: Duration,
        percent: u8,
    ) -> Result<bool, CatalogError> {
        let until = after(self.now().await?, lease);
        write!(self, "hold a job", |tx| {
            sqlx::query(
                "UPDATE jobs SET lease_until = $3, progress = $4 \
                 WHERE id = $1 AND lease_token = $2 AND state = 'running'",
            )
            .bind(held.job)
            .bind(held.token)
            .bind(until)
            .bind(i64::from(percent.min(100)))
            .execute(&mut *tx)
            .await?
            .rows_affected()
                == 1
        })
    }

    /// How far the work on a file is, in percent; none when it has no job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn progress(&self, file: Uuid) -> Result<Option<u8>, CatalogError> {
        let percent = read!(self, "find progress", |db| sqlx::query_scalar::<_, i64>(
            "SELECT progress FROM jobs WHERE file_id = $1"
        )
        .bind(file)
        .fetch_optional(db))?;
        Ok(percent.and_then(|percent| u8::try_from(percent).ok()))
    }

    /// Ends a job that was done: media facts and outputs are written, the file is `ready`, the
    /// job's row goes. False, and nothing changes, when the job is no longer ours.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn finish_job(
        &self,
        held: Lease,
        media: MediaRow,
        outputs: Vec<OutputRow>,
    ) -> Result<bool, CatalogError> {
        let events = self.events;
        let ended = write!(self, "finish a job", |tx| {
            let file = sqlx::query_scalar::<_, Uuid>(
                "DELETE FROM jobs WHERE id = $1 AND lease_token = $2 AND state = 'running' \
                 RETURNING file_id",
            )
            .bind(held.job)
            .bind(held.token)
            .fetch_optional(&mut *tx)
            .await?;
            if let Some(file) = file {
                sqlx::query(
                    "INSERT INTO media (file_id, duration_ms, width, height, video_codec, \
                     audio_codec, container, frame_rate, rotation, bit_rate, audio_tracks) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
                     ON CONFLICT (file_id) DO UPDATE SET duration_ms = excluded.duration_ms, \
                     width = excluded.width, height = excluded.height, \
                     video_codec = excluded.video_codec, audio_codec = excluded.audio_codec, \
                     container = excluded.container, frame_rate = excluded.frame_rate, \
                     rotation = excluded.rotation, bit_rate = excluded.bit_rate, \
                     audio_tracks = excluded.audio_tracks",
                )
                .bind(file)
                .bind(media.duration_ms)
                .bind(media.width)
                .bind(media.height)
                .bind(media.video_codec)
                .bind(media.audio_codec)
                .bind(media.container)
                .bind(media.frame_rate)
                .bind(media.rotation)
                .bind(media.bit_rate)
                .bind(media.audio_tracks)
                .execute(&mut *tx)
                .await?;
                sqlx::query("DELETE FROM outputs WHERE file_id = $1")
                    .bind(file)
                    .execute(&mut *tx)
                    .await?;
                for output in outputs {
                    sqlx::query(
                        "INSERT INTO outputs (file_id, name, location, content_type, size, \
                         sha256) VALUES ($1, $2, $3, $4, $5, $6)",
                    )
                    .bind(file)
                    .bind(output.name)
                    .bind(output.location)
                    .bind(output.content_type)
                    .bind(i64::try_from(output.size).unwrap_or(i64::MAX))
                    .bind(output.sha256)
                    .execute(&mut *tx)
                    .await?;
                }
                let row = sqlx::query_as::<_, FileRow>(concat!(
                    "UPDATE files SET status = $2, reason = NULL \
                     WHERE id = $1 AND status = 'processing' RETURNING ",
                    columns!()
                ))
                .bind(file)
                .bind(Status::Ready.as_str())
                .fetch_optional(&mut *tx)
                .await?;
                if let Some(row) = &row {
                    tell!(tx, events, EventType::Ready, row);
                }
            }
            file.is_some()
        })?;
        self.event_added.notify_one();
        Ok(ended)
    }

    /// Puts a job back for another try after `delay`. False when it is no longer ours.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn retry_job(
        &self,
        held: Lease,
        delay: Duration,
        error: String,
    ) -> Result<bool, CatalogError> {
        let run_after = after(self.now().await?, delay);
        write!(self, "put a job back", |tx| {
            sqlx::query(
                "UPDATE jobs SET state = 'queued', run_after = $3, last_error = $4, \
                 lease_token = NULL, lease_until = NULL \
                 WHERE id = $1 AND lease_token = $2 AND state = 'running'",
            )
            .bind(held.job)
            .bind(held.token)
            .bind(run_after)
            .bind(error)
            .execute(&mut *tx)
            .await?
            .rows_affected()
                == 1
        })
    }

    /// Puts a job back at once and as if it had not been taken, because its worker has to stop.
    /// False when it is no longer ours.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release_job(&self, held: Lease) -> Result<bool, CatalogError> {
        write!(self, "release a job", |tx| {
            sqlx::query(
                "UPDATE jobs SET state = 'queued', attempts = attempts - 1, \
                 lease_token = NULL, lease_until = NULL \
                 WHERE id = $1 AND lease_token = $2 AND state = 'running'",
            )
            .bind(held.job)
            .bind(held.token)
            .execute(&mut *tx)
            .await?
            .rows_affected()
                == 1
        })
    }

    /// Gives a job up: it is `dead`, its file `failed` for `reason`. False when it is no longer ours.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn bury_job(
        &self,
        held: Lease,
        reason: String,
        error: String,
    ) -> Result<bool, CatalogError> {
        let events = self.events;
        let ended = write!(self, "give a job up", |tx| {
            let file = sqlx::query_scalar::<_, Uuid>(
                "UPDATE jobs SET state = 'dead', last_error = $3, lease_token = NULL, \
                 lease_until = NULL WHERE id = $1 AND lease_token = $2 AND state = 'running' \
                 RETURNING file_id",
            )
            .bind(held.job)
            .bind(held.token)
            .bind(error)
            .fetch_optional(&mut *tx)
            .await?;
            if let Some(file) = file {
                let row = sqlx::query_as::<_, FileRow>(concat!(
                    "UPDATE files SET status = $2, reason = $3 \
                     WHERE id = $1 AND status = 'processing' RETURNING ",
                    columns!()
                ))
                .bind(file)
                .bind(Status::Failed.as_str())
                .bind(reason)
                .fetch_optional(&mut *tx)
                .await?;
                if let Some(row) = &row {
                    tell!(tx, events, EventType::Failed, row);
                }
            }
            file.is_some()
        })?;
        self.event_added.notify_one();
        Ok(ended)
    }

    /// Puts the job of a file back that was given up, as if it had never been tried; the file is
    /// `processing` again. False when it was not given up.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revive_job(&self, file: Uuid) -> Result<bool, CatalogError> {
        let now = self.now().await?;
        let revived = write!(self, "put a job back", |tx| {
            let revived = sqlx::query(
                "UPDATE jobs SET state = 'queued', attempts = 0, run_after = $2, progress = 0 \
                 WHERE file_id = $1 AND state = 'dead'",
            )
            .bind(file)
            .bind(now)
            .execute(&mut *tx)
            .await?
            .rows_affected()
                == 1;
            if revived {
                sqlx::query(
                    "UPDATE files SET status = $2, reason = NULL \
                     WHERE id = $1 AND status = 'failed'",
                )
                .bind(file)
                .bind(Status::Processing.as_str())
                .execute(&mut *tx)
                .await?;
            }
            revived
        })?;
        if revived {
            self.job_added.notify_one();
        }
        Ok(revived)
    }

    /// The database's clock. SQLite's is this machine's.
    pub(super) async fn now(&self) -> Result<DateTime<Utc>, CatalogError> {
        match &self.pool {
            Pool::Sqlite { .. } => Ok(Utc::now()),
            Pool::Postgres(pool) => {
                let query = sqlx::query_scalar::<_, DateTime<Utc>>("SELECT clock_timestamp()");
                timed("postgresql", "tell the time", query.fetch_one(pool)).await
            }
        }
    }

    /// How many jobs are in each state: queued, running, dead.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn job_counts(&self) -> Result<Vec<(String, i64)>, CatalogError> {
        read!(self, "count jobs", |db| sqlx::query_as::<_, (String, i64)>(
            "SELECT state, count(*) FROM jobs GROUP BY state ORDER BY state"
        )
        .fetch_all(db))
    }
}

pub(super) fn after(now: DateTime<Utc>, wait: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(wait)
        .ok()
        .and_then(|wait| now.checked_add_signed(wait))
        .unwrap_or(now)
}

fn before(now: DateTime<Utc>, wait: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(wait)
        .ok()
        .and_then(|wait| now.checked_sub_signed(wait))
        .unwrap_or(now)
}
