//! The cluster's processes: they outlive the command that starts them, and starting is idempotent.

use super::layout::Layout;
use crate::command::display;
use crate::error::IoContext;
use crate::process::Server;
use crate::{Error, Result, recorded};
use std::process::Command;
use std::time::{Duration, Instant};

/// Starts a process under a name, unless the same command is running under it already. A process that
/// was started with other arguments, or by another version, is replaced.
///
/// # Errors
/// It can't be started.
pub fn ensure(layout: &Layout, name: &str, command: Command) -> Result<()> {
    let folder = layout.path("commands");
    std::fs::create_dir_all(&folder).at("create", &folder)?;
    let (path, line) = (folder.join(name), display(&command));
    if recorded::is_running(&layout.run(), name) {
        if std::fs::read_to_string(&path).is_ok_and(|known| known == line) {
            return Ok(());
        }
        recorded::stop(&layout.run(), &[name])?;
    }
    std::fs::write(&path, line).at("write", &path)?;
    let server = Server::start(name, command, &layout.logs())?;
    recorded::leave_running(server, &layout.run())
}

/// Waits until `probe` says yes, as long as the process is there.
///
/// # Errors
/// The process ended or `limit` passed; the message carries the end of its log.
pub async fn ready(
    layout: &Layout,
    name: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> bool,
) -> Result<()> {
    let started = Instant::now();
    let what = loop {
        if probe().await {
            return Ok(());
        }
        if !recorded::is_running(&layout.run(), name) {
            break "ended".to_owned();
        }
        if started.elapsed() > limit {
            break format!("did not get ready within {} s", limit.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let log = layout.logs().join(format!("{name}.log"));
    Err(Error::Server {
        server: name.to_owned(),
        what,
        tail: crate::command::tail(&String::from_utf8_lossy(
            &std::fs::read(&log).unwrap_or_default(),
        )),
        log: log.display().to_string(),
    })
}
