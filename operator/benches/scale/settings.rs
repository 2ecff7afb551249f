//! What a person may ask for, by variables.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

/// What is measured, and how large.
#[derive(Debug)]
pub struct Settings {
    /// `GATEWAYS`: how many are applied at once.
    pub gateways: usize,
    /// `SETTLED_SECONDS`: for how long nothing is to happen.
    pub settled: Duration,
    /// Whether the floor is measured; not when `WITHOUT_FLOOR` is set.
    pub floor: bool,
    /// Whether the operator makes a user and a database for each gateway; not when `WITHOUT_LOGINS` is set. The
    /// servers of both would take hours for 5,000.
    pub logins: bool,
    /// `OPERATOR_PROGRAM`: another operator than the one built with this benchmark.
    pub program: PathBuf,
}

impl Settings {
    /// Reads the environment.
    pub fn from_env() -> anyhow::Result<Self> {
        Ok(Self {
            gateways: number("GATEWAYS", 1000)?,
            settled: Duration::from_secs(number("SETTLED_SECONDS", 300)?.try_into()?),
            floor: set("WITHOUT_FLOOR").is_none(),
            logins: set("WITHOUT_LOGINS").is_none(),
            program: set("OPERATOR_PROGRAM")
                .unwrap_or_else(|| env!("CARGO_BIN_EXE_operator").into())
                .into(),
        })
    }
}

fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number(name: &str, default: usize) -> anyhow::Result<usize> {
    let Some(value) = set(name) else {
        return Ok(default);
    };
    let read = value.parse().ok().filter(|number| *number > 0);
    read.with_context(|| format!("{name} is {value:?}: write a whole number, 1 or more"))
}
