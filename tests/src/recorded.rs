//! Processes that outlive the program that started them, ended later by their recorded ids.
//!
//! A record holds the process's start time besides its id, so that an id which the system gave to
//! somebody else in the meantime is never touched.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::Result;
use crate::error::IoContext;
use crate::process::Server;

/// How long a process may take to end by itself.
const GRACE: Duration = Duration::from_secs(10);

/// Notes a server in `folder`, under its name, and lets it outlive this program.
///
/// # Errors
/// The folder can't be written.
pub fn leave_running(server: Server, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).at("create", folder)?;
    let path = folder.join(server.name());
    let record = format!(
        "{} {}\n",
        server.pid(),
        start_time(server.pid()).unwrap_or_default()
    );
    fs::write(&path, record).at("write", &path)?;
    server.detach();
    Ok(())
}

/// Whether the process that is noted under a name still runs.
#[must_use]
pub fn is_running(folder: &Path, name: &str) -> bool {
    fs::read_to_string(folder.join(name)).is_ok_and(|record| running(&record).is_some())
}

/// Ends every process that is noted in `folder` and still runs, and forgets them. How many those were.
///
/// # Errors
/// The folder can't be read or written.
pub fn stop_all(folder: &Path) -> Result<usize> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(0);
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.at("read", folder)?.file_name());
    }
    stop(folder, &names)
}

/// The same for some names alone. All are asked to end at once, then waited for.
///
/// # Errors
/// The folder can't be read or written.
pub fn stop(folder: &Path, names: &[impl AsRef<Path>]) -> Result<usize> {
    let mut pids = Vec::new();
    for name in names {
        let path = folder.join(name);
        match fs::read_to_string(&path) {
            Ok(record) => pids.extend(running(&record)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).at("read", &path),
        }
    }
    end(&pids);
    for path in names.iter().map(|name| folder.join(name)) {
        if path.exists() {
            fs::remove_file(&path).at("remove", &path)?;
        }
    }
    Ok(pids.len())
}

/// The process of a record, when it still runs.
fn running(record: &str) -> Option<i32> {
    let (pid, started) = record.trim().split_once(' ')?;
    let pid: u32 = pid.parse().ok()?;
    (start_time(pid)? == started)
        .then(|| pid.try_into().ok())
        .flatten()
}

fn end(pids: &[i32]) {
    let signal = |pid: i32, signal| {
        if let Some(group) = Pid::from_raw(pid) {
            let _ = kill_process_group(group, signal);
        }
    };
    let mut left = pids.to_vec();
    left.iter().for_each(|&pid| signal(pid, Signal::TERM));
    let started = Instant::now();
    while started.elapsed() < GRACE && !left.is_empty() {
        std::thread::sleep(Duration::from_millis(50));
        left.retain(|&pid| u32::try_from(pid).ok().and_then(start_time).is_some());
    }
    left.iter().for_each(|&pid| signal(pid, Signal::KILL));
}

/// Field 22 of `/proc/PID/stat` (proc(5)): clock ticks from boot to the process's start. `None` when it
/// does not run, or has ended and only waits to be reaped.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name may hold blanks and parentheses; what follows its last one may not.
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace();
    (fields.next()? != "Z").then_some(())?;
    fields.nth(18).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_recorded_process_is_stopped_once() {
        let folder = tempfile::tempdir().unwrap();
        let pids = folder.path().join("pids");
        let mut sleep = Command::new("sleep");
        sleep.arg("600");
        let server = Server::start("sleeper", sleep, folder.path()).unwrap();
        let pid = server.pid();
        leave_running(server, &pids).unwrap();
        assert_eq!(stop_all(&pids).unwrap(), 1);
        assert_eq!(start_time(pid), None);
        assert_eq!(stop_all(&pids).unwrap(), 0);
    }

    #[test]
    fn a_reused_id_is_left_alone() {
        assert_eq!(running(&format!("{} 1", std::process::id())), None);
    }
}
