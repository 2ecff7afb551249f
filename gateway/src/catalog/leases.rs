//! What only one process may do at a time.

use std::time::Duration;

use uuid::Uuid;

use super::jobs::after;
use super::pool::write;
use super::{Catalog, CatalogError};

impl Catalog {
    /// Takes the lease called `name` for a while, or extends it: false when somebody else holds it.
    /// One that ran out is anybody's; the database's clock decides.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_lease(
        &self,
        name: &'static str,
        holder: Uuid,
        lease: Duration,
    ) -> Result<bool, CatalogError> {
        let now = self.now().await?;
        write!(self, "take a lease", |tx| {
            sqlx::query(
                "INSERT INTO leases (name, holder, until) VALUES ($1, $2, $3) \
                 ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until \
                 WHERE leases.holder = excluded.holder OR leases.until < $4",
            )
            .bind(name)
            .bind(holder)
            .bind(after(now, lease))
            .bind(now)
            .execute(&mut *tx)
            .await?
            .rows_affected()
                == 1
        })
    }

    /// Gives a lease back, if it is still the holder's.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn give_lease(&self, name: &'static str, holder: Uuid) -> Result<(), CatalogError> {
        write!(self, "give a lease back", |tx| {
            sqlx::query("DELETE FROM leases WHERE name = $1 AND holder = $2")
                .bind(name)
                .bind(holder)
                .execute(&mut *tx)
                .await?;
        })
    }
}
