//! Two HTTP servers that others trust with ranges and conditional requests, on one folder of files:
//! Go's `http.ServeContent` and nginx. The gateway's answers are compared with theirs.

use super::{Place, Started, free_port, http, unprivileged_user};
use crate::command::{find, run};
use crate::error::IoContext;
use crate::process::Server;
use crate::tools::debian::locate;
use crate::{Error, Result};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

/// The program's source: the standard library alone, so Go's own cache makes a second build instant.
const SERVE_CONTENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/oracles/servecontent");

/// Starts both. Tests put their files into the folder by themselves.
///
/// # Errors
/// Go or nginx is missing, or one of the two doesn't come up.
pub async fn start(place: &Place) -> Result<Started> {
    let folder = place.make("oracles")?;
    let files = place.make("oracles/files")?;
    let program = folder.join("servecontent");
    let mut build = build(&program)?;
    tokio::task::spawn_blocking(move || run(&mut build))
        .await
        .map_err(std::io::Error::other)
        .at("run", "go build")??;

    let client = http::client()?;
    let port = free_port()?;
    let mut command = Command::new(&program);
    command.arg("-listen").arg(format!("127.0.0.1:{port}"));
    command.arg("-folder").arg(&files);
    let mut go = Server::start("servecontent", command, &place.logs)?;
    let go_url = format!("http://127.0.0.1:{port}");
    go.ready(LIMIT, async || http::answers(&client, &go_url).await)
        .await?;

    let port = free_port()?;
    let mut nginx = Server::start("nginx", nginx(&folder, &files, port)?, &place.logs)?;
    let nginx_url = format!("http://127.0.0.1:{port}");
    nginx
        .ready(LIMIT, async || http::answers(&client, &nginx_url).await)
        .await?;

    Ok(Started {
        servers: vec![go, nginx],
        variables: vec![
            ("FGW_TEST_ORACLES_FOLDER", files.display().to_string()),
            ("FGW_TEST_ORACLES_GO", go_url),
            ("FGW_TEST_ORACLES_NGINX", nginx_url),
        ],
    })
}

fn build(program: &Path) -> Result<Command> {
    let go = find("go").ok_or_else(|| {
        Error::Missing(
            "go is missing (https://go.dev/dl, 1.26 or later): it builds an oracle".into(),
        )
    })?;
    let mut build = Command::new(go);
    build
        .args(["build", "-o"])
        .arg(program)
        .arg(".")
        .current_dir(SERVE_CONTENT)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-buildvcs=false");
    Ok(build)
}

fn nginx(folder: &Path, files: &Path, port: u16) -> Result<Command> {
    let program = locate("nginx").ok_or_else(|| {
        Error::Missing("nginx is missing; on Debian: apt-get install nginx-light".into())
    })?;
    let home = folder.join("nginx");
    std::fs::create_dir_all(&home).at("create", &home)?;
    let config = home.join("nginx.conf");
    std::fs::write(&config, configuration(&home, files, port)).at("write", &config)?;
    let mut command = Command::new(program);
    command.arg("-p").arg(&home).arg("-c").arg(&config);
    command.args(["-e", "stderr"]);
    if let Some((uid, gid)) = unprivileged_user()? {
        std::os::unix::fs::chown(&home, Some(uid), Some(gid)).at("hand over", &home)?;
        command.uid(uid).gid(gid);
    }
    Ok(command)
}

/// `if_modified_since before`: nginx's default answers 304 for the exact date alone, which RFC 9110 does
/// not know.
fn configuration(home: &Path, files: &Path, port: u16) -> String {
    let (home, files) = (home.display(), files.display());
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("    {name}_temp_path {home}/{name};\n"))
        .concat();
    format!(
        "daemon off;\n\
         pid {home}/nginx.pid;\n\
         worker_processes 1;\n\
         events {{ worker_connections 512; }}\n\
         http {{\n\
         {temporary}    \
             access_log off;\n    \
             types {{ }}\n    \
             default_type application/octet-stream;\n    \
             if_modified_since before;\n    \
             keepalive_requests 1000000;\n    \
             server {{\n        \
                 listen 127.0.0.1:{port};\n        \
                 root {files};\n    \
             }}\n\
         }}\n"
    )
}
