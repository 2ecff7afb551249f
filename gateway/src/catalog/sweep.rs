//! What the janitor asks.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::files::{Status, columns};
use super::pool::read;
use super::{Catalog, CatalogError, FileRow};

#[derive(sqlx::FromRow)]
struct Standing {
    id: Uuid,
    #[sqlx(try_from = "String")]
    status: Status,
}

impl Catalog {
    /// Rows `uploading` that nobody has touched since `uploading`, and rows `deleting` that nobody
    /// has touched since `deleting`, and uploads in pieces that have expired, which needs no more
    /// patience; the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unsettled(
        &self,
        uploading: DateTime<Utc>,
        deleting: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<FileRow>, CatalogError> {
        read!(self, "list unsettled files", |db| sqlx::query_as::<
            _,
            FileRow,
        >(concat!(
            "SELECT ",
            columns!(),
            " FROM files WHERE (status = 'uploading' AND touched_at < $1) \
              OR (status = 'deleting' AND touched_at < $2) OR (status = 'uploading' AND id IN \
              (SELECT file_id FROM resumable_uploads WHERE expires_at < $4)) \
              ORDER BY touched_at LIMIT $3"
        ))
        .bind(uploading)
        .bind(deleting)
        .bind(i64::from(limit))
        .bind(Utc::now())
        .fetch_all(db))
    }

    /// When this catalogue was made.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begun_at(&self) -> Result<DateTime<Utc>, CatalogError> {
        read!(self, "tell its age", |db| sqlx::query_scalar::<
            _,
            DateTime<Utc>,
        >(
            "SELECT begun_at FROM catalogue"
        )
        .fetch_one(db))
    }

    /// How the files stand whose ids are between `first` and `last` (both inclusive).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn statuses_between(
        &self,
        first: Uuid,
        last: Uuid,
    ) -> Result<HashMap<Uuid, Status>, CatalogError> {
        let rows = read!(self, "list files", |db| sqlx::query_as::<_, Standing>(
            "SELECT id, status FROM files WHERE id >= $1 AND id <= $2"
        )
        .bind(first)
        .bind(last)
        .fetch_all(db))?;
        Ok(rows.into_iter().map(|row| (row.id, row.status)).collect())
    }
}
