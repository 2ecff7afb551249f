//! What is stored, in total, and the quotas that hold it.
//!
//! Triggers keep the totals (migrations 0004 and 0009), so that they are right whoever writes a row.
//! They are compared inside the transaction that adds to them: by then its own files are counted, and
//! the totals' rows are locked until it ends, so a quota holds exactly however many come at once.

use std::fmt;

use super::pool::read;
use super::{Catalog, CatalogError};

/// The most that may be stored; `None` is without end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// Bytes in the whole organization.
    pub bytes: Option<u64>,
    /// Files in the whole organization.
    pub files: Option<u64>,
    /// Bytes of one owner.
    pub owner_bytes: Option<u64>,
    /// Files of one owner.
    pub owner_files: Option<u64>,
}

/// What is stored: files that can be read, and what was promised to unfinished uploads in pieces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes in the whole organization.
    pub bytes: u64,
    /// Files in the whole organization.
    pub files: u64,
    /// Bytes of one owner.
    pub owner_bytes: u64,
    /// Files of one owner.
    pub owner_files: u64,
}

/// Which quota was in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaKind {
    /// [`Quota::bytes`].
    Bytes,
    /// [`Quota::files`].
    Files,
    /// [`Quota::owner_bytes`].
    OwnerBytes,
    /// [`Quota::owner_files`].
    OwnerFiles,
}

/// More would be stored than a quota allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the quota of {limit} {kind} would be exceeded")]
pub struct QuotaExceeded {
    /// Which.
    pub kind: QuotaKind,
    /// How much it allows, in bytes or files.
    pub limit: u64,
}

impl fmt::Display for QuotaKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Bytes => "bytes for the organization",
            Self::Files => "files for the organization",
            Self::OwnerBytes => "bytes for one owner",
            Self::OwnerFiles => "files for one owner",
        })
    }
}

impl Quota {
    /// Whether nothing is limited.
    pub fn is_endless(&self) -> bool {
        *self == Self::default()
    }

    /// Compares a usage with every limit.
    ///
    /// # Errors
    /// The first limit that it is beyond.
    pub fn admits(&self, usage: &Usage) -> Result<(), QuotaExceeded> {
        let limits = [
            (QuotaKind::Bytes, self.bytes, usage.bytes),
            (QuotaKind::Files, self.files, usage.files),
            (QuotaKind::OwnerBytes, self.owner_bytes, usage.owner_bytes),
            (QuotaKind::OwnerFiles, self.owner_files, usage.owner_files),
        ];
        for (kind, limit, used) in limits {
            if let Some(limit) = limit.filter(|limit| used > *limit) {
                return Err(QuotaExceeded { kind, limit });
            }
        }
        Ok(())
    }

    /// How many more bytes fit, and which limit it is that ends them.
    pub fn room(&self, usage: &Usage) -> Option<(u64, QuotaExceeded)> {
        let limits = [
            (QuotaKind::Bytes, self.bytes, usage.bytes),
            (QuotaKind::OwnerBytes, self.owner_bytes, usage.owner_bytes),
        ];
        let rooms = limits.into_iter().filter_map(|(kind, limit, used)| {
            let limit = limit?;
            Some((limit.saturating_sub(used), QuotaExceeded { kind, limit }))
        });
        rooms.min_by_key(|(room, _)| *room)
    }
}

/// The statement that finds both totals.
const TOTALS: &str = "SELECT scope, bytes + reserved_bytes, files + reserved_files FROM usage_totals \
     WHERE (scope = 'organization' AND name = $1) OR (scope = 'owner' AND name = $2)";

/// The same, of those whose a file is.
pub(super) const TOTALS_OF_FILE: &str = "SELECT t.scope, t.bytes + t.reserved_bytes, t.files + t.reserved_files \
     FROM usage_totals t JOIN files f ON (t.scope = 'organization' AND t.name = f.organization) \
     OR (t.scope = 'owner' AND t.name = f.owner) WHERE f.id = $1";

/// `keep_to!(tx, quota, id)`: ends the transaction when those whose a file is have more than their
/// quota, with what it just wrote. As an error of the driver's: that is what rolls it back, and
/// [`CatalogError::or_rule`] finds it there.
macro_rules! keep_to {
    ($tx:ident, $quota:expr, $id:expr) => {
        if !$quota.is_endless() {
            let totals =
                sqlx::query_as::<_, (String, i64, i64)>($crate::catalog::usage::TOTALS_OF_FILE)
                    .bind($id)
                    .fetch_all(&mut *$tx)
                    .await?;
            $quota
                .admits(&$crate::catalog::usage::usage(totals))
                .map_err(|exceeded| sqlx::Error::Encode(exceeded.into()))?;
        }
    };
}
pub(super) use keep_to;

/// The rows of [`TOTALS`] as one usage.
pub(super) fn usage(totals: Vec<(String, i64, i64)>) -> Usage {
    let mut usage = Usage::default();
    for (scope, bytes, files) in totals {
        let (bytes, files) = (
            u64::try_from(bytes).unwrap_or(0),
            u64::try_from(files).unwrap_or(0),
        );
        if scope == "organization" {
            (usage.bytes, usage.files) = (bytes, files);
        } else {
            (usage.owner_bytes, usage.owner_files) = (bytes, files);
        }
    }
    usage
}

impl Catalog {
    /// What an organization and one of its owners have stored or were promised.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage(&self, organization: &str, owner: &str) -> Result<Usage, CatalogError> {
        let totals = read!(self, "add up what is stored", |db| sqlx::query_as::<
            _,
            (String, i64, i64),
        >(TOTALS)
        .bind(organization)
        .bind(owner)
        .fetch_all(db))?;
        Ok(usage(totals))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_admits_up_to_its_limit_and_no_more() {
        let quota = Quota {
            bytes: Some(10),
            owner_files: Some(2),
            ..Quota::default()
        };
        let usage = |bytes, owner_files| Usage {
            bytes,
            owner_files,
            ..Usage::default()
        };
        assert_eq!(quota.admits(&usage(10, 2)), Ok(()));
        let over = |kind, limit| Err(QuotaExceeded { kind, limit });
        assert_eq!(quota.admits(&usage(11, 2)), over(QuotaKind::Bytes, 10));
        assert_eq!(quota.admits(&usage(10, 3)), over(QuotaKind::OwnerFiles, 2));
    }

    #[test]
    fn the_narrower_limit_ends_the_bytes() {
        let quota = Quota {
            bytes: Some(100),
            owner_bytes: Some(50),
            ..Quota::default()
        };
        let used = |bytes, owner_bytes| Usage {
            bytes,
            owner_bytes,
            ..Usage::default()
        };
        let room = |bytes, owner_bytes| {
            let (room, end) = quota.room(&used(bytes, owner_bytes)).unwrap();
            (room, end.kind)
        };
        assert_eq!(room(0, 0), (50, QuotaKind::OwnerBytes));
        assert_eq!(room(90, 0), (10, QuotaKind::Bytes));
        assert_eq!(room(90, 60), (0, QuotaKind::OwnerBytes));
        assert_eq!(Quota::default().room(&used(1, 1)), None);
    }
}
