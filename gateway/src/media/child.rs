//! One child process, and its end.

use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{ChildStdout, Command};

use super::{Limits, MediaError};

/// How much of standard output is kept; a program that says more is not waited for.
const STDOUT_BYTES: u64 = 1024 * 1024;
/// How much of the end of standard error is kept.
const COMPLAINT_BYTES: usize = 2048;
/// How often the folder is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// A program that is about to run in `folder`.
pub(super) struct Child<'a> {
    /// What to call it.
    pub(super) name: &'static str,
    /// The program, after what it is started with.
    pub(super) line: Vec<String>,
    /// Its working directory, where it reads and writes.
    pub(super) folder: &'a Path,
    /// How much it may use.
    pub(super) limits: &'a Limits,
}

impl Child<'_> {
    /// Runs it and gives its standard output back. Dropped, or beyond a limit, it is killed with its
    /// whole process group.
    pub(super) async fn output(self) -> Result<Vec<u8>, MediaError> {
        self.run(beginning).await
    }

    /// The same, with each `out_time_us=` that ffmpeg's `-progress pipe:1` prints passed to
    /// `report`, in microseconds.
    pub(super) async fn reporting(self, report: impl Fn(u64) + Send) -> Result<(), MediaError> {
        self.run(|stdout| times(stdout, report)).await
    }

    async fn run<T, F>(
        self,
        consume: impl FnOnce(Option<ChildStdout>) -> F,
    ) -> Result<T, MediaError>
    where
        F: Future<Output = io::Result<T>>,
    {
        let program = self.name;
        let failed = |source| MediaError::Run { program, source };
        let (first, arguments) = self
            .line
            .split_first()
            .ok_or_else(|| failed(io::Error::other("no program")))?;
        let mut child = Command::new(first)
            .args(arguments)
            .current_dir(self.folder)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let group = Group::of(child.id()).map_err(failed)?;
        group.limit(self.limits).map_err(failed)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let ended = async {
            // One by one where one fails: the others would be waited for in vain.
            tokio::try_join!(consume(stdout), ending(stderr), child.wait())
        };
        let (value, complaint, status) = tokio::select! {
            ended = ended => ended.map_err(failed)?,
            () = tokio::time::sleep(self.limits.time) => {
                return Err(MediaError::TimedOut { program, limit: self.limits.time });
            }
            () = overflow(self.folder, self.limits.scratch_bytes) => {
                return Err(MediaError::ScratchFull { program, limit: self.limits.scratch_bytes });
            }
        };
        // The child was waited for: its number may soon be somebody else's.
        group.forget();
        match (status.success(), status.signal()) {
            (true, _) => Ok(value),
            (false, Some(signal)) => Err(MediaError::Killed { program, signal }),
            (false, None) => Err(MediaError::Refused { program, complaint }),
        }
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
    fn limit(&self, limits: &Limits) -> io::Result<()> {
        let threads = u64::from(limits.threads.max(1));
        let seconds = limits.time.as_secs().saturating_mul(threads);
        for (resource, most) in [
            (Resource::As, limits.memory_bytes),
            (Resource::Fsize, limits.scratch_bytes),
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

/// Ends when `folder` holds more than `limit` bytes. A limit on each file alone would let a child
/// fill the disk with many.
async fn overflow(folder: &Path, limit: u64) {
    loop {
        tokio::time::sleep(LOOK).await;
        let folder = folder.to_owned();
        let held = tokio::task::spawn_blocking(move || held(folder)).await;
        if held.is_ok_and(|held| held > limit) {
            return;
        }
    }
}

/// The bytes in a folder and those below. What vanishes meanwhile counts nothing.
fn held(folder: PathBuf) -> u64 {
    let mut folders = vec![folder];
    let mut held = 0_u64;
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else {
            continue;
        };
        for entry in entries.flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => held = held.saturating_add(metadata.len()),
                Err(_) => {}
            }
        }
    }
    held
}

async fn beginning(pipe: Option<ChildStdout>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(STDOUT_BYTES).read_to_end(&mut bytes).await?;
    }
    if bytes.len() as u64 == STDOUT_BYTES {
        return Err(io::Error::other("it says too much"));
    }
    Ok(bytes)
}

async fn times(pipe: Option<ChildStdout>, report: impl Fn(u64)) -> io::Result<()> {
    let Some(pipe) = pipe else {
        return Ok(());
    };
    let mut lines = BufReader::new(pipe).lines();
    while let Some(line) = lines.next_line().await? {
        let time = line.strip_prefix("out_time_us=");
        if let Some(time) = time.and_then(|time| time.trim().parse().ok()) {
            report(time);
        }
    }
    Ok(())
}

