//! tus-js-client, the client that browsers upload with, as npm installs it from its lock file.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use sha2::{Digest, Sha256};

use super::Started;
use crate::command::run;
use crate::error::IoContext;
use crate::{Error, Result, cache};

/// The files that say what is installed, and from them the folder's name.
const INPUTS: [&str; 3] = [".npmrc", "package.json", "package-lock.json"];

/// Installs it unless that was done before with the same lock file; the folder is `FGW_TEST_TUS`.
///
/// # Errors
/// npm can't install it.
pub async fn start() -> Result<Started> {
    let installed = tokio::task::spawn_blocking(install).await;
    let folder =
        installed.map_err(|_| Error::Refused("installing tus-js-client panicked".into()))??;
    Ok(Started {
        servers: Vec::new(),
        variables: vec![("FGW_TEST_TUS", folder)],
    })
}

fn install() -> Result<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tus");
    let mut hasher = Sha256::new();
    for name in INPUTS {
        let path = source.join(name);
        hasher.update(std::fs::read(&path).at("read", &path)?);
    }
    let hash = hasher.finalize();
    let name = hash.iter().take(8).fold(String::new(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    });
    let caches = cache::folder("npm");
    let folder = caches.join(name);
    if !folder.join("node_modules/tus-js-client").is_dir() {
        eprintln!("tools: npm ci for tus-js-client, about 10 s");
        std::fs::create_dir_all(&caches).at("create", &caches)?;
        // Made beside its place and then moved, so that what is there is whole.
        let draft = tempfile::tempdir_in(&caches).at("create a folder in", &caches)?;
        for name in INPUTS {
            let (from, to) = (source.join(name), draft.path().join(name));
            std::fs::copy(&from, &to).at("copy", &from)?;
        }
        let arguments = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
        run(Command::new("npm")
            .args(arguments)
            .current_dir(draft.path()))?;
        let renamed = std::fs::rename(draft.path(), &folder);
        // Somebody else may have been faster.
        if !folder.join("node_modules/tus-js-client").is_dir() {
            renamed.at("create", &folder)?;
        }
    }
    Ok(folder.display().to_string())
}
