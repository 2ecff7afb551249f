//! From a [`Plan`](super::Plan) to the Kubernetes objects that are wanted: pure functions, held by
//! snapshots.

mod autoscaler;
mod config_map;
mod deployment;
mod disruption_budget;
mod http_route;
mod ingress;
mod metrics;
mod network_policy;
mod placement;
mod pvc;
mod service;
mod service_account;
mod volumes;

pub use autoscaler::autoscaler;
pub use config_map::config_map;
pub use deployment::{Restarts, serve, worker};
pub use disruption_budget::disruption_budget;
pub use http_route::http_route;
pub use ingress::ingress;
pub use metrics::{metrics_service, pod_monitor, service_monitor};
pub use network_policy::network_policy;
pub use pvc::volume_claim;
pub use service::service;
pub use service_account::service_account;
pub use volumes::IDENTITY_VOLUME;

/// Component label of what serves requests, and of what belongs to it.
pub const SERVE: &str = "gateway";
/// Component label of what works off video jobs.
pub const WORKER: &str = "worker";
/// Component label of what metrics are read by.
pub const METRICS: &str = "metrics";
/// Component label of the SQLite volume.
pub const CATALOG: &str = "catalog";

#[cfg(test)]
mod tests;
