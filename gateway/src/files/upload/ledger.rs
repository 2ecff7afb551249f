//! What a request has begun and may have to undo.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::task::TaskTracker;
use traces::carried;
use uuid::Uuid;

use super::super::{Files, FilesError};
use crate::causes::causes;
use crate::store::MultipartUpload;

/// The list, and the tasks that may still be adding to what it stands for; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    begun: Arc<Mutex<Vec<Begun>>>,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Begun {
    id: Uuid,
    location: String,
    upload: Option<MultipartUpload>,
}

impl Ledger {
    /// Lists a file; before its row is written.
    pub(super) fn list(&self, id: Uuid, location: &str) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.push(Begun {
            id,
            location: location.into(),
            upload: None,
        });
    }

    /// Notes the upload in parts that the file's bytes go into, or that there is none any more.
    pub(super) fn note(&self, id: Uuid, upload: Option<MultipartUpload>) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = begun.iter_mut().find(|file| file.id == id) {
            file.upload = upload;
        }
    }

    /// The ids of the files that were begun.
    pub(super) fn ids(&self) -> Vec<Uuid> {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.iter().map(|file| file.id).collect()
    }

    /// The tasks that undoing waits for.
    pub(super) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Runs a step to its end, also when the caller is dropped while it waits.
    pub(super) async fn run<T, F>(&self, step: F) -> Result<T, FilesError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, FilesError>> + Send + 'static,
    {
        let task = self.tasks.spawn(carried(step));
        task.await.unwrap_or_else(|join| {
            Err(FilesError::Store {
                action: "store a file",
                source: join.into(),
            })
        })
    }

    /// Undoes the file that was listed last, and goes on being usable.
    pub(super) async fn undo_last(&self, files: &Files) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
        let last = {
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            begun.pop()
        };
        if let Some(file) = last {
            undo_logged(files, &file).await;
        }
    }

    /// Undoes every file on the list that is not committed.
    pub(super) async fn undo(&self, files: &Files) {
        self.tasks.close();
        self.tasks.wait().await;
        let begun = {
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *begun)
        };
        for file in begun {
            undo_logged(files, &file).await;
        }
    }
}

async fn undo_logged(files: &Files, file: &Begun) {
    if let Err(error) = undo_one(files, file).await {
        tracing::warn!(file.id = %file.id, error = causes(&error), "an undone upload is left to the janitor");
    }
}

/// The row decides: one that was committed after all (the answer to `COMMIT` may get lost) stays.
async fn undo_one(files: &Files, file: &Begun) -> Result<(), FilesError> {
    match files.catalog.begin_undo(file.id).await? {
        true => {
            let upload = file.upload.as_ref();
            files.clear(file.id, &file.location, upload).await
        }
        false => Ok(()),
    }
}
