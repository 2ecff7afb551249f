//! What a gateway is told: environment variables in, plain structs out, one file per concern.
//!
//! Everything is read once, at the start, and every problem is reported at once, each with the name
//! of its variable. Nothing else in the crate reads the environment. Secrets are never in a
//! variable, only in files that a variable names.

mod access;
mod auth;
mod database;
mod reader;
mod server;
mod store;
mod tokens;
mod uploads;

pub use access::{Access, Delivery};
pub use auth::{Auth, KeysFrom};
pub use database::{Database, DatabaseAddress};
pub use reader::{ConfigError, Problem};
pub use server::Server;
pub use store::Store;
pub use tokens::Tokens;
pub use uploads::Uploads;

use reader::Reader;

/// What every command needs: which organization, and where its rows and bytes are.
#[derive(Debug, Clone)]
pub struct Backends {
    /// `FILEGATEWAY_ORGANIZATION`: the organization that this gateway serves.
    pub organization: String,
    /// Where the bytes are.
    pub store: Store,
    /// Where the rows are.
    pub database: Database,
    /// What an upload may be.
    pub uploads: Uploads,
    /// Who may read by location, and how bytes are handed out.
    pub access: Access,
}

/// Everything that `serve` needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Rows, bytes and the rules for them.
    pub backends: Backends,
    /// Where to listen.
    pub server: Server,
    /// How callers are recognized.
    pub auth: Auth,
    /// How file tokens are made.
    pub tokens: Tokens,
}

/// Looks a variable up, as [`std::env::var`] does.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// `FILEGATEWAY_LOG`: what to log, in tracing's filter syntax.
pub fn log_filter(lookup: Lookup<'_>, default: &str) -> String {
    Reader::new(lookup).text("FILEGATEWAY_LOG", default)
}

/// The process's own environment.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Config {
    /// Reads everything that `serve` needs.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem found.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(lookup);
        let backends = Backends::from(&mut reader);
        let server = Server::from(&mut reader);
        let auth = Auth::from(&mut reader);
        let tokens = Tokens::from(&mut reader);
        reader.finish(Self {
            backends,
            server,
            auth,
            tokens,
        })
    }
}

impl Backends {
    /// Reads what `worker` needs.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem found.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(lookup);
        let backends = Self::from(&mut reader);
        reader.finish(backends)
    }

    fn from(reader: &mut Reader<'_>) -> Self {
        Self {
            organization: reader.required("FILEGATEWAY_ORGANIZATION"),
            store: Store::from(reader),
            database: Database::from(reader),
            uploads: Uploads::from(reader),
            access: Access::from(reader),
        }
    }
}

impl Database {
    /// Reads what `migrate` needs.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem found.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(lookup);
        let database = Self::from(&mut reader);
        reader.finish(database)
    }
}

#[cfg(test)]
mod tests;
