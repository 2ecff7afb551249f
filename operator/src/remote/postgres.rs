//! What the operator asks of PostgreSQL: roles and databases, each marked with its owner in a
//! comment.
//!
//! Names and literals can't be bound as parameters in these statements, so they are quoted here.

use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};

use super::error::{Kind, RemoteError, System};
use super::scram;
use super::sqlstate::translate;
use crate::metrics::Metrics;
use crate::sensitive::Sensitive;

const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Where there is always a database to connect to.
const MAINTENANCE: &str = "postgres";

/// Where a PostgreSQL server is, and who connects.
#[derive(Clone, Debug)]
pub struct Login {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// libpq's `sslmode`.
    pub ssl_mode: String,
    /// The role.
    pub user: String,
    /// The role's password.
    pub password: Sensitive,
}

impl Login {
    /// The server without the role: `host:port`.
    pub fn server(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    async fn connect(
        &self,
        database: &str,
        action: &'static str,
    ) -> Result<PgConnection, RemoteError> {
        let options = PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .username(&self.user)
            .password(self.password.expose())
            .database(database)
            .ssl_mode(self.ssl_mode.parse().unwrap_or(PgSslMode::Prefer))
            .application_name("filegateway-operator")
            .disable_statement_logging();
        let attempt = tokio::time::timeout(TIME_LIMIT, options.connect()).await;
        match attempt {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(translate(&self.server(), action, &error)),
            Err(_) => Err(RemoteError {
                system: System::PostgreSql,
                endpoint: self.server(),
                action,
                kind: Kind::Unreachable,
                code: "no answer in time".into(),
            }),
        }
    }
}

/// A role as found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its comment.
    pub comment: Option<String>,
    /// Whether it may log in.
    pub can_log_in: bool,
}

/// A database as found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Its comment.
    pub comment: Option<String>,
    /// The role that owns it.
    pub owner: String,
    /// Whether everybody may connect to it.
    pub open_to_public: bool,
}

/// A connection with the class's credentials.
pub struct Admin {
    connection: PgConnection,
    server: String,
    metrics: Metrics,
}

impl Admin {
    /// Connects; calls are counted in `metrics`.
    ///
    /// # Errors
    /// When the server can't be reached or refuses the login.
    pub async fn connect(login: &Login, metrics: &Metrics) -> Result<Self, RemoteError> {
        let connecting = login.connect(MAINTENANCE, "manage databases");
        Ok(Self {
            connection: timed(metrics, "connect", connecting).await?,
            server: login.server(),
            metrics: metrics.clone(),
        })
    }

