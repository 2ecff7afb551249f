//! The subcommands.

pub(crate) mod config;
pub(crate) mod dev;
pub(crate) mod janitor;
mod metrics;
pub(crate) mod migrate;
pub(crate) mod openapi;
pub(crate) mod serve;
mod webhooks;
pub(crate) mod worker;

use std::path::PathBuf;

use clap::Args;
use gateway::config::{self as settings, Sources, environment};
use gateway::store::{Keys, WebIdentity};
use tracing::warn;

/// Where a command's configuration is besides its variables.
#[derive(Args)]
pub(crate) struct ConfigArguments {
    /// Configuration file (docs/configuration.md); variables win over it. Without it, the variable
    /// FILEGATEWAY_CONFIG_FILE may name one.
    #[arg(long = "config", value_name = "PATH")]
    file: Option<PathBuf>,
}

impl ConfigArguments {
    pub(crate) fn sources(&self) -> Sources<'static> {
        Sources::load(&environment, self.file.as_deref())
    }

    /// The same, once the logs and the traces of `service` are on, with a word on variables that are likely
    /// mistyped.
    pub(crate) fn sources_and_logs(
        &self,
        service: &'static str,
    ) -> anyhow::Result<Sources<'static>> {
        let sources = self.sources();
        start_logs(&sources.log_filter("info"), service)?;
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        for (name, meant) in sources.unknown_variables(names) {
            let meant = meant.unwrap_or_default();
            warn!(
                variable = name,
                did_you_mean = meant,
                "a variable is unknown and has no effect"
            );
        }
        Ok(sources)
    }
}

/// Where the configuration says that the object store's keys come from.
fn keys(store: &settings::Store) -> Keys {
    match &store.web_identity {
        None => Keys::Folder(store.credentials.clone()),
        Some(settings::WebIdentity {
            token_file,
            role_arn,
            endpoint,
        }) => Keys::WebIdentity(WebIdentity {
            token_file: token_file.clone(),
            role_arn: role_arn.clone(),
            endpoint: endpoint.clone(),
        }),
    }
}

/// Begins to log what `filter` lets through, and to export traces if the environment asks for them.
fn start_logs(filter: &str, service: &'static str) -> anyhow::Result<()> {
    Ok(gateway::telemetry::start(filter, service)?)
}
