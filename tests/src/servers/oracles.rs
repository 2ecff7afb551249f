//! Two HTTP servers that others trust with ranges and conditional requests, on one folder of files:
//! Go's `http.ServeContent` and nginx. The gateway's answers are compared with theirs.

use super::{Place, Started, free_port, http, nginx};
use crate::command::{find, run};
use crate::error::IoContext;
use crate::process::Server;
use crate::{Error, Result};
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
    let command = nginx::command(&folder.join("nginx"), 1, &configuration(&files, port))?;
    let mut nginx = Server::start("nginx", command, &place.logs)?;
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

/// `if_modified_since before`: nginx's default answers 304 for the exact date alone, which RFC 9110 does
/// not know.
fn configuration(files: &Path, port: u16) -> String {
    format!(
        "if_modified_since before;\n\
         server {{\n    \
             listen 127.0.0.1:{port};\n    \
             root {};\n\
         }}\n",
        files.display()
    )
}