    /// Whether the server lets `login` connect to `database`; false when it refuses the password.
    ///
    /// # Errors
    /// Any other failure.
    pub async fn accepts(&self, login: &Login, database: &str) -> Result<bool, RemoteError> {
        const ACTION: &str = "check the gateway's login";
        let connecting = login.connect(database, ACTION);
        match timed(&self.metrics, ACTION, connecting).await {
            Ok(connection) => {
                let _ = connection.close().await;
                Ok(true)
            }
            Err(error) if error.code.starts_with("28P01") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The role called `name`.
    ///
    /// # Errors
    /// Any failure.
    pub async fn role(&mut self, name: &str) -> Result<Option<Role>, RemoteError> {
        const ACTION: &str = "look for the role";
        let found = sqlx::query(
            "SELECT shobj_description(oid, 'pg_authid') AS comment, rolcanlogin \
             FROM pg_roles WHERE rolname = $1",
        )
        .bind(name)
        .fetch_optional(&mut self.connection);
        let row = timed(&self.metrics, ACTION, found).await.and_then(|row| {
            row.map(|row| {
                Ok(Role {
                    comment: row.try_get("comment")?,
                    can_log_in: row.try_get("rolcanlogin")?,
                })
            })
            .transpose()
        });
        row.map_err(|error| translate(&self.server, ACTION, &error))
    }

    /// The database called `name`.
    ///
    /// # Errors
    /// Any failure.
    pub async fn database(&mut self, name: &str) -> Result<Option<Database>, RemoteError> {
        const ACTION: &str = "look for the database";
        let found = sqlx::query(
            "SELECT shobj_description(oid, 'pg_database') AS comment, \
                    pg_get_userbyid(datdba)::text AS owner, \
                    has_database_privilege('public', oid, 'CONNECT') AS open_to_public \
             FROM pg_database WHERE datname = $1",
        )
        .bind(name)
        .fetch_optional(&mut self.connection);
        let row = timed(&self.metrics, ACTION, found).await.and_then(|row| {
            row.map(|row| {
                Ok(Database {
                    comment: row.try_get("comment")?,
                    owner: row.try_get("owner")?,
                    open_to_public: row.try_get("open_to_public")?,
                })
            })
            .transpose()
        });
        row.map_err(|error| translate(&self.server, ACTION, &error))
    }

    /// Creates a role that may log in with `password`, with its mark. Statements sent together are
    /// one transaction, so no crash leaves it without.
    ///
    /// # Errors
    /// Any failure.
    pub async fn create_role(
        &mut self,
        name: &str,
        password: &Sensitive,
        comment: &str,
    ) -> Result<(), RemoteError> {
        let statements = login(name, password, comment);
        self.execute("create the role", statements).await
    }

    /// Creates a role that may log in with `password` and acts as `owner` then: what it makes belongs to
    /// that role. With its mark, in one transaction.
    ///
    /// # Errors
    /// Any failure.
    pub async fn create_login(
        &mut self,
        name: &str,
        owner: &str,
        password: &Sensitive,
        comment: &str,
    ) -> Result<(), RemoteError> {
        let role = identifier(name);
        let statements = format!(
            "{}; GRANT {} TO {role}; ALTER ROLE {role} SET role TO {}",
            login(name, password, comment),
            identifier(owner),
            literal(owner),
        );
        self.execute("create the second role", statements).await
    }

    /// How many sessions have logged in as the role.
    ///
    /// # Errors
    /// Any failure.
    pub async fn sessions(&mut self, name: &str) -> Result<i64, RemoteError> {
        const ACTION: &str = "count the role's sessions";
        let counted =
            sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE usename = $1")
                .bind(name)
                .fetch_one(&mut self.connection);
        timed(&self.metrics, ACTION, counted)
            .await
            .map_err(|error| translate(&self.server, ACTION, &error))
    }

    /// When the server was started, to the microsecond: what tells one server at two addresses from two.
    ///
    /// # Errors
    /// Any failure.
    pub async fn started(&mut self) -> Result<String, RemoteError> {
        const ACTION: &str = "tell the server apart";
        let asked =
            sqlx::query_scalar("SELECT extract(epoch FROM pg_postmaster_start_time())::text")
                .fetch_one(&mut self.connection);
        timed(&self.metrics, ACTION, asked)
            .await
            .map_err(|error| translate(&self.server, ACTION, &error))
    }

    /// Lets the role log in with `password` and no other.
    ///
    /// # Errors
    /// Any failure.
    pub async fn set_password(
        &mut self,
        name: &str,
        password: &Sensitive,
    ) -> Result<(), RemoteError> {
        let statement = format!(
            "ALTER ROLE {} LOGIN PASSWORD {}",
            identifier(name),
            literal(&scram::verifier(password.expose()))
        );
        self.execute("set the role's password", statement).await
    }

    /// Creates a database owned by `owner`. CREATE DATABASE allows no transaction, so a crash may
    /// leave it without its mark; its owner still says whose it is.
    ///
    /// # Errors
    /// Any failure.
    pub async fn create_database(&mut self, name: &str, owner: &str) -> Result<(), RemoteError> {
        let statement = format!(
            "CREATE DATABASE {} OWNER {}",
            identifier(name),
            identifier(owner)
        );
        self.execute("create the database", statement).await
    }

    /// Marks the database.
    ///
    /// # Errors
    /// Any failure.
    pub async fn comment_database(&mut self, name: &str, comment: &str) -> Result<(), RemoteError> {
        let statement = format!(
            "COMMENT ON DATABASE {} IS {}",
            identifier(name),
            literal(comment)
        );
        self.execute("mark the database", statement).await
    }

    /// Shuts everybody but the owner out of the database.
    ///
    /// # Errors
    /// Any failure.
    pub async fn close_to_public(&mut self, name: &str) -> Result<(), RemoteError> {
        let statement = format!("REVOKE ALL ON DATABASE {} FROM PUBLIC", identifier(name));
        self.execute("close the database to other roles", statement)
            .await
    }

    /// Ends the role's sessions and keeps it from logging in again.
    ///
    /// # Errors
    /// Any failure.
    pub async fn lock_role(&mut self, name: &str) -> Result<(), RemoteError> {
        let role = identifier(name);
        self.execute(
            "lock the role",
            format!("ALTER ROLE {role} NOLOGIN PASSWORD NULL"),
        )
        .await?;
        let statement = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {}",
            literal(name)
        );
        self.execute("end the role's sessions", statement).await
    }

    /// Drops the database, its sessions included.
    ///
    /// # Errors
    /// Any failure.
    pub async fn drop_database(&mut self, name: &str) -> Result<(), RemoteError> {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", identifier(name));
        self.execute("drop the database", statement).await
    }

    /// Drops the role.
    ///
    /// # Errors
    /// Any failure; a role that still owns something is one.
    pub async fn drop_role(&mut self, name: &str) -> Result<(), RemoteError> {
        let statement = format!("DROP ROLE IF EXISTS {}", identifier(name));
        self.execute("drop the role", statement).await
    }

    async fn execute(&mut self, action: &'static str, sql: String) -> Result<(), RemoteError> {
        let executing = self.connection.execute(sqlx::raw_sql(AssertSqlSafe(sql)));
        match timed(&self.metrics, action, executing).await {
            Ok(_) => Ok(()),
            Err(error) => Err(translate(&self.server, action, &error)),
        }
    }
}

async fn timed<T, E>(
    metrics: &Metrics,
    operation: &'static str,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let began = Instant::now();
    let traced = traces::statement("postgresql", operation);
    let outcome = traced.around(call).await;
    if outcome.is_err() {
        traced.failed("error");
    }
    metrics.called("sql", operation, outcome.is_ok(), began.elapsed());
    outcome
}

/// Statements that create a role which may log in with `password`, with its mark. The admin becomes a
/// member where it must to own databases for it.
fn login(name: &str, password: &Sensitive, comment: &str) -> String {
    let role = identifier(name);
    format!(
        "CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}; \
         COMMENT ON ROLE {role} IS {}; \
         DO $$ BEGIN IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) \
         THEN GRANT {role} TO CURRENT_USER; END IF; END $$",
        literal(&scram::verifier(password.expose())),
        literal(comment),
    )
}

/// A quoted identifier.
/// Source: <https://www.postgresql.org/docs/current/sql-syntax-lexical.html>.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A quoted string constant that no setting of the server reads differently.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_are_quoted() {
        assert_eq!(identifier(r#"a"b"#), r#""a""b""#);
        assert_eq!(literal(r"it's \ here"), r"E'it''s \\ here'");
    }
}
