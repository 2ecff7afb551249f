//! The subcommands.

pub(crate) mod dev;
pub(crate) mod migrate;
pub(crate) mod openapi;
pub(crate) mod serve;
pub(crate) mod worker;

use anyhow::Context;
use gateway::config;

/// Begins to log as the environment says, or else `default`.
fn start_logs(default: &str) -> anyhow::Result<()> {
    let filter = config::log_filter(&config::environment, default);
    gateway::telemetry::start(&filter).context("FILEGATEWAY_LOG is no tracing filter")
}
