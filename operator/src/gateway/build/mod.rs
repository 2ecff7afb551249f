//! From a [`Plan`](super::Plan) to the Kubernetes objects that are wanted: pure functions, held by
//! snapshots.

mod config_map;
mod deployment;
mod pvc;
mod service;
mod service_account;
mod volumes;

pub use config_map::config_map;
pub use deployment::{Restarts, serve, worker};
pub use pvc::volume_claim;
pub use service::service;
pub use service_account::service_account;

/// Component label of what serves requests, and of what belongs to it.
pub const SERVE: &str = "gateway";
/// Component label of what works off video jobs.
pub const WORKER: &str = "worker";
/// Component label of the SQLite volume.
pub const CATALOG: &str = "catalog";

#[cfg(test)]
mod tests;
