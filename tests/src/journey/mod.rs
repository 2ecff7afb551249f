//! The main job: what a tenant's frontend does with a gateway, told step by step.
//!
//! It speaks HTTP alone, so the same job runs against gateways in a cluster and against
//! `gateway dev`.

pub mod client;
pub mod identity;
pub mod main_job;
pub mod run_file;
pub mod samples;
pub mod steps;

pub use main_job::main_job;
pub use run_file::{Gateway, RunFile, Tokens};
pub use samples::Samples;
pub use steps::Steps;
