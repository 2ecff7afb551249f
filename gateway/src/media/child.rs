//! One child process, and its end.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::{io, str};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use super::{Limits, MediaError};

/// How much of standard output is kept; a program that says more waits, and runs out of time.
const STDOUT_BYTES: u64 = 1024 * 1024;
/// How much of the end of standard error is kept.
const COMPLAINT_BYTES: usize = 2048;
/// A child may use this many processors' time while it runs.
const PROCESSORS: u64 = 4;

/// Runs a program in `folder` and gives its standard output back. Dropped, or out of time, it is
/// killed with its whole process group.
pub(super) async fn run(
    name: &'static str,
    program: &Path,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    folder: &Path,
    limits: Limits,
) -> Result<Vec<u8>, MediaError> {
    let failed = |source| MediaError::Run {
        program: name,
        source,
    };
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let group = Group::of(child.id()).map_err(failed)?;
    group.limit(limits).map_err(failed)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ended = async {
        let (stdout, complaint, status) =
            tokio::join!(beginning(stdout), ending(stderr), child.wait());
        Ok((stdout?, complaint?, status?))
    };
    let (stdout, complaint, status) = tokio::time::timeout(limits.time, ended)
        .await
        .map_err(|_| MediaError::TimedOut {
            program: name,
            limit: limits.time,
        })?
        .map_err(failed)?;
    // The child was waited for: its number may soon be somebody else's.
    group.forget();
    match (status.success(), status.signal()) {
        (true, _) => Ok(stdout),
        (false, Some(signal)) => Err(MediaError::Killed {
            program: name,
            signal,
        }),
        (false, None) => Err(MediaError::Refused {
            program: name,
            complaint,
        }),
    }
}

/// A process group that is killed when this is dropped.
struct Group(Option<Pid>);

impl Group {
    fn of(child: Option<u32>) -> io::Result<Self> {
        child
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw)
            .map(|id| Self(Some(id)))
            .ok_or_else(|| io::Error::other("the child has no process id"))
    }

    /// Set from outside and just after the start: setting them in the child needs unsafe code. One
    /// that has ended already can't be limited, and need not be.
    fn limit(&self, limits: Limits) -> io::Result<()> {
        let seconds = limits.time.as_secs().saturating_mul(PROCESSORS);
        for (resource, most) in [
            (Resource::As, limits.memory_bytes),
            (Resource::Fsize, limits.output_bytes),
            (Resource::Cpu, seconds.max(1)),
            (Resource::Core, 0),
        ] {
            let limit = Rlimit {
                current: Some(most),
                maximum: Some(most),
            };
            match prlimit(self.0, resource, limit) {
                Ok(_) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Fails only when nobody is left in it.
            kill_process_group(group, Signal::KILL).ok();
        }
    }
}

async fn beginning(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(STDOUT_BYTES).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// Reads all and keeps the end, as text without control characters.
async fn ending(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let mut kept = Vec::new();
    if let Some(mut pipe) = pipe {
        let mut buffer = [0; 4096];
        loop {
            let read = pipe.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            kept.extend_from_slice(&buffer[..read]);
            let surplus = kept.len().saturating_sub(COMPLAINT_BYTES);
            kept.drain(..surplus);
        }
    }
    let text = String::from_utf8_lossy(&kept);
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    let text = lines.join("; ");
    Ok(text.replace(char::is_control, " "))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    async fn shell(script: &str, time: Duration) -> Result<Vec<u8>, MediaError> {
        let limits = Limits {
            time,
            output_bytes: 4096,
            ..Limits::default()
        };
        let folder = tempfile::tempdir().unwrap();
        run(
            "sh",
            Path::new("/bin/sh"),
            ["-c", script],
            folder.path(),
            limits,
        )
        .await
    }

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn output_and_complaint_come_back() {
        assert_eq!(shell("printf yes", LONG).await.unwrap(), b"yes");
        let error = shell("printf 'a\\n\\033b\\n' >&2; exit 3", LONG).await;
        assert_eq!(error.unwrap_err().to_string(), "sh refused the file: a;  b");
    }

    #[tokio::test]
    async fn the_environment_is_empty() {
        let output = shell("/usr/bin/env", LONG).await.unwrap();
        let output = String::from_utf8(output).unwrap();
        assert!(!output.contains("HOME="), "{output}");
    }

    #[tokio::test]
    async fn one_that_takes_too_long_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let started = Instant::now();
        let script = format!(
            "sleep 100 & echo $! > {}/pid; wait",
            folder.path().display()
        );
        let error = shell(&script, Duration::from_millis(500))
            .await
            .unwrap_err();
        assert!(matches!(error, MediaError::TimedOut { .. }));
        assert!(started.elapsed() < LONG);
        let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap();
        let status = format!("/proc/{}/status", pid.trim());
        for _ in 0..100 {
            match std::fs::read_to_string(&status) {
                Ok(status) if !status.contains("zombie") => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                _ => return,
            }
        }
        panic!("the grandchild is still there");
    }

    #[tokio::test]
    async fn one_that_writes_too_much_is_stopped() {
        // SIGXFSZ, or the shell's report of it.
        let error = shell("sleep 0.2; exec dd if=/dev/zero of=x bs=8192 count=4", LONG).await;
        assert!(matches!(
            error,
            Err(MediaError::Killed { .. } | MediaError::Refused { .. })
        ));
    }
}
