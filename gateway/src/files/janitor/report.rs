//! What a sweep did.

use std::fmt;

use serde::Serialize;

/// What was found of one kind, and what became of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// How many were left by somebody.
    pub found: u64,
    /// How many are gone now; none in a dry run.
    pub settled: u64,
    /// How many could not be settled; the log says why, and the next sweep tries again.
    pub failed: u64,
    /// The bytes of those found, where they are known; uploads in parts have no length.
    pub bytes: u64,
}

impl Tally {
    /// One more was found.
    pub(super) fn find(&mut self, bytes: u64) {
        self.found += 1;
        self.bytes += bytes;
    }
}

/// How much a sweep found and settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Rows of uploads and deletions that nobody was going to finish.
    pub rows: Tally,
    /// Uploads in parts without a row.
    pub uploads: Tally,
    /// Objects without a row.
    pub objects: Tally,
}

impl Swept {
    /// Every kind's tally, by the kind's name.
    pub fn kinds(&self) -> [(&'static str, Tally); 3] {
        [
            ("rows", self.rows),
            ("uploads", self.uploads),
            ("objects", self.objects),
        ]
    }

    /// How many could not be settled, of all kinds.
    pub fn failed(&self) -> u64 {
        self.kinds().iter().map(|(_, tally)| tally.failed).sum()
    }
}

/// A line for each kind.
impl fmt::Display for Swept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, tally) in self.kinds() {
            let Tally {
                found,
                settled,
                failed,
                bytes,
            } = tally;
            writeln!(
                formatter,
                "{kind:8} {found} found, {settled} settled, {failed} failed, {bytes} bytes"
            )?;
        }
        Ok(())
    }
}
