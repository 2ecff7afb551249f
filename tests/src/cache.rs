//! Where things that are costly to make are kept: outside the checkout, so that a fresh clone is warm.

use std::path::PathBuf;

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
