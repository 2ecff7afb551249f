//! `gateway dev`: the whole gateway in one process, with nothing set up.

mod folder;
mod identity;
mod page;
mod welcome;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use gateway::app::App;
use gateway::config::{Config, Sources, environment};
use gateway::server;
use gateway::store::embedded;
use url::Url;

use super::serve::{listen, serve};
use folder::Folder;
use identity::{AUDIENCE, ISSUER, Identity, ORGANIZATION};

/// The bucket of the S3 server in the process: a folder of this name.
const BUCKET: &str = "dev-files";

/// What to log. The S3 server in the process answers some calls with "not implemented" and logs that
/// as an error of its own; the gateway, which made the call, knows how to go on.
const LOG: &str = "info,s3s=off";

/// Where `gateway dev` listens and what it keeps.
#[derive(Args)]
pub(crate) struct DevArguments {
    /// Socket address; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Folder for the database, the objects and the secrets; made when it is missing.
    #[arg(long, default_value = ".filegateway-dev")]
    data: PathBuf,
    /// Print one line of JSON for scripts, instead of lines for people.
    #[arg(long)]
    json: bool,
}

/// Serves until told to stop.
pub(crate) async fn run(arguments: DevArguments) -> anyhow::Result<()> {
    let sources = Sources::load(&environment, None);
    super::start_logs(&sources.log_filter(LOG), "filegateway-dev")?;
    let folder = Folder::open(&arguments.data)?;
    let identity = Identity::new(folder.secret()?);
    let store = embedded::serve(&folder.objects(), BUCKET)
        .await
        .context("failed to start the S3 server in the process")?;
    let config = configuration(&arguments, &folder, &store.endpoint)?;
    let listener = listen(&config)?;
    let address = listener.local_addr()?;
    let settings = App::worker(&config.backends.video);
    let video = settings.studio.is_some();
    let app = App::open(&config.backends, store.keys.clone(), video).await?;
    let stop = server::told_to_stop().context("failed to listen for signals")?;
    let tokens = identity.tokens()?;
    if arguments.json {
        welcome::for_scripts(address, BUCKET, &tokens)?;
    } else {
        welcome::for_people(address, &arguments.data, video, &tokens)?;
    }
    serve(app, &config, listener, settings, page::PAGES, stop).await
}

/// What `gateway serve` would be told: the environment, and where it matters to `dev`, this.
fn configuration(
    arguments: &DevArguments,
    folder: &Folder,
    endpoint: &Url,
) -> anyhow::Result<Config> {
    let keys = folder.signing_keys()?;
    let own = |name: &str| match name.strip_prefix("FILEGATEWAY_")? {
        "ORGANIZATION" => Some(ORGANIZATION.to_owned()),
        "LISTEN" => Some(arguments.listen.to_string()),
        "METRICS_LISTEN" => Some("Off".to_owned()),
        "WORKER_EMBEDDED" => Some("true".to_owned()),
        "STORE_ENDPOINT" => Some(endpoint.to_string()),
        "STORE_BUCKET" => Some(BUCKET.to_owned()),
        "DATABASE_URL" => Some(format!("sqlite://{}", folder.database().display())),
        "DATABASE_URL_FILE" | "AUTH_JWKS_URL" => Some(String::new()),
        "AUTH_ISSUER" => Some(ISSUER.to_owned()),
        "AUTH_AUDIENCE" => Some(AUDIENCE.to_owned()),
        "AUTH_SECRET_FILE" => Some(folder.secret_file().display().to_string()),
        "TOKENS_KEYS_FILE" => Some(keys.display().to_string()),
        _ => None,
    };
    Ok(Config::read(&|name| {
        own(name).or_else(|| environment(name))
    })?)
}
