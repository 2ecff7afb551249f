//! The handle that everything above this layer holds.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::upload::{Budget, Slots, part_bytes};
use super::video::Watched;
use super::{FileId, Quota, TypeRules};
use crate::auth::policy::LocationAccess;
use crate::catalog::Catalog;
use crate::store::Store;
use crate::telemetry::Metrics;

/// What the rules need to know of this gateway.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The organization that it serves.
    pub organization: String,
    /// The longest file that it accepts, in bytes.
    pub max_file_bytes: u64,
    /// The most files in one request.
    pub max_files: u32,
    /// Which media types it takes.
    pub types: TypeRules,
    /// How much may be stored.
    pub quota: Quota,
    /// The most requests that upload at once, in this process; one caller's a quarter of them.
    pub uploads_in_flight: u32,
    /// How much memory the parts of all uploads may take up, in bytes; one caller's a quarter of it.
    pub upload_memory_bytes: u64,
    /// How many unfinished uploads in pieces an owner may have.
    pub uploads_unfinished: u32,
    /// How long an unfinished upload in pieces may rest.
    pub uploads_expire: Duration,
    /// How long after its beginning an unfinished upload in pieces ends, whatever happens to it.
    pub uploads_max_age: Duration,
    /// Who may read a file by its location.
    pub locations: LocationAccess,
    /// Whether uploaded videos get a job; false when nobody would work on it.
    pub video: bool,
}

/// The use cases of the service layer; cheap to clone.
#[derive(Debug, Clone)]
pub struct Files {
    pub(super) catalog: Catalog,
    pub(super) store: Store,
    pub(super) settings: Arc<Settings>,
    pub(super) uploads: Slots,
    pub(super) budget: Budget,
    pub(super) watched: Watched,
    /// Undoings and deletions that go on after their request is gone.
    pub(super) background: TaskTracker,
}

impl Files {
    /// Puts the layer together.
    pub fn new(catalog: Catalog, store: Store, settings: Settings) -> Self {
        Self {
            catalog,
            store,
            uploads: Slots::new(settings.uploads_in_flight),
            budget: Budget::new(
                settings.upload_memory_bytes,
                part_bytes(settings.max_file_bytes),
            ),
            settings: Arc::new(settings),
            watched: Watched::default(),
            background: TaskTracker::new(),
        }
    }

    /// Waits for the undoings and deletions that were begun; for a graceful stop, after the last
    /// request. What is cut off here is the janitor's to finish.
    pub async fn settle(&self) {
        self.background.close();
        self.background.wait().await;
    }

    /// What this process counts in.
    pub fn metrics(&self) -> &Metrics {
        self.store.metrics()
    }

    /// The catalogue, for the loop that takes jobs from it.
    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The longest file that is accepted, in bytes.
    pub fn max_file_bytes(&self) -> u64 {
        self.settings.max_file_bytes
    }

    /// Under which key the bytes of a file lie, as they were uploaded.
    pub(super) fn original(&self, id: FileId) -> String {
        format!("{}{id}/original", self.root())
    }

    /// Under which keys everything of the organization lies.
    pub(super) fn root(&self) -> String {
        format!("{}/", self.settings.organization)
    }
}
