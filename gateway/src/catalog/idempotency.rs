//! The table `idempotency_keys`: requests that a client may repeat without doing them twice.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::pool::write;
use super::{Catalog, CatalogError};

/// Which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// Whose request it is: keys of two callers have nothing to do with each other.
    pub owner: String,
    /// The key that the client chose.
    pub key: String,
    /// Who carries it out: only the holder of the lease may write an answer.
    pub holder: Uuid,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The hashes of its files.
    pub fingerprint: String,
    /// What it was answered.
    pub answer: String,
}

/// How a request stands that wants to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is the holder's to carry out.
    Granted,
    /// Another holder is at work on it.
    Busy,
    /// It was carried out before.
    Answered(Answered),
}

impl Catalog {
    /// Takes a key for `lease`, unless it is held or answered. Keys older than `keep` are forgotten
    /// on the way.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim(
        &self,
        request: RequestKey,
        lease: Duration,
        keep: Duration,
    ) -> Result<Claim, CatalogError> {
        let found = write!(self, "claim an idempotency key", |tx| {
            let now = Utc::now();
            sqlx::query("DELETE FROM idempotency_keys WHERE created_at < $1 AND lease_until < $2")
                .bind(now - keep)
                .bind(now)
                .execute(&mut *tx)
                .await?;
            let granted = sqlx::query(
                "INSERT INTO idempotency_keys (owner, key, holder, lease_until, created_at) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (owner, key) DO UPDATE \
                 SET holder = excluded.holder, lease_until = excluded.lease_until \
                 WHERE idempotency_keys.answer IS NULL AND idempotency_keys.lease_until < $5",
            )
            .bind(&request.owner)
            .bind(&request.key)
            .bind(request.holder)
            .bind(now + lease)
            .bind(now)
            .execute(&mut *tx)
            .await?
            .rows_affected()
                == 1;
            if granted {
                None
            } else {
                sqlx::query_as::<_, (Option<String>, Option<String>)>(
                    "SELECT fingerprint, answer FROM idempotency_keys WHERE owner = $1 AND key = $2",
                )
                .bind(&request.owner)
                .bind(&request.key)
                .fetch_optional(&mut *tx)
                .await?
                .or(Some((None, None)))
            }
        })?;
        Ok(match found {
            None => Claim::Granted,
            Some((Some(fingerprint), Some(answer))) => Claim::Answered(Answered {
                fingerprint,
                answer,
            }),
            Some(_) => Claim::Busy,
        })
    }

    /// Holds a key for longer; false when it is no longer the holder's.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn renew(
        &self,
        request: RequestKey,
        until: DateTime<Utc>,
    ) -> Result<bool, CatalogError> {
        write!(self, "hold an idempotency key", |tx| {
            sqlx::query(
                "UPDATE idempotency_keys SET lease_until = $4 \
                 WHERE owner = $1 AND key = $2 AND holder = $3 AND answer IS NULL",
            )
            .bind(&request.owner)
            .bind(&request.key)
            .bind(request.holder)
            .bind(until)
            .execute(&mut *tx)
            .await?
            .rows_affected()
                == 1
        })
    }

    /// Gives a key back whose request failed, so that it can be tried again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release(&self, request: RequestKey) -> Result<(), CatalogError> {
        write!(self, "give an idempotency key back", |tx| {
            sqlx::query(
                "DELETE FROM idempotency_keys \
                 WHERE owner = $1 AND key = $2 AND holder = $3 AND answer IS NULL",
            )
            .bind(&request.owner)
            .bind(&request.key)
            .bind(request.holder)
            .execute(&mut *tx)
            .await?;
        })
    }
}
