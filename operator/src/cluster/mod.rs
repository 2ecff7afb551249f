//! The API server, and what its watches have told: a pass asks it for nothing that is known already.

mod known;
mod rollouts;
mod served;

use kube::Client;

pub use known::{Known, News};
pub use rollouts::{Rollout, Rollouts, Told};
pub use served::Served;

/// Both together, as long as a pass needs them.
#[derive(Clone, Copy)]
pub struct Cluster<'a> {
    /// The API server.
    pub client: &'a Client,
    /// What its watches have told.
    pub known: &'a Known,
    /// How Deployments do.
    pub rollouts: &'a Rollouts,
    /// Which optional kinds it has.
    pub served: &'a Served,
}
