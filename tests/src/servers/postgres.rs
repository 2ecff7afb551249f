//! PostgreSQL: the system's server with a data folder of its own.

use super::{Place, Started, free_port, unprivileged_user};
use crate::command::run;
use crate::error::IoContext;
use crate::process::Server;
use crate::tools::debian::locate;
use crate::{Error, Result, secret};
use rustix::process::Signal;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

/// Starts a server whose superuser is `postgres`, with a random password.
///
/// # Errors
/// PostgreSQL is missing or doesn't come up.
pub async fn start(place: &Place) -> Result<Started> {
    let folder = place.make("postgres")?;
    let user = unprivileged_user()?;
    let password = secret::word(24);
    let password_file = folder.join("password");
    secret::write(&password_file, &password)?;
    if let Some((uid, gid)) = user {
        for path in [&folder, &password_file] {
            std::os::unix::fs::chown(path, Some(uid), Some(gid)).at("hand over", path)?;
        }
    }
    let program = |name: &str| -> Result<Command> {
        let mut command = Command::new(found(name)?);
        command.current_dir(&folder);
        if let Some((uid, gid)) = user {
            command.uid(uid).gid(gid);
        }
        Ok(command)
    };

    let data = folder.join("data");
    let mut initialize = program("initdb")?;
    initialize
        .args([
            "--username=postgres",
            "--auth=scram-sha-256",
            "--no-sync",
            "--encoding=UTF8",
        ])
        .args(["--locale=C.UTF-8", "--no-instructions"])
        .arg(format!("--pwfile={}", password_file.display()))
        .arg("--pgdata")
        .arg(&data);
    // It takes a second of computing: elsewhere, so that the other servers start meanwhile.
    tokio::task::spawn_blocking(move || run(&mut initialize))
        .await
        .map_err(std::io::Error::other)
        .at("run", "initdb")??;

    let port = free_port()?;
    let mut command = program("postgres")?;
    command.arg("-D").arg(&data);
    command.args(settings(port, &folder));
    // SIGTERM would wait for clients to leave, SIGQUIT doesn't; the data is thrown away anyway.
    let mut server = Server::start("postgres", command, &place.logs)?.stopped_by(Signal::QUIT);
    let probe = found("pg_isready")?;
    let address = [
        "--quiet",
        "--host=127.0.0.1",
        "--dbname=postgres",
        "--username=postgres",
    ];
    server
        .ready(LIMIT, async || {
            let mut ask = tokio::process::Command::new(&probe);
            ask.args(address)
                .arg(format!("--port={port}"))
                .kill_on_drop(true);
            ask.status().await.is_ok_and(|status| status.success())
        })
        .await?;
    let url = format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres");
    Ok(Started {
        servers: vec![server],
        variables: vec![("FGW_TEST_POSTGRES_URL", url)],
    })
}

/// Durable to nothing, since the data lives as long as the tests; connections for many tests at once. Nothing is
/// vacuumed: with a thousand databases a process is started for one of them ten times a second.
fn settings(port: u16, socket_folder: &Path) -> Vec<String> {
    let settings = [
        format!("port={port}"),
        format!("unix_socket_directories={}", socket_folder.display()),
        "listen_addresses=127.0.0.1".to_owned(),
        "max_connections=300".to_owned(),
        "fsync=off".to_owned(),
        "synchronous_commit=off".to_owned(),
        "full_page_writes=off".to_owned(),
        "autovacuum=off".to_owned(),
    ];
    settings
        .into_iter()
        .flat_map(|setting| ["-c".to_owned(), setting])
        .collect()
}

fn found(name: &str) -> Result<PathBuf> {
    locate(name).ok_or_else(|| {
        Error::Missing(format!(
            "{name} is missing; on Debian: apt-get install postgresql"
        ))
    })
}
