//! What a group of processes takes: processor time, and the most memory that it had.

use std::fs;

use crate::Result;
use crate::error::IoContext;

/// Clock ticks in a second, as the kernel tells them to programs on every platform of ours (proc(5)).
const TICKS: f64 = 100.0;

/// What a process group has taken.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Processor time since its start, in seconds.
    pub seconds: f64,
    /// The most resident memory of each process since [`Usage::reset`], summed up, in MiB.
    pub peak: f64,
}

impl Usage {
    /// Until now.
    ///
    /// # Errors
    /// `/proc` can't be read.
    pub fn of(group: u32) -> Result<Self> {
        let mut usage = Self::default();
        for pid in members(group)? {
            let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}"));
            // One that ended meanwhile has taken its time with it.
            let (Ok(stat), Ok(status)) = (read("stat"), read("status")) else {
                continue;
            };
            usage.seconds += ticks(&stat).unwrap_or_default() / TICKS;
            usage.peak += peak(&status).unwrap_or_default();
        }
        Ok(usage)
    }

    /// Until now; peaks are counted anew from here.
    ///
    /// # Errors
    /// `/proc` can't be read or written.
    pub fn reset(group: u32) -> Result<Self> {
        for pid in members(group)? {
            let path = format!("/proc/{pid}/clear_refs");
            // 5: the peak resident size (proc(5)).
            fs::write(&path, "5").at("write", &path)?;
        }
        Self::of(group)
    }
}

/// The processes of a group.
fn members(group: u32) -> Result<Vec<u32>> {
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc").at("read", "/proc")? {
        let entry = entry.at("read", "/proc")?;
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if field(&stat, 5).is_some_and(|of| of == f64::from(group)) {
            pids.push(pid);
        }
    }
    Ok(pids)
}

fn ticks(stat: &str) -> Option<f64> {
    Some(field(stat, 14)? + field(stat, 15)?)
}

/// A number in `/proc/PID/stat`, counted from 1. The program's name, the second, may hold blanks and
/// brackets.
fn field(stat: &str, number: usize) -> Option<f64> {
    let (_, after) = stat.rsplit_once(") ")?;
    after.split(' ').nth(number - 3)?.parse().ok()
}

fn peak(status: &str) -> Option<f64> {
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_own_group() {
        let group = rustix::process::getpgrp().as_raw_nonzero().get();
        let usage = Usage::of(u32::try_from(group).unwrap()).unwrap();
        assert!(usage.peak > 1.0, "{usage:?}");
    }

    #[test]
    fn fields_are_counted_after_the_name() {
        let stat = "7 (a ) b) S 1 70 70 0 -1 4194560 1 2 3 4 250 50 0 0 20";
        assert_eq!(field(stat, 5), Some(70.0));
        assert_eq!(ticks(stat), Some(300.0));
    }
}
