//! A long upload's sign of life.

use std::time::{Duration, Instant};

use super::super::FilesError;
use super::ledger::Ledger;
use crate::catalog::Catalog;

/// How often the janitor is told: far more often than the age at which it acts.
const EVERY: Duration = Duration::from_secs(10 * 60);

/// Touches the rows of a request's files while its bytes arrive.
#[derive(Debug)]
pub(in crate::files) struct Heartbeat {
    catalog: Catalog,
    ledger: Ledger,
    last: Instant,
}

impl Heartbeat {
    pub(super) fn new(catalog: Catalog, ledger: Ledger) -> Self {
        Self {
            catalog,
            ledger,
            last: Instant::now(),
        }
    }

    /// Called after each part.
    pub(super) async fn beat(&mut self) -> Result<(), FilesError> {
        if self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            self.catalog.touch(self.ledger.ids()).await?;
        }
        Ok(())
    }
}
