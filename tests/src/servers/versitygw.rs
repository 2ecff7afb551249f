//! versitygw: an S3 server and, beside it, an AWS IAM API server that it asks about every key.

use super::{Place, Started, free_port, http};
use crate::process::Server;
use crate::tools::Tool;
use crate::{Result, secret};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

/// Starts both with a random root key. The two talk over a socket that nobody else can open.
///
/// # Errors
/// One of them doesn't come up.
pub async fn start(place: &Place) -> Result<Started> {
    let folder = place.make("versitygw")?;
    let socket = folder.join("iam.sock");
    let (data, versions, users) = (
        place.make("versitygw/data")?,
        place.make("versitygw/versions")?,
        place.make("versitygw/iam")?,
    );
    let (access_key, secret_key) = (secret::word(20).to_uppercase(), secret::word(40));
    let command = |port: u16| -> Command {
        let mut command = place.toolbox.command(Tool::Versitygw);
        command
            .env("ROOT_ACCESS_KEY_ID", &access_key)
            .env("ROOT_SECRET_ACCESS_KEY", &secret_key)
            .args(["--port", &format!("127.0.0.1:{port}"), "--keep-alive"])
            .current_dir(&folder);
        command
    };

    let iam_port = free_port()?;
    let mut iam = command(iam_port);
    iam.arg("iam")
        .arg("--dir")
        .arg(&users)
        .arg("--private-ports")
        .arg(&socket);
    iam.args(["--private-socket-perm", "0600"]);
    let mut iam = Server::start("versitygw-iam", iam, &place.logs)?;
    let client = http::client()?;
    let iam_url = format!("http://127.0.0.1:{iam_port}");
    iam.ready(LIMIT, async || {
        socket.exists() && http::answers(&client, &iam_url).await
    })
    .await?;

    let s3_port = free_port()?;
    let mut s3 = command(s3_port);
    s3.arg("--iam-standalone-endpoint").arg(&socket);
    s3.args(["--health", "/health", "posix", "--versioning-dir"])
        .arg(&versions)
        .arg(&data);
    let mut s3 = Server::start("versitygw-s3", s3, &place.logs)?;
    let s3_url = format!("http://127.0.0.1:{s3_port}");
    let health = format!("{s3_url}/health");
    s3.ready(LIMIT, async || http::succeeds(&client, &health).await)
        .await?;

    Ok(Started {
        servers: vec![iam, s3],
        variables: vec![
            ("FGW_TEST_S3_ENDPOINT", s3_url),
            ("FGW_TEST_S3_ACCESS_KEY", access_key),
            ("FGW_TEST_S3_SECRET_KEY", secret_key),
            ("FGW_TEST_IAM_ENDPOINT", iam_url),
        ],
    })
}
