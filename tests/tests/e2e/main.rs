//! What a platform engineer and a frontend see, on a real cluster: only kubectl, HTTP and S3.
//!
//! `make test` starts the cluster, installs the chart and applies the two organizations first; the file
//! named by `FGW_TEST_RUN` says where they are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod chart;
mod class;
mod contract;
mod deletion;
mod isolation;
mod load;
mod plugin;
mod repair;
mod rotation;
mod support;
mod video;
