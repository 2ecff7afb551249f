//! `/v1/uploads`: tus 1.0.0.

pub(crate) mod client;
mod continuing;
mod ending;
mod protocol;
mod quota;
mod real_client;
mod replicas;
mod statuses;
