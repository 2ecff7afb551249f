//! One FileGatewayClass: are the Secrets that it names there and complete?
//!
//! Whether its servers answer is each gateway's own condition, where it matters.

mod reconcile;
mod shared;

pub use reconcile::{error_policy, reconcile, secret_names};
