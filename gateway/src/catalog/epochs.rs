//! Revocations of file tokens, counted.
//!
//! Each takes the next number of the organization's clock and leaves it with a subject or a file.
//! The clock's row is locked until the revocation is committed, so numbers become visible in order.

use uuid::Uuid;

use super::files::columns;
use super::pool::{read, write};
use super::{Catalog, CatalogError, FileRow};

/// How many revocations an organization has seen; 0 before the first.
pub type Epoch = i64;

/// A row, with the last revocations that concern one reader of it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct RevocableRow {
    /// The file.
    #[sqlx(flatten)]
    pub file: FileRow,
    /// When the file's tokens were last revoked.
    #[sqlx(rename = "token_epoch")]
    pub file_epoch: Epoch,
    /// When the reader's tokens were last revoked.
    pub subject_epoch: Epoch,
}

macro_rules! select_revocable {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            ", token_epoch, COALESCE((SELECT reader.epoch FROM token_epochs AS reader \
             WHERE reader.organization = $2 AND reader.subject = $3), 0) AS subject_epoch \
             FROM files WHERE ",
            $condition
        )
    };
}

impl Catalog {
    /// What the clock of `organization` shows.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn token_clock(&self, organization: &str) -> Result<Epoch, CatalogError> {
        let shown = read!(self, "read the clock of revocations", |db| {
            sqlx::query_scalar::<_, Epoch>("SELECT epoch FROM token_clock WHERE organization = $1")
                .bind(organization)
                .fetch_optional(db)
        })?;
        Ok(shown.unwrap_or(0))
    }

    /// When the tokens of `subject` were last revoked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn subject_epoch(
        &self,
        organization: &str,
        subject: &str,
    ) -> Result<Epoch, CatalogError> {
        let epoch = read!(self, "find a revocation", |db| {
            sqlx::query_scalar::<_, Epoch>(
                "SELECT epoch FROM token_epochs WHERE organization = $1 AND subject = $2",
            )
            .bind(organization)
            .bind(subject)
            .fetch_optional(db)
        })?;
        Ok(epoch.unwrap_or(0))
    }

    /// The row of a file, in whatever status, and what was revoked of it and of `subject`; one
    /// statement.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_revocable(
        &self,
        id: Uuid,
        organization: &str,
        subject: &str,
    ) -> Result<Option<RevocableRow>, CatalogError> {
        read!(self, "find a file", |db| sqlx::query_as::<_, RevocableRow>(
            select_revocable!("id = $1")
        )
        .bind(id)
        .bind(organization)
        .bind(subject)
        .fetch_optional(db))
    }

    /// The same by the file's exact S3 key.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_revocable_by_location(
        &self,
        location: &str,
        organization: &str,
        subject: &str,
    ) -> Result<Option<RevocableRow>, CatalogError> {
        // PostgreSQL's text can't hold NUL, so nothing is stored under such a key.
        if location.contains('\0') {
            return Ok(None);
        }
        read!(self, "find a file", |db| sqlx::query_as::<_, RevocableRow>(
            select_revocable!("location = $1")
        )
        .bind(location)
        .bind(organization)
        .bind(subject)
        .fetch_optional(db))
    }

    /// Ends every token of `subject` that was minted until now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_subject(
        &self,
        organization: &str,
        subject: &str,
    ) -> Result<(), CatalogError> {
        let (organization, subject) = (organization.to_owned(), subject.to_owned());
        write!(self, "revoke tokens", |tx| {
            let epoch: Epoch = sqlx::query_scalar(TICK)
                .bind(&organization)
                .fetch_one(&mut *tx)
                .await?;
            sqlx::query(
                "INSERT INTO token_epochs (organization, subject, epoch) VALUES ($1, $2, $3) \
                 ON CONFLICT (organization, subject) DO UPDATE SET epoch = excluded.epoch",
            )
            .bind(organization)
            .bind(subject)
            .bind(epoch)
            .execute(&mut *tx)
            .await?;
        })
    }

    /// Keeps every token that was minted until now from opening this file; false when it is not
    /// there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_file(&self, organization: &str, id: Uuid) -> Result<bool, CatalogError> {
        let organization = organization.to_owned();
        write!(self, "revoke tokens", |tx| {
            let epoch: Epoch = sqlx::query_scalar(TICK)
                .bind(organization)
                .fetch_one(&mut *tx)
                .await?;
            sqlx::query("UPDATE files SET token_epoch = $2 WHERE id = $1")
                .bind(id)
                .bind(epoch)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                == 1
        })
    }
}

/// Moves the clock of an organization on.
const TICK: &str = "INSERT INTO token_clock (organization, epoch) VALUES ($1, 1) \
     ON CONFLICT (organization) DO UPDATE SET epoch = token_clock.epoch + 1 RETURNING epoch";
