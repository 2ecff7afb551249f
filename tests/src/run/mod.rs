//! `make run`: a cluster, the chart, two organizations, and the main job on both.

mod access;
pub mod commands;
mod dev;
mod install;
mod on_cluster;
pub mod one_binary;
mod organizations;
mod reach;
pub mod suite;
mod summary;

pub use access::Access;
pub use dev::on_dev;
pub use install::{Images, install};
pub use on_cluster::on_cluster;
pub use organizations::{Organization, apply, describe, issuer, organizations, wait_ready};
pub use reach::Reach;

use std::path::PathBuf;

/// The workspace that this crate was built from.
#[must_use]
pub fn workspace() -> PathBuf {
    let tests = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}
