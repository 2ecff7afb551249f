//! Where things that are costly to make are kept: outside the checkout, so that a fresh clone is warm.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::Result;
use crate::error::IoContext;

/// The cache folder: `FILEGATEWAY_CACHE`, else `filegateway` in `XDG_CACHE_HOME`, else `~/.cache/filegateway`.
#[must_use]
pub fn root() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(root) = set("FILEGATEWAY_CACHE") {
        return std::path::absolute(&root).unwrap_or_else(|_| root.into());
    }
    if let Some(caches) = set("XDG_CACHE_HOME") {
        return PathBuf::from(caches).join("filegateway");
    }
    let home = std::env::home_dir().unwrap_or_else(std::env::temp_dir);
    home.join(".cache").join("filegateway")
}

/// A folder below [`root`].
#[must_use]
pub fn folder(name: &str) -> PathBuf {
    root().join(name)
}

/// What `make` makes of the files `inputs` of the folder `source`, given a folder with copies of them:
/// kept below `kind` under a name that is their hash, so that it is made again when one changes.
///
/// # Errors
/// A file can't be read or written, or `make` fails.
pub fn made_of(
    source: &Path,
    inputs: &[&str],
    kind: &str,
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let mut hasher = Sha256::new();
    for name in inputs {
        let path = source.join(name);
        hasher.update(std::fs::read(&path).at("read", &path)?);
    }
    let hash = hasher.finalize();
    let name = hash.iter().take(8).fold(String::new(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    });
    let caches = folder(kind);
    let made = caches.join(name);
    if made.is_dir() {
        return Ok(made);
    }
    std::fs::create_dir_all(&caches).at("create", &caches)?;
    // Made beside its place and then moved, so that what is there is whole.
    let draft = tempfile::tempdir_in(&caches).at("create a folder in", &caches)?;
    for name in inputs {
        let (from, to) = (source.join(name), draft.path().join(name));
        std::fs::copy(&from, &to).at("copy", &from)?;
    }
    make(draft.path())?;
    let moved = std::fs::rename(draft.path(), &made);
    // Somebody else may have been faster.
    if !made.is_dir() {
        moved.at("create", &made)?;
    }
    Ok(made)
}
