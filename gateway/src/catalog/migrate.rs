//! Bringing the schema up to date, with any number of gateways at it at once.

use std::sync::LazyLock;

use sqlx::migrate::Migrator;

use super::pool::Pool;
use super::{Catalog, CatalogError};

static SQLITE: LazyLock<Migrator> =
    LazyLock::new(|| beside_newer(sqlx::migrate!("migrations/sqlite")));
static POSTGRES: LazyLock<Migrator> =
    LazyLock::new(|| beside_newer(sqlx::migrate!("migrations/postgres")));

/// During a rollout, and after one that was taken back, gateways start that do not know the newest
/// migrations. These only ever add, so what an older gateway needs is there.
fn beside_newer(mut migrator: Migrator) -> Migrator {
    migrator.set_ignore_missing(true);
    migrator
}

impl Catalog {
    /// Applies the migrations that are missing. Safe to call twice and from several processes.
    ///
    /// # Errors
    /// When a migration fails, or one that was applied before differs from ours.
    pub async fn migrate(&self) -> Result<(), CatalogError> {
        let pool = self.pool.clone();
        // In a task of its own: a migration that was begun is carried to its end.
        tokio::spawn(async move {
            match pool {
                Pool::Sqlite { writer, .. } => {
                    // sqlx's migrator has no lock for SQLite; the transaction around it is ours.
                    let mut transaction = writer
                        .begin_with("BEGIN IMMEDIATE")
                        .await
                        .map_err(CatalogError::Connect)?;
                    SQLITE
                        .run_direct(None, &mut *transaction, false)
                        .await
                        .map_err(CatalogError::Migrate)?;
                    transaction.commit().await.map_err(CatalogError::Connect)
                }
                Pool::Postgres(pool) => {
                    // Out of the pool and closed afterwards: with it go the advisory lock, even
                    // after a failure, and the lifted time limit.
                    let mut connection = pool
                        .acquire()
                        .await
                        .map_err(CatalogError::Connect)?
                        .detach();
                    sqlx::raw_sql("SET statement_timeout = 0")
                        .execute(&mut connection)
                        .await
                        .map_err(CatalogError::Connect)?;
                    let outcome = POSTGRES.run_direct(None, &mut connection, false).await;
                    // A connection that does not close cleanly has lost its lock just the same.
                    sqlx::Connection::close(connection).await.ok();
                    outcome.map_err(CatalogError::Migrate)
                }
            }
        })
        .await
        .map_err(|join| CatalogError::Connect(sqlx::Error::Io(std::io::Error::other(join))))?
    }
}
