//! The rows: files, their media facts and their jobs, in SQLite or PostgreSQL.
//!
//! Each statement is written once: `$1` placeholders, uuid, bytes, text, bigint and timestamps mean
//! the same to both. `read!` runs one on a pooled connection; `write!` runs a transaction in a task
//! of its own, because sqlx 0.9.0 hands a connection back to the pool inside an open transaction
//! when the future that sent `BEGIN` is dropped (transact-rs/sqlx#4385), and a request's future is
//! dropped whenever its client hangs up.

mod connect;
mod epochs;
mod error;
mod files;
mod idempotency;
mod jobs;
mod leases;
mod media;
mod migrate;
mod outputs;
mod pool;
mod resumable;
mod standing;
mod sweep;
mod usage;
mod webhook_events;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

pub use connect::Settings;
pub use epochs::{Epoch, RevocableRow};
pub use error::CatalogError;
pub use files::{FileRow, NewRow, Settlement, Status, StoredRow, Visibility};
pub use idempotency::{Answered, Claim, RequestKey};
pub use jobs::{Job, Lease};
pub use media::MediaRow;
pub use outputs::OutputRow;
pub use resumable::{
    Advance, Allowance, Fence, NewResumableRow, PartRow, ResumableRow, Terms, TooManyUnfinished,
};
pub use standing::StandingRow;
pub use usage::{Quota, QuotaExceeded, QuotaKind, Usage};
pub use webhook_events::{DueEvent, EventType, EventTypes};

use pool::Pool;

/// How long a request waits for a connection before it is told that the database is not there.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a request waits for one statement or transaction.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// The organization's catalogue; cheap to clone.
#[derive(Debug, Clone)]
pub struct Catalog {
    pool: Pool,
    job_added: Arc<Notify>,
    /// What a webhook's receiver is to be told.
    events: EventTypes,
    event_added: Arc<Notify>,
}

impl Catalog {
    /// Asks the database for an answer.
    ///
    /// # Errors
    /// When none comes within the timeouts.
    pub async fn ping(&self) -> Result<(), CatalogError> {
        pool::read!(self, "answer", |db| sqlx::query_scalar::<_, i32>(
            "SELECT 1"
        )
        .fetch_one(db))?;
        Ok(())
    }

    /// Whether [`Catalog::close`] was called.
    pub fn is_closed(&self) -> bool {
        match &self.pool {
            Pool::Sqlite { writer, .. } => writer.is_closed(),
            Pool::Postgres(pool) => pool.is_closed(),
        }
    }

    /// Closes every connection; for a graceful stop.
    pub async fn close(&self) {
        match &self.pool {
            Pool::Sqlite { readers, writer } => {
                readers.close().await;
                writer.close().await;
            }
            Pool::Postgres(pool) => pool.close().await,
        }
    }
}
