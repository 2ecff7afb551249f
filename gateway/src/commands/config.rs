//! `gateway config`.

use std::io::{Write, stdout};

use anyhow::Context;

use super::ConfigArguments;

/// Prints the effective configuration, and fails when it has problems.
pub(crate) fn run(arguments: &ConfigArguments) -> anyhow::Result<()> {
    let (text, outcome) = arguments.sources().effective();
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("failed to print")?;
    Ok(outcome?)
}
