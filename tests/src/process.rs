//! Servers as child processes: each leads a process group of its own, writes to a log file, and is
//! ended with everything that it started.

use crate::command::{display, tail};
use crate::error::IoContext;
use crate::{Error, Result};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often a starting server is asked whether it answers.
const PROBE_INTERVAL: Duration = Duration::from_millis(50);
/// How long a server may take to end by itself before its group is killed.
const GRACE: Duration = Duration::from_secs(10);

/// A running server. Dropping it kills its process group at once; [`Server::stop`] asks first.
#[derive(Debug)]
pub struct Server {
    name: String,
    command: Command,
    child: Child,
    log: PathBuf,
    stop_signal: Signal,
    detached: bool,
}

impl Server {
    /// Starts `command` at the head of a new process group; both its outputs go to `LOGS/NAME.log`.
    ///
    /// # Errors
    /// The log can't be written or the program not started.
    pub fn start(name: &str, mut command: Command, logs: &Path) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let output = File::create(&log).at("create", &log)?;
        let errors = output.try_clone().at("write", &log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .at("start", display(&command))?;
        let name = name.to_owned();
        Ok(Self {
            name,
            command,
            child,
            log,
            stop_signal: Signal::TERM,
            detached: false,
        })
    }

    /// Uses another signal than SIGTERM to ask the server to end.
    #[must_use]
    pub fn stopped_by(mut self, signal: Signal) -> Self {
        self.stop_signal = signal;
        self
    }

    /// Its name, which its log has too.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id, which is its group's id as well.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `probe` says that the server answers.
    ///
    /// # Errors
    /// The server ended, or `limit` passed; the message carries the end of its log.
    pub async fn ready(
        &mut self,
        limit: Duration,
        mut probe: impl AsyncFnMut() -> bool,
    ) -> Result<()> {
        let started = Instant::now();
        loop {
            if probe().await {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait().at("wait for", &self.name)? {
                return Err(self.failure(format!("ended ({status})")));
            }
            if started.elapsed() > limit {
                return Err(self.failure(format!("did not answer within {} s", limit.as_secs())));
            }
            tokio::time::sleep(PROBE_INTERVAL).await;
        }
    }

    /// Asks the server's group to end, and kills what is left of it after ten seconds.
    ///
    /// # Errors
    /// The server can't be waited for.
    pub async fn stop(mut self) -> Result<()> {
        let group = Pid::from_child(&self.child);
        let _ = kill_process_group(group, self.stop_signal);
        let started = Instant::now();
        while started.elapsed() < GRACE {
            let ended = self.child.try_wait().at("wait for", &self.name)?.is_some();
            if ended && test_kill_process_group(group).is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Kills the server's group, as a crash would.
    ///
    /// # Errors
    /// The server can't be waited for.
    pub fn crash(&mut self) -> Result<()> {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        self.child.wait().at("wait for", &self.name)?;
        Ok(())
    }

    /// Starts a server that has crashed once more, as it was started before; its log goes on.
    ///
    /// # Errors
    /// The program can't be started.
    pub fn start_again(&mut self) -> Result<()> {
        self.child = self.command.spawn().at("start", display(&self.command))?;
        Ok(())
    }

    /// Lets the server outlive this value and this process.
    pub fn detach(mut self) {
        self.detached = true;
    }

    fn failure(&self, what: String) -> Error {
        Error::Server {
            server: self.name.clone(),
            what,
            log: self.log.display().to_string(),
            tail: tail(&String::from_utf8_lossy(
                &std::fs::read(&self.log).unwrap_or_default(),
            )),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.detached {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn a_server_that_ends_early_reports_its_log() {
        let logs = tempfile::tempdir().unwrap();
        let mut server =
            Server::start("early", shell("echo no disk; exit 7"), logs.path()).unwrap();
        let error = server
            .ready(Duration::from_secs(5), async || false)
            .await
            .unwrap_err();
        let message = error.to_string();
        assert!(message.contains("ended (exit status: 7)"), "{message}");
        assert!(message.ends_with("no disk"), "{message}");
    }

    #[tokio::test]
    async fn a_server_that_crashed_can_be_started_again() {
        let logs = tempfile::tempdir().unwrap();
        let mut server = Server::start("twice", shell("echo up; sleep 600"), logs.path()).unwrap();
        let ups = async |server: &mut Server, count: usize| {
            let log = logs.path().join("twice.log");
            let up = async || std::fs::read_to_string(&log).unwrap() == "up\n".repeat(count);
            server.ready(Duration::from_secs(5), up).await.unwrap();
        };
        ups(&mut server, 1).await;
        let first = server.pid();
        server.crash().unwrap();
        server.start_again().unwrap();
        ups(&mut server, 2).await;
        assert_ne!(server.pid(), first);
    }

    #[tokio::test]
    async fn stopping_ends_the_children_of_a_server_too() {
        let logs = tempfile::tempdir().unwrap();
        let server = Server::start("group", shell("sleep 600 & sleep 600"), logs.path()).unwrap();
        let group = Pid::from_child(&server.child);
        assert!(test_kill_process_group(group).is_ok());
        server.stop().await.unwrap();
        assert!(test_kill_process_group(group).is_err());
    }
}
