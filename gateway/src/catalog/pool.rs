//! Running one statement on either database.

use std::future::Future;

use sqlx::{PgPool, SqlitePool};

use super::{CatalogError, STATEMENT_TIMEOUT};

/// The connections. SQLite has one writer, because it lets only one in at a time: writers queue
/// here, in order and without holding a thread, instead of spinning on its lock.
#[derive(Debug, Clone)]
pub(super) enum Pool {
    Sqlite {
        readers: SqlitePool,
        writer: SqlitePool,
    },
    Postgres(PgPool),
}

impl Pool {
    /// Its name in traces.
    pub(super) fn system(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres(_) => "postgresql",
        }
    }
}

/// Awaits a statement, but not for ever.
pub(super) async fn timed<T>(
    system: &'static str,
    action: &'static str,
    statement: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, CatalogError> {
    traced(system, action, async {
        tokio::time::timeout(STATEMENT_TIMEOUT, statement)
            .await
            .map_err(|_| CatalogError::Timeout { action })?
            .map_err(|source| CatalogError::Statement { action, source })
    })
    .await
}

/// Awaits a transaction that goes on to its end when the caller is dropped or gives up waiting.
pub(super) async fn detached<T, F>(
    system: &'static str,
    action: &'static str,
    transaction: F,
) -> Result<T, CatalogError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, sqlx::Error>> + Send + 'static,
{
    traced(system, action, async {
        let task = tokio::spawn(transaction);
        match tokio::time::timeout(STATEMENT_TIMEOUT, task).await {
            Err(_) => Err(CatalogError::Timeout { action }),
            Ok(Err(join)) => Err(CatalogError::Statement {
                action,
                source: sqlx::Error::Io(std::io::Error::other(join)),
            }),
            Ok(Ok(done)) => done.map_err(|source| CatalogError::Statement { action, source }),
        }
    })
    .await
}

/// The wait for a connection is part of it.
async fn traced<T>(
    system: &'static str,
    action: &'static str,
    statement: impl Future<Output = Result<T, CatalogError>>,
) -> Result<T, CatalogError> {
    let traced = traces::statement(system, action);
    let outcome = traced.around(statement).await;
    match &outcome {
        Ok(_) => {}
        Err(CatalogError::Timeout { .. }) => traced.failed("timeout"),
        Err(_) => traced.failed("error"),
    }
    outcome
}

/// `read!(catalog, "find a file", |db| query.fetch_optional(db))`: one statement, either database.
macro_rules! read {
    ($catalog:expr, $action:literal, |$db:ident| $statement:expr) => {
        match (&$catalog.pool, $catalog.pool.system()) {
            ($crate::catalog::pool::Pool::Sqlite { readers: $db, .. }, system) => {
                $crate::catalog::pool::timed(system, $action, $statement).await
            }
            ($crate::catalog::pool::Pool::Postgres($db), system) => {
                $crate::catalog::pool::timed(system, $action, $statement).await
            }
        }
    };
}

/// `write!(catalog, "delete a file", |tx| { … })`: a transaction, in a task that nobody can cancel.
/// The block may use `?` on `sqlx::Error`, must own what it captures, and its value is the result.
macro_rules! write {
    ($catalog:expr, $action:literal, |$tx:ident| $body:block) => {
        match ($catalog.pool.clone(), $catalog.pool.system()) {
            ($crate::catalog::pool::Pool::Sqlite { writer, .. }, system) => {
                $crate::catalog::pool::detached(system, $action, async move {
                    let mut $tx = writer.begin_with("BEGIN IMMEDIATE").await?;
                    let value = $body;
                    $tx.commit().await?;
                    Ok::<_, sqlx::Error>(value)
                })
                .await
            }
            ($crate::catalog::pool::Pool::Postgres(pool), system) => {
                $crate::catalog::pool::detached(system, $action, async move {
                    let mut $tx = pool.begin().await?;
                    let value = $body;
                    $tx.commit().await?;
                    Ok::<_, sqlx::Error>(value)
                })
                .await
            }
        }
    };
}

pub(super) use {read, write};
