//! Opening the database.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Executor, PgConnection};

use super::pool::Pool;
use super::{ACQUIRE_TIMEOUT, Catalog, CatalogError, EventTypes};

/// A connection that rested longer than this is asked for a sign of life before it is used.
const PING_AFTER: Duration = Duration::from_secs(5);

/// How long a statement waits for another process's lock on a SQLite file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause between two tries where SQLite does not wait by itself.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Which database, and how much of it.
#[derive(Clone)]
pub struct Settings {
    /// `sqlite:///absolute/path` or `postgres://user:password@host/database`.
    pub url: String,
    /// The most connections to hold at once.
    pub max_connections: u32,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("url", &"…")
            .field("max_connections", &self.max_connections)
            .finish()
    }
}

impl Catalog {
    /// Opens the database, making a SQLite file when there is none.
    ///
    /// # Errors
    /// When the URL makes no sense or the first connection can't be had.
    pub async fn connect(settings: Settings) -> Result<Self, CatalogError> {
        let pool = match settings.url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => sqlite(&settings).await?,
            Some("postgres" | "postgresql") => postgres(&settings).await?,
            _ => return Err(CatalogError::Url),
        };
        Ok(Self {
            pool,
            job_added: Arc::default(),
            events: EventTypes::default(),
            event_added: Arc::default(),
        })
    }
}

impl Catalog {
    /// Opens connections with this URL from now on: a changed password, for one. Those that are open
    /// go on. It has to be of the same kind of database; a SQLite file stays the one that it is.
    ///
    /// # Errors
    /// [`CatalogError::Url`] when the URL makes no sense.
    pub fn take_up(&self, url: &str) -> Result<(), CatalogError> {
        match &self.pool {
            Pool::Sqlite { .. } => {}
            Pool::Postgres(pool) => pool.set_connect_options(postgres_options(url)?),
        }
        Ok(())
    }
}

async fn sqlite(settings: &Settings) -> Result<Pool, CatalogError> {
    let options = SqliteConnectOptions::from_str(&settings.url)
        .map_err(|_| CatalogError::Url)?
        .create_if_missing(true)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL: in WAL mode NORMAL may lose the last commits when the power goes, and an
        // acknowledged upload must not be lost.
        .synchronous(SqliteSynchronous::Full);
    // Local connections cost nothing to keep and much to reopen, so they neither idle out nor age.
    let pool = |connections: u32| {
        SqlitePoolOptions::new()
            .min_connections(1)
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
    };
    // The writer first: it turns WAL mode on, which readers can't do beside each other. Nor can the
    // writers of several processes: SQLite refuses that at once, whatever the busy timeout.
    let started = Instant::now();
    let writer = loop {
        match pool(1).connect_with(options.clone()).await {
            Ok(writer) => break writer,
            Err(error) if is_busy(&error) && started.elapsed() < BUSY_TIMEOUT => {
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            Err(error) => return Err(CatalogError::Connect(error)),
        }
    };
    let readers = pool(settings.max_connections.max(1))
        .connect_with(options)
        .await
        .map_err(CatalogError::Connect)?;
    Ok(Pool::Sqlite { readers, writer })
}

/// Whether another connection holds the file: SQLITE_BUSY, 5, with or without an extension.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    let code = code.and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
}

async fn postgres(settings: &Settings) -> Result<Pool, CatalogError> {
    let options = postgres_options(&settings.url)?;
    // The pool would try again until its time is up, and then not say what was wrong.
    let first = tokio::time::timeout(ACQUIRE_TIMEOUT, PgConnection::connect_with(&options))
        .await
        .map_err(|_| CatalogError::Timeout { action: "connect" })?
        .map_err(CatalogError::Connect)?;
    first.close().await.map_err(CatalogError::Connect)?;
    PgPoolOptions::new()
        .max_connections(settings.max_connections.max(1))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // sqlx would ping at every acquire: a round trip more for each request.
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > PING_AFTER {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(|connection, _| {
            Box::pin(async move {
                // The server gives up before the gateway does, so nothing is left running there.
                // At this level writers wait for each other, and none is told to try again.
                connection
                    .execute(
                        "SET statement_timeout = '9s'; \
                         SET idle_in_transaction_session_timeout = '30s'; \
                         SET default_transaction_isolation = 'read committed'",
                    )
                    .await?;
                Ok(())
            })
        })
        .connect_with(options)
        .await
        .map(Pool::Postgres)
        .map_err(CatalogError::Connect)
}

fn postgres_options(url: &str) -> Result<PgConnectOptions, CatalogError> {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    if !matches!(scheme, Some("postgres" | "postgresql")) {
        return Err(CatalogError::Url);
    }
    let options = PgConnectOptions::from_str(url).map_err(|_| CatalogError::Url)?;
    Ok(options.application_name("filegateway"))
}
