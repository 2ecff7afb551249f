//! tus-js-client, the client that browsers upload with, as npm installs it from its lock file.

use std::path::Path;
use std::process::Command;

use super::Started;
use crate::command::run;
use crate::{Error, Result, cache};

/// The files that say what is installed.
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
    let folder = cache::made_of(&source, &INPUTS, "npm", |draft| {
        eprintln!("tools: npm ci for tus-js-client, about 10 s");
        let arguments = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
        run(Command::new("npm").args(arguments).current_dir(draft)).map(drop)
    })?;
    Ok(folder.display().to_string())
}
