//! The folder in which `gateway dev` keeps everything.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// A data folder that this process alone uses.
pub(super) struct Folder {
    root: PathBuf,
    _lock: File,
}

impl Folder {
    /// Opens the folder, making it when it is missing.
    pub(super) fn open(root: &Path) -> anyhow::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(root)
            .with_context(|| format!("failed to make the folder {}", root.display()))?;
        let root = root
            .canonicalize()
            .with_context(|| format!("failed to open the folder {}", root.display()))?;
        let lock =
            File::create(root.join("lock")).context("failed to write into the data folder")?;
        if lock.try_lock().is_err() {
            bail!(
                "another `gateway dev` is using {}; choose another folder with --data",
                root.display()
            );
        }
        Ok(Self { root, _lock: lock })
    }

    pub(super) fn objects(&self) -> PathBuf {
        self.root.join("objects")
    }

    pub(super) fn database(&self) -> PathBuf {
        self.root.join("catalog.db")
    }

    pub(super) fn secret_file(&self) -> PathBuf {
        self.root.join("identity-secret")
    }

    /// The secret that callers' JWTs are signed with; kept, so that they outlive a restart.
    pub(super) fn secret(&self) -> anyhow::Result<String> {
        let path = self.secret_file();
        if !path.exists() {
            write_secret(&path, &random())?;
        }
        fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))
    }

    /// The file with the keys of file tokens.
    pub(super) fn signing_keys(&self) -> anyhow::Result<PathBuf> {
        let path = self.root.join("keys.json");
        if !path.exists() {
            let keys = json!({"current": {"kid": "dev", "secret": random()}});
            write_secret(&path, &keys.to_string())?;
        }
        Ok(path)
    }
}

fn random() -> String {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes);
    STANDARD.encode(bytes)
}

fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("failed to write {}", path.display()))
}
