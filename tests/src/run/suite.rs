//! `make test`: every check, each with its time, and at the end what did not run and why.

use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use super::workspace;
use crate::command::display;
use crate::error::IoContext;
use crate::{Error, Result};

/// Runs checks one after the other and keeps what to say at the end.
#[derive(Debug, Default)]
pub struct Suite {
    done: Vec<String>,
    skipped: Vec<String>,
}

impl Suite {
    /// Runs one check to its end; its output is passed on.
    ///
    /// # Errors
    /// It can't be started, or it fails.
    pub fn check(&mut self, name: &str, command: &mut Command) -> Result<()> {
        println!("\n== {name}: {}", display(command));
        let started = Instant::now();
        let status = command
            .current_dir(workspace())
            .stdin(Stdio::null())
            .status()
            .at("run", Path::new(command.get_program()))?;
        let took = format!("{:.0} s", started.elapsed().as_secs_f64());
        if !status.success() {
            return Err(failed(name, status));
        }
        println!("== {name}: passed in {took}");
        self.done.push(format!("{name} ({took})"));
        Ok(())
    }

    /// Notes a check that can't run on this machine.
    pub fn skip(&mut self, name: &str, why: &str) {
        self.skipped
            .push(format!("did not run: {name}, because {why}"));
    }

    /// Says what ran and, last, what did not.
    ///
    /// # Errors
    /// In CI (`CI=true`) a check that did not run is a failure.
    pub fn finish(self) -> Result<()> {
        println!("\npassed: {}", self.done.join(", "));
        for line in &self.skipped {
            println!("{line}");
        }
        let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        if in_ci && !self.skipped.is_empty() {
            return Err(Error::Refused("in CI every test has to run".into()));
        }
        Ok(())
    }
}

fn failed(name: &str, status: ExitStatus) -> Error {
    Error::Refused(format!("{name} failed ({status}); see above"))
}

/// Cargo with these arguments, the same one that runs this program.
#[must_use]
pub fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments);
    cargo
}
