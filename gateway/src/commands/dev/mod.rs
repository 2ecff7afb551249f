//! `gateway dev`: the whole gateway in one process, with nothing set up.

mod folder;
mod identity;
mod welcome;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use gateway::app::App;
use gateway::auth::ClaimNames;
use gateway::auth::policy::LocationAccess;
use gateway::config::{
    Access, Auth, Backends, Config, Database, DatabaseAddress, Delivery, KeysFrom, Server, Sources,
    Store, Tokens, Uploads, environment,
};
use gateway::server::{self, Limits};
use gateway::store::embedded;
use gateway::worker::Settings;
use jsonwebtoken::Algorithm;
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
    super::start_logs(&sources.log_filter(LOG))?;
    let folder = Folder::open(&arguments.data)?;
    let identity = Identity::new(folder.secret()?);
    let store = embedded::serve(&folder.objects(), BUCKET)
        .await
        .context("failed to start the S3 server in the process")?;
    let config = configuration(&arguments, &folder, &store.endpoint)?;
    let listener = listen(&config)?;
    let address = listener.local_addr()?;
    let settings = Settings::default();
    let video = settings.tools.is_some();
    let app = App::open(&config.backends, store.keys.clone(), video).await?;
    let stop = server::told_to_stop().context("failed to listen for signals")?;
    let tokens = identity.tokens()?;
    if arguments.json {
        welcome::for_scripts(address, BUCKET, &tokens)?;
    } else {
        welcome::for_people(address, &arguments.data, video, &tokens)?;
    }
    serve(app, &config, listener, settings, stop).await
}

fn configuration(
    arguments: &DevArguments,
    folder: &Folder,
    endpoint: &Url,
) -> anyhow::Result<Config> {
    Ok(Config {
        backends: Backends {
            organization: ORGANIZATION.to_owned(),
            store: Store {
                endpoint: Some(endpoint.clone()),
                region: "us-east-1".to_owned(),
                bucket: BUCKET.to_owned(),
                path_style: true,
                credentials: PathBuf::new(),
            },
            database: Database {
                address: DatabaseAddress::Sqlite(folder.database()),
                max_connections: 10,
            },
            uploads: Uploads {
                max_file_bytes: 5 << 30,
                max_files: 100,
            },
            access: Access {
                locations: LocationAccess::Members,
                delivery: Delivery::Proxy,
            },
        },
        server: Server {
            listen: arguments.listen,
            embedded_worker: true,
            limits: Limits::default(),
            body_min_bytes: 1024,
            body_patience: Duration::from_secs(30),
        },
        auth: Auth {
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            keys: KeysFrom::SecretFile(folder.secret_file()),
            algorithms: vec![Algorithm::HS256],
            claims: ClaimNames {
                subject: "sub".to_owned(),
                organization: "org".to_owned(),
                roles: "roles".to_owned(),
                admin_role: "admin".to_owned(),
            },
        },
        tokens: Tokens {
            keys_file: folder.signing_keys()?,
            lifetime: Duration::from_secs(300),
            playback: Duration::from_secs(4 * 60 * 60),
        },
    })
}
