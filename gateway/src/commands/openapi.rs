//! `gateway openapi`.

use std::io::{Write, stdout};

use anyhow::Context;

/// Prints the document.
pub(crate) fn run() -> anyhow::Result<()> {
    stdout()
        .write_all(gateway::api::document().as_bytes())
        .context("failed to print the document")
}
