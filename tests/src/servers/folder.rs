//! Where servers keep their data.

use crate::Result;
use crate::error::IoContext;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

/// A file system whose files are in memory (tmpfs(5)).
const MEMORY: &str = "/dev/shm";

/// What is left to the programs, in bytes.
const FOR_PROGRAMS: u64 = 4 << 30;

/// A folder that goes when it is dropped, wherever the system puts such.
///
/// # Errors
/// It can't be made.
pub fn anywhere() -> Result<TempDir> {
    make(&std::env::temp_dir())
}

/// The same in memory, for a benchmark that a disk has no part in: servers that share one wait for each other's
/// writes. `None` where there is no room for `bytes`.
///
/// # Errors
/// It can't be made, or `/proc` not read.
pub fn in_memory(bytes: u64) -> Result<Option<TempDir>> {
    let Ok(files) = rustix::fs::statvfs(MEMORY) else {
        return Ok(None);
    };
    let path = "/proc/meminfo";
    let memory = std::fs::read_to_string(path).at("read", path)?;
    let available = available(&memory).unwrap_or_default();
    let room = files.f_bavail * files.f_frsize >= bytes && available >= bytes + FOR_PROGRAMS;
    room.then(|| make(Path::new(MEMORY))).transpose()
}

/// Others may pass through it but not list it: PostgreSQL's data in it belongs to another user.
fn make(parent: &Path) -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix("filegateway-")
        .permissions(Permissions::from_mode(0o711))
        .tempdir_in(parent)
        .at("create a folder in", parent)
}

/// The memory that programs can still have, in bytes (proc(5)).
fn available(memory: &str) -> Option<u64> {
    let line = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kibibytes = line?.trim().strip_suffix("kB")?.trim().parse::<u64>();
    Some(kibibytes.ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_told_in_bytes() {
        let memory = "MemTotal:       24689016 kB\nMemAvailable:   23068672 kB\nBuffers: 1 kB\n";
        assert_eq!(available(memory), Some(22 << 30));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
    }

    #[test]
    fn what_fits_nowhere_is_not_put_into_memory() {
        assert!(in_memory(1 << 60).unwrap().is_none());
    }
}
