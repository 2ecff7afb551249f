//! The FileGateway operator.
//!
//! ```text
//! gateway/   one FileGateway: dereference → validate → steps → build → apply → update_status
//!            and, when it is deleted, cleanup
//! class/     one FileGatewayClass: are its Secrets there?
//! remote/    the outside world: S3, IAM, PostgreSQL
//! cluster/   the API server, and what its watches have told
//! apply      the one way objects are written to it
//! ```

pub mod apply;
pub mod backoff;
mod check;
pub mod class;
pub mod cluster;
pub mod config;
pub mod context;
pub mod controllers;
pub mod events;
pub mod gateway;
pub mod health;
pub mod leader;
pub mod meta;
pub mod metrics;
pub mod names;
pub mod optional;
pub mod outside;
pub mod quantity;
pub mod remote;
pub mod secrets;
pub mod sensitive;
pub mod shutdown;
pub mod telemetry;
pub mod usage;
pub mod watched;
pub mod writes;

pub use check::{CheckError, check};
pub use config::Config;
pub use controllers::{RunError, run};
pub use watched::Watched;
