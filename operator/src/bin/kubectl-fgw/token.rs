//! A file token for trying. The caller's JWT comes from the environment or from standard input, never
//! from an argument, which every process of the machine could read.

use std::io::{IsTerminal, Read};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use http::{Request, StatusCode, Uri};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::Place;
use crate::cluster::Cluster;

const JWT: &str = "FILEGATEWAY_JWT";
const PATIENCE: Duration = Duration::from_secs(30);

/// Get a file token for trying, in exchange for a caller's JWT.
///
/// The caller's JWT is read from $FILEGATEWAY_JWT, else from standard input. The gateway is reached at
/// its own address when that is https://, else through `kubectl port-forward`. The token alone is
/// printed; when it ends is said on standard error.
#[derive(Args)]
pub struct Arguments {
    /// Name of the FileGateway
    name: String,
    /// The only file that the token is good for [default: all that the caller may read]
    #[arg(long, value_name = "ID")]
    file: Option<String>,
    /// Where the gateway is [default: its own address if https://, else a way by kubectl port-forward]
    #[arg(long, value_name = "URL")]
    address: Option<Uri>,
}

/// Gets one.
pub async fn get(cluster: &Cluster, place: &Place, arguments: &Arguments) -> anyhow::Result<()> {
    let jwt = jwt()?;
    let gateway = cluster.gateway(&arguments.name).await?;
    let own = gateway
        .status
        .and_then(|status| status.address)
        .filter(|address| address.starts_with("https://"));
    let (address, _forward) = match (&arguments.address, own) {
        (Some(address), _) => (address.clone(), None),
        (None, Some(address)) => (address.parse()?, None),
        (None, None) => {
            let (address, child) = forward(cluster, place, &arguments.name).await?;
            (address, Some(child))
        }
    };
    let answer = ask(&address, jwt, arguments.file.as_deref());
    let answer = tokio::time::timeout(PATIENCE, answer)
        .await
        .with_context(|| format!("no answer from {address}"))??;
    let text = |field: &str| answer[field].as_str().unwrap_or_default().to_string();
    eprintln!("good until {}", text("expires_at"));
    println!("{}", text("token"));
    Ok(())
}

fn jwt() -> anyhow::Result<String> {
    if let Ok(jwt) = std::env::var(JWT) {
        return Ok(jwt.trim().to_string());
    }
    let mut input = std::io::stdin();
    if input.is_terminal() {
        eprintln!("the caller's JWT, then Ctrl-D:");
    }
    let mut jwt = String::new();
    input
        .read_to_string(&mut jwt)
        .context("standard input can't be read")?;
    if jwt.trim().is_empty() {
        bail!("no JWT: set {JWT}, or pipe one in");
    }
    Ok(jwt.trim().to_string())
}

/// Asks the gateway. kube's client is an HTTP client with TLS and a bearer token, so there is no need
/// of another one.
async fn ask(address: &Uri, jwt: String, file: Option<&str>) -> anyhow::Result<Value> {
    let mut config = kube::Config::new(address.clone());
    config.auth_info.token = Some(jwt.into());
    let client = kube::Client::try_from(config)
        .with_context(|| format!("{address} is no URL of a gateway"))?;
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(file.map(|file| ("file_id", file)));
    let query = query.finish();
    let request = Request::post(format!("/v1/files/token?{query}")).body(Body::empty())?;
    let answer = client
        .send(request)
        .await
        .with_context(|| format!("{address} can't be reached"))?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if status == StatusCode::OK {
        return Ok(body);
    }
    let advice = match status {
        StatusCode::UNAUTHORIZED => "; the JWT is none of the gateway's issuer, or has ended",
        StatusCode::FORBIDDEN => "; the JWT is of another organization",
        _ => "",
    };
    bail!(
        "the gateway answered {status}: {}{advice}",
        body["detail"]
            .as_str()
            .map_or_else(|| body["detail"].to_string(), Into::into)
    )
}

/// A way to the gateway's Service, for as long as the child lives.
async fn forward(cluster: &Cluster, place: &Place, name: &str) -> anyhow::Result<(Uri, Child)> {
    let mut command = Command::new("kubectl");
    if let Some(file) = &place.kubeconfig {
        command.arg("--kubeconfig").arg(file);
    }
    if let Some(context) = &place.context {
        command.args(["--context", context]);
    }
    command
        .args(["--namespace", &cluster.namespace, "port-forward"])
        .args(["--address", "127.0.0.1"])
        .arg(format!("service/{name}"))
        .arg(":80")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command
        .spawn()
        .context("kubectl can't be run; write the gateway's --address")?;
    let output = child.stdout.take().context("kubectl has no output")?;
    let mut lines = BufReader::new(output).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    // "Forwarding from 127.0.0.1:40001 -> 8080"
    let port = line
        .ok()
        .and_then(Result::ok)
        .flatten()
        .and_then(|line| line.split(" -> ").next()?.rsplit(':').next()?.parse().ok());
    let Some(port): Option<u16> = port else {
        bail!("kubectl port-forward did not reach the gateway; write its --address");
    };
    // It writes a line for each connection, and ends when nobody takes it.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((format!("http://127.0.0.1:{port}").parse()?, child))
}
