//! The API server, and what its watches have told: a pass asks it for nothing that is known already.

mod known;
mod served;

use kube::Client;

pub use known::Known;
pub use served::Served;

/// Both together, as long as a pass needs them.
#[derive(Clone, Copy)]
pub struct Cluster<'a> {
    /// The API server.
    pub client: &'a Client,
    /// What its watches have told.
    pub known: &'a Known,
    /// Which optional kinds it has.
    pub served: &'a Served,
}
