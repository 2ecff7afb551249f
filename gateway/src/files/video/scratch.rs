//! Temporary folders of videos in work.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

/// How the names of temporary folders begin.
const PREFIX: &str = "filegateway-job-";
/// Locked as long as somebody works in the folder; a killed worker's lock goes with it.
const LOCK: &str = "lock";

/// A temporary folder that goes when this is dropped.
pub(super) struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// A new one below `parent`.
    pub(super) fn new(parent: &Path) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let lock = File::create(folder.path().join(LOCK))?;
        lock.lock()?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the temporary folders below `parent` that killed workers left and that are older than
/// `age`.
///
/// # Errors
/// When the disk fails.
pub fn clear_scratch(parent: &Path, age: Duration) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX));
        if !is_ours || !entry.file_type()?.is_dir() {
            continue;
        }
        let modified = entry.metadata()?.modified()?;
        let since = SystemTime::now()
            .duration_since(modified)
            .unwrap_or_default();
        if since > age && is_left(&entry.path())? {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Whether nobody works in a folder.
fn is_left(folder: &Path) -> io::Result<bool> {
    let lock = match File::open(folder.join(LOCK)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    match lock.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_folders_of_ours_go() {
        let parent = tempfile::tempdir().unwrap();
        let (left, theirs) = (
            parent.path().join("filegateway-job-x"),
            parent.path().join("y"),
        );
        for folder in [&left, &theirs] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join(LOCK), "").unwrap();
        }
        let in_work = Scratch::new(parent.path()).unwrap();
        clear_scratch(parent.path(), Duration::from_secs(60)).unwrap();
        assert!(left.is_dir() && theirs.is_dir());
        std::thread::sleep(Duration::from_millis(20));
        clear_scratch(parent.path(), Duration::ZERO).unwrap();
        assert!(!left.exists() && theirs.is_dir() && in_work.path().is_dir());
        let folder = in_work.path().to_owned();
        drop(in_work);
        assert!(!folder.exists());
    }
}
