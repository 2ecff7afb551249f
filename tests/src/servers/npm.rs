//! What tests run in Node.js, as npm installs it from a lock file.

use std::path::Path;
use std::process::Command;

use super::Started;
use crate::command::run;
use crate::{Error, Result, cache};

/// The files that say what is installed.
const INPUTS: [&str; 3] = [".npmrc", "package.json", "package-lock.json"];

/// A package of tests.
#[derive(Debug, Clone, Copy)]
pub struct Package {
    /// Its folder in `tests`, with the lock file.
    pub folder: &'static str,
    /// The variable that tells tests where it is installed.
    pub variable: &'static str,
}

/// tus-js-client, the client that browsers upload with.
pub const TUS: Package = Package {
    folder: "tus",
    variable: "FGW_TEST_TUS",
};

/// Playwright, which drives a browser.
pub const BROWSER: Package = Package {
    folder: "browser",
    variable: "FGW_TEST_BROWSER",
};

/// Installs it unless that was done before with the same lock file.
///
/// # Errors
/// npm can't install it.
pub async fn start(package: Package) -> Result<Started> {
    let installed = tokio::task::spawn_blocking(move || install(package)).await;
    let folder = installed.map_err(|_| Error::Refused("npm panicked".into()))??;
    Ok(Started {
        servers: Vec::new(),
        variables: vec![(package.variable, folder)],
    })
}

fn install(package: Package) -> Result<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(package.folder);
    let folder = cache::made_of(&source, &INPUTS, "npm", |draft| {
        eprintln!("tools: npm ci for {}, about 10 s", package.folder);
        let arguments = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
        run(Command::new("npm").args(arguments).current_dir(draft)).map(drop)
    })?;
    Ok(folder.display().to_string())
}
