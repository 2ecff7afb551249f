//! Where the rows are.

use std::path::PathBuf;

use super::reader::Reader;

/// The catalogue's database.
#[derive(Debug, Clone)]
pub struct Database {
    /// Where it is.
    pub address: DatabaseAddress,
    /// `FILEGATEWAY_DATABASE_MAX_CONNECTIONS`: the size of the pool; 10 by default.
    pub max_connections: u32,
}

/// Where the catalogue's database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseAddress {
    /// `FILEGATEWAY_DATABASE_URL`: `sqlite:///absolute/path`. It holds no secret.
    Sqlite(PathBuf),
    /// `FILEGATEWAY_DATABASE_URL_FILE`: a file with a `postgres://…` URL, which does.
    PostgresFile(PathBuf),
}

impl Database {
    pub(super) fn from(reader: &mut Reader<'_>) -> Self {
        let url = reader.optional("FILEGATEWAY_DATABASE_URL");
        let file = reader.optional("FILEGATEWAY_DATABASE_URL_FILE");
        let address = match (url, file) {
            (Some(url), None) => sqlite(reader, &url),
            (None, Some(file)) => DatabaseAddress::PostgresFile(file.into()),
            (Some(_), Some(_)) => {
                reader.problem(
                    "FILEGATEWAY_DATABASE_URL",
                    "excludes FILEGATEWAY_DATABASE_URL_FILE; set one of them",
                );
                DatabaseAddress::Sqlite(PathBuf::new())
            }
            (None, None) => {
                reader.problem(
                    "FILEGATEWAY_DATABASE_URL",
                    "set it to sqlite:///absolute/path, or FILEGATEWAY_DATABASE_URL_FILE to a file with a postgres:// URL",
                );
                DatabaseAddress::Sqlite(PathBuf::new())
            }
        };
        let max_connections = reader.number("FILEGATEWAY_DATABASE_MAX_CONNECTIONS", 10, 1..=1000);
        Self {
            address,
            max_connections: u32::try_from(max_connections).unwrap_or(u32::MAX),
        }
    }
}

/// The value is not repeated when it is wrong: it may be a PostgreSQL URL with its password.
fn sqlite(reader: &mut Reader<'_>, url: &str) -> DatabaseAddress {
    let path = url
        .strip_prefix("sqlite://")
        .filter(|path| path.starts_with('/'));
    if path.is_none() {
        reader.problem(
            "FILEGATEWAY_DATABASE_URL",
            "is not sqlite:///absolute/path (a PostgreSQL URL holds a password: put it into a file and set FILEGATEWAY_DATABASE_URL_FILE)",
        );
    }
    DatabaseAddress::Sqlite(path.unwrap_or_default().into())
}
