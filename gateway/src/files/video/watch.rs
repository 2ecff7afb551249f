//! Telling how the work on a video goes while it goes on.
//!
//! The database is asked once a second for all that is watched in this process together, and not at
//! all when nothing is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::sync::watch;

use crate::catalog::{StandingRow, Status};
use crate::causes::causes;
use crate::files::{FileId, FileRecord, FileStatus, Files, FilesError};

/// How often the database is asked.
const LOOK: Duration = Duration::from_secs(1);

/// How a file stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where it stands in its life; `Deleting` is the last that is told of a file that goes.
    pub status: FileStatus,
    /// Why its video job gave up.
    pub reason: Option<String>,
    /// How far the work on it is, in percent, while it is `Processing`.
    pub progress: Option<u8>,
}

impl Standing {
    /// Whether nothing will change without somebody's doing.
    pub fn is_last(&self) -> bool {
        self.status != FileStatus::Processing
    }

    const GONE: Self = Self {
        status: FileStatus::Deleting,
        reason: None,
        progress: None,
    };
}

impl From<StandingRow> for Standing {
    fn from(row: StandingRow) -> Self {
        let status = match row.status {
            Status::Processing => FileStatus::Processing,
            Status::Ready => FileStatus::Ready,
            Status::Failed => FileStatus::Failed,
            Status::Uploading | Status::Deleting => FileStatus::Deleting,
        };
        let progress = row
            .progress
            .and_then(|progress| u8::try_from(progress).ok());
        Self {
            progress: progress.filter(|_| status == FileStatus::Processing),
            status,
            reason: row.reason,
        }
    }
}

/// What is watched in this process.
#[derive(Debug, Clone, Default)]
pub(in crate::files) struct Watched(Arc<Mutex<Watch>>);

#[derive(Debug, Default)]
struct Watch {
    /// The files, each with those who watch it.
    files: HashMap<FileId, watch::Sender<Standing>>,
    /// Whether somebody asks the database.
    is_looked_after: bool,
}

impl Watched {
    fn lock(&self) -> MutexGuard<'_, Watch> {
        // Nothing is left half done in it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches a file; true when somebody has to begin to ask the database.
    fn add(&self, id: FileId, now: Standing) -> (watch::Receiver<Standing>, bool) {
        let mut watch = self.lock();
        let receiver = match watch.files.get(&id) {
            Some(sender) => {
                sender.send_if_modified(|known| replace(known, now));
                sender.subscribe()
            }
            None => {
                let (sender, receiver) = watch::channel(now);
                watch.files.insert(id, sender);
                receiver
            }
        };
        let begins = !std::mem::replace(&mut watch.is_looked_after, true);
        (receiver, begins)
    }

    /// What is still watched; after nothing, nobody asks the database any more.
    fn ids(&self) -> Vec<FileId> {
        let mut watch = self.lock();
        watch.files.retain(|_, sender| sender.receiver_count() > 0);
        watch.is_looked_after = !watch.files.is_empty();
        watch.files.keys().copied().collect()
    }

    /// Tells how these files stand now; one that is missing is gone.
    fn tell(&self, asked: &[FileId], rows: Vec<StandingRow>) {
        let mut found: HashMap<_, _> = rows
            .into_iter()
            .map(|row| (row.id, Standing::from(row)))
            .collect();
        let files = &mut self.lock().files;
        for id in asked {
            let now = found.remove(id).unwrap_or(Standing::GONE);
            let is_last = now.is_last();
            if let Some(sender) = files.get(id) {
                sender.send_if_modified(|known| replace(known, now));
            }
            // Whoever still reads has the last value.
            if is_last {
                files.remove(id);
            }
        }
    }
}

fn replace(known: &mut Standing, now: Standing) -> bool {
    let differs = *known != now;
    *known = now;
    differs
}

impl Files {
    /// How `file` stands, now and after each change, to the last; within a second of each.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub async fn watch(
        &self,
        file: &FileRecord,
    ) -> Result<impl Stream<Item = Standing> + Send + use<>, FilesError> {
        let rows = self.catalog.standings(&[file.id]).await?;
        let now = rows
            .into_iter()
            .next()
            .map_or(Standing::GONE, Standing::from);
        let receiver = if now.is_last() {
            // Its channel is closed with its value in it.
            watch::channel(now).1
        } else {
            let (receiver, begins) = self.watched.add(file.id, now);
            if begins {
                tokio::spawn(look(self.clone()));
            }
            receiver
        };
        Ok(stream::unfold(
            (receiver, true),
            |(mut receiver, first)| async move {
                if !first {
                    receiver.changed().await.ok()?;
                }
                let now = receiver.borrow_and_update().clone();
                Some((now, (receiver, false)))
            },
        ))
    }
}

/// Looks until nothing is watched any more.
async fn look(files: Files) {
    loop {
        tokio::time::sleep(LOOK).await;
        let ids = files.watched.ids();
        if ids.is_empty() {
            return;
        }
        match files.catalog.standings(&ids).await {
            Ok(rows) => files.watched.tell(&ids, rows),
            Err(error) => tracing::debug!(error = causes(&error), "watched files were not found"),
        }
    }
}
