//! What a gateway is told: environment variables and a file in, plain structs out, one file per
//! concern.
//!
//! Everything is read once, at the start, and every problem is reported at once, each with the name
//! of its variable or its key in the file. Nothing else in the crate reads the environment. Secrets
//! are in neither, only in files that they name.

mod access;
mod auth;
mod cors;
mod database;
mod effective;
mod file;
mod names;
mod quota;
mod reader;
mod server;
mod sources;
mod store;
mod tokens;
mod uploads;
mod video;
mod webhook;

pub use access::{Access, Delivery, LocationStream};
pub use auth::{Auth, KeysFrom};
pub use cors::CorsOrigins;
pub use database::{Database, DatabaseAddress};
pub use reader::{ConfigError, Problem};
pub use server::Server;
pub use sources::{Origin, Sources};
pub use store::{Store, WebIdentity};
pub use tokens::Tokens;
pub use uploads::Uploads;
pub use video::Video;
pub use webhook::Webhook;

use std::net::SocketAddr;

use crate::files::Quota;
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
    /// How much may be stored.
    pub quota: Quota,
    /// Who may read by location, and how bytes are handed out.
    pub access: Access,
    /// How videos are worked on.
    pub video: Video,
    /// Whom events are told to, if anybody: all processes write them down, `serve` sends them.
    pub webhook: Option<Webhook>,
    /// `FILEGATEWAY_METRICS_LISTEN`: the socket address of `/metrics`, a port that is never public;
    /// `0.0.0.0:9090` by default, none with `Off`.
    pub metrics_listen: Option<SocketAddr>,
}

/// Everything that `serve` needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Rows, bytes and the rules for them.
    pub backends: Backends,
    /// Where to listen.
    pub server: Server,
    /// Which web pages may call.
    pub cors: CorsOrigins,
    /// How callers are recognized.
    pub auth: Auth,
    /// How file tokens are made.
    pub tokens: Tokens,
}

/// Looks a variable up, as [`std::env::var`] does.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The process's own environment.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Config {
    /// Reads everything that `serve` needs, of the variables that `lookup` knows.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem found.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        Sources::load(lookup, None).config()
    }

    fn from(reader: &mut Reader<'_>) -> Self {
        Self {
            backends: Backends::from(reader),
            server: Server::from(reader),
            cors: CorsOrigins::from(reader),
            auth: Auth::from(reader),
            tokens: Tokens::from(reader),
        }
    }
}

impl Backends {
    fn from(reader: &mut Reader<'_>) -> Self {
        Self {
            organization: reader.required("FILEGATEWAY_ORGANIZATION"),
            store: Store::from(reader),
            database: Database::from(reader),
            uploads: Uploads::from(reader),
            quota: quota::quota(reader),
            access: Access::from(reader),
            video: Video::from(reader),
            webhook: Webhook::from(reader),
            metrics_listen: server::metrics(reader),
        }
    }
}

#[cfg(test)]
mod tests;
