//! schemathesis, which makes requests of all kinds from an OpenAPI document, in a Python environment of
//! its own with the versions of `tests/schemathesis/requirements.txt`.

use std::path::Path;
use std::process::Command;

use super::Started;
use crate::command::run;
use crate::{Error, Result, cache};

const REQUIREMENTS: &str = "requirements.txt";

/// Installs it unless that was done before with the same versions; its Python is
/// `FGW_TEST_SCHEMATHESIS`.
///
/// # Errors
/// Python can't make the environment, or pip can't fill it.
pub async fn start() -> Result<Started> {
    let installed = tokio::task::spawn_blocking(install).await;
    let python =
        installed.map_err(|_| Error::Refused("installing schemathesis panicked".into()))??;
    Ok(Started {
        servers: Vec::new(),
        variables: vec![("FGW_TEST_SCHEMATHESIS", python)],
    })
}

fn install() -> Result<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis");
    let folder = cache::made_of(&source, &[REQUIREMENTS], "python", |draft| {
        eprintln!("tools: pip install schemathesis, about 20 s");
        run(Command::new("python3")
            .args(["-m", "venv", "."])
            .current_dir(draft))?;
        let pip = |arguments: &[&str]| {
            let mut command = Command::new(draft.join("bin/python"));
            command.args(["-m", "pip", "--disable-pip-version-check", "--no-input"]);
            run(command.args(arguments).current_dir(draft))
        };
        // Nothing but what the file names; the check says so if that is not enough.
        pip(&["install", "--quiet", "--no-deps", "-r", REQUIREMENTS])?;
        pip(&["check"]).map(drop)
    })?;
    Ok(folder.join("bin/python").display().to_string())
}
