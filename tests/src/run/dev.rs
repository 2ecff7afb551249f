//! The same main job against `gateway dev`, for machines that can't host a node.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{summary, workspace};
use crate::error::IoContext;
use crate::journey::{RunFile, Samples, Steps, main_job};
use crate::process::Server;
use crate::{Error, Result, cache, command, recorded};

/// Name of the folder in the cache that holds the process's data, log and record.
pub(super) const STATE: &str = "dev";

/// Builds the gateway, starts `gateway dev`, does the main job on it and leaves it running.
///
/// # Errors
/// The gateway can't be built or started, or answers otherwise than the contract promises.
pub async fn on_dev(steps: &Steps) -> Result<()> {
    let program = steps
        .step("build the gateway", async {
            build().map(|path| (path, "done".into()))
        })
        .await?;
    let samples = steps
        .step("make a film and a PDF with ffmpeg", async {
            Samples::make(&cache::folder("samples")).map(|samples| (samples, "done".into()))
        })
        .await?;
    let state = cache::folder(STATE);
    std::fs::create_dir_all(&state).at("create", &state)?;
    // What the gateway announces holds tokens, and its output goes to a file here.
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(&state, private).at("close", &state)?;
    let run = steps
        .step("start `gateway dev`", async {
            let run = start(&program, &state).await?;
            let url = run
                .gateways
                .first()
                .map(|gateway| gateway.url.clone())
                .unwrap_or_default();
            Ok((run, url))
        })
        .await?;
    let Some(gateway) = run.gateways.first() else {
        return Err(Error::Refused(
            "`gateway dev --json` named no gateway".into(),
        ));
    };
    steps.heading(&format!("The main job, for {}", gateway.organization));
    let film = main_job(gateway, None, &samples, steps).await?;
    let path = summary::write(&run)?;
    summary::print(None, &run, &path, &film)
}

fn build() -> Result<std::path::PathBuf> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace()).args([
        "build",
        "--locked",
        "-p",
        "gateway",
        "--message-format=json",
    ]);
    let messages = command::run(&mut cargo)?;
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(Into::into))
        .next_back()
        .ok_or_else(|| Error::Refused("cargo built no gateway program".into()))
}

async fn start(program: &Path, state: &Path) -> Result<RunFile> {
    let mut gateway = Command::new(program);
    gateway
        .args(["dev", "--listen", "127.0.0.1:0", "--json", "--data"])
        .arg(state.join("data"));
    let mut server = Server::start("gateway-dev", gateway, state)?;
    let log = state.join("gateway-dev.log");
    server
        .ready(Duration::from_secs(30), async || announced(&log).is_some())
        .await?;
    let run = announced(&log)
        .ok_or_else(|| Error::Refused("`gateway dev --json` printed no JSON line".into()))?;
    recorded::leave_running(server, &state.join("pids"))?;
    Ok(run)
}

fn announced(log: &Path) -> Option<RunFile> {
    let text = std::fs::read_to_string(log).ok()?;
    text.lines()
        .find_map(|line| serde_json::from_str(line).ok())
}