/// Reads all and keeps the end, as text without control characters, addresses of structures in
/// memory, or the name of the temporary file.
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
    let mut lines: Vec<_> = text
        .lines()
        .map(|line| said(line.trim()))
        .filter(|line| !line.is_empty() && !line.starts_with("Last message repeated"))
        .collect();
    lines.dedup();
    Ok(lines.join("; ").replace(char::is_control, " "))
}

/// A line without who says it: `[mov,mp4 @ 0x55d0] moov atom not found`, `file:source: no`.
fn said(line: &str) -> &str {
    let line = match line.split_once("] ") {
        Some((who, what)) if who.starts_with('[') && who.contains(" @ ") => what,
        _ => line,
    };
    let line = match line.split_once(": ") {
        Some((who, what)) if who.starts_with("file:") => what,
        _ => line,
    };
    // What follows is the list, which is long.
    let refusal = line.find(NOT_ALLOWED).map(|at| at + NOT_ALLOWED.len());
    &line[..refusal.unwrap_or(line.len())]
}

const NOT_ALLOWED: &str = " not on whitelist";

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    async fn limited(script: &str, limits: Limits) -> Result<Vec<u8>, MediaError> {
        let folder = tempfile::tempdir().unwrap();
        let child = Child {
            name: "sh",
            line: ["/bin/sh", "-c", script].map(String::from).to_vec(),
            folder: folder.path(),
            limits: &limits,
        };
        child.output().await
    }

    async fn shell(script: &str, time: Duration) -> Result<Vec<u8>, MediaError> {
        let limits = Limits {
            time,
            scratch_bytes: 4096,
            ..Limits::default()
        };
        limited(script, limits).await
    }

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn output_and_complaint_come_back() {
        assert_eq!(shell("printf yes", LONG).await.unwrap(), b"yes");
        let error = shell("printf 'a\\n\\033b\\n' >&2; exit 3", LONG).await;
        assert_eq!(error.unwrap_err().to_string(), "sh refused the file: a;  b");
    }

    #[test]
    fn a_complaint_names_no_file_and_no_address() {
        assert_eq!(
            said("[mov,mp4 @ 0x55d0] moov atom not found"),
            "moov atom not found"
        );
        assert_eq!(said("file:source: Invalid data"), "Invalid data");
        assert_eq!(said("[a] b: c"), "[a] b: c");
        let refusal = "[avi @ 0x55d0] Codec (x) not on whitelist 'h264,hevc'";
        assert_eq!(said(refusal), "Codec (x) not on whitelist");
    }

    #[tokio::test]
    async fn times_are_reported() {
        let (folder, limits) = (tempfile::tempdir().unwrap(), Limits::default());
        let script = "printf 'frame=1\\nout_time_us=N/A\\nout_time_us=1500\\nout_time_us=9\\n'";
        let child = Child {
            name: "sh",
            line: ["/bin/sh", "-c", script].map(String::from).to_vec(),
            folder: folder.path(),
            limits: &limits,
        };
        let seen = std::sync::Mutex::new(Vec::new());
        let report = |time| seen.lock().unwrap().push(time);
        child.reporting(report).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), [1500, 9]);
    }

    #[tokio::test]
    async fn the_environment_is_empty() {
        let output = shell("/usr/bin/env", LONG).await.unwrap();
        let output = String::from_utf8(output).unwrap();
        assert!(!output.contains("HOME="), "{output}");
    }

    #[tokio::test]
    async fn one_that_says_too_much_is_not_waited_for() {
        let error = shell("exec cat /dev/zero", LONG).await.unwrap_err();
        assert!(matches!(error, MediaError::Run { .. }));
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
        let pid = fs::read_to_string(folder.path().join("pid")).unwrap();
        let status = format!("/proc/{}/status", pid.trim());
        for _ in 0..100 {
            match fs::read_to_string(&status) {
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

    #[tokio::test]
    async fn one_that_writes_too_many_files_is_stopped() {
        let script = "mkdir d; for n in 1 2 3; do head -c 2000 /dev/zero > d/$n; done; sleep 30";
        let error = shell(script, LONG).await.unwrap_err();
        assert!(matches!(error, MediaError::ScratchFull { .. }), "{error}");
    }
}
