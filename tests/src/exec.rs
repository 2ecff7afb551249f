//! Running one command among the servers: its exit code, and everything gone afterwards.

use crate::Result;
use crate::error::IoContext;
use crate::servers::{Part, Servers};
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// How long the command may take to end after a signal before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// Starts `parts`, runs `words` with their variables, stops everything and returns the exit code.
///
/// # Errors
/// The servers don't come up or the command can't be started.
pub async fn exec(parts: &[Part], logs: Option<&Path>, words: &[OsString]) -> Result<u8> {
    let mut signals = Signals::listen()?;
    let started = Instant::now();
    let servers = tokio::select! {
        servers = Servers::start(parts, logs) => servers?,
        signal = signals.next() => return Ok(128 + signal.as_raw() as u8),
    };
    eprintln!(
        "testbed: {} parts up in {:.1} s",
        parts.len(),
        started.elapsed().as_secs_f32()
    );
    let outcome = run(&servers, &mut signals, words).await;
    servers.stop().await?;
    outcome
}

async fn run(servers: &Servers, signals: &mut Signals, words: &[OsString]) -> Result<u8> {
    let [program, arguments @ ..] = words else {
        return Ok(0);
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("PATH", servers.toolbox.search_path())
        .envs(servers.variables.iter().map(|(name, value)| (name, value)));
    // On a terminal the command stays in our group, so that it can read and gets Ctrl-C by itself.
    let own_group = !std::io::stdin().is_terminal();
    if own_group {
        command.process_group(0);
    }
    let mut child = command.spawn().at("run", program)?;
    let group = child
        .id()
        .and_then(|pid| Pid::from_raw(pid as i32))
        .filter(|_| own_group);
    let status = tokio::select! {
        status = child.wait() => status.at("wait for", program)?,
        signal = signals.next() => end(&mut child, group, signal).await.at("wait for", program)?,
    };
    // What the command left running would keep using servers that are about to go.
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
    Ok(code(status))
}

/// Passes a signal on and waits; kills after the grace time.
async fn end(child: &mut Child, group: Option<Pid>, signal: Signal) -> std::io::Result<ExitStatus> {
    if let Some(group) = group {
        let _ = kill_process_group(group, signal);
    } else if signal == Signal::TERM
        && let Some(pid) = child.id().and_then(|pid| Pid::from_raw(pid as i32))
    {
        let _ = rustix::process::kill_process(pid, signal);
    }
    if let Ok(status) = tokio::time::timeout(GRACE, child.wait()).await {
        return status;
    }
    child.kill().await?;
    child.wait().await
}

/// A shell's convention: 128 and the signal's number when one ended the command.
fn code(status: ExitStatus) -> u8 {
    let number = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    number
        .and_then(|number| u8::try_from(number).ok())
        .unwrap_or(1)
}

struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).at("listen for", "signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.terminate.recv() => Signal::TERM,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_a_shell() {
        assert_eq!(code(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(code(ExitStatus::from_raw(15)), 143);
    }

    #[tokio::test]
    async fn the_commands_exit_code_is_returned() {
        let words = ["sh", "-c", "exit 5"].map(OsString::from);
        assert_eq!(exec(&[], None, &words).await.unwrap(), 5);
    }
}
