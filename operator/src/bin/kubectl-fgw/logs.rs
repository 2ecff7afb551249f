//! Logs of a gateway's pods, side by side.

use std::collections::HashSet;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use futures_util::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams, LogParams};
use operator::gateway::build::{SERVE, WORKER};
use operator::meta::selector_text;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, said};

/// How often new pods are looked for.
const LOOK: Duration = Duration::from_secs(2);

/// Print the logs of a gateway's pods, each line with its pod in front.
#[derive(Args)]
pub struct Arguments {
    /// Name of the FileGateway
    name: String,
    /// Go on with what is logged from now on, by new pods too, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Which pods: those that serve requests, or those that work on videos [default: both]
    #[arg(long, value_enum)]
    component: Option<Component>,
    /// Lines of each pod, from the end [default: all]
    #[arg(long, value_name = "LINES")]
    tail: Option<i64>,
    /// Nothing older than so many seconds
    #[arg(long, value_name = "SECONDS")]
    since: Option<i64>,
    /// What pods logged before they were restarted
    #[arg(short, long, conflicts_with = "follow")]
    previous: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Component {
    /// Pods that serve requests
    Serve,
    /// Pods that work on videos
    Worker,
}

/// Prints them; ends when there is no more, or never when it follows.
pub async fn print(cluster: &Cluster, arguments: &Arguments) -> anyhow::Result<()> {
    let name = &arguments.name;
    cluster.gateway(name).await?;
    let mut known = HashSet::new();
    let mut readers = JoinSet::new();
    let mut failed = 0;
    loop {
        for pod in pods(cluster, arguments).await? {
            if known.insert(pod.clone()) {
                let api = Api::namespaced(cluster.client.clone(), &cluster.namespace);
                readers.spawn(read(api, pod, params(arguments)));
            }
        }
        if known.is_empty() && !arguments.follow {
            bail!(
                "{name} has no pods; `kubectl fgw status {name} -n {}` says why",
                cluster.namespace
            );
        }
        // One pod's end or failure is not that of the others.
        let mut note = |result: anyhow::Result<()>| {
            if let Err(error) = result {
                eprintln!("{error:#}");
                failed += 1;
            }
        };
        if !arguments.follow {
            while let Some(result) = readers.join_next().await {
                note(result?);
            }
            break;
        }
        while let Some(result) = readers.try_join_next() {
            note(result?);
        }
        tokio::time::sleep(LOOK).await;
    }
    if failed > 0 {
        bail!("the logs of {failed} of {} pods can't be read", known.len());
    }
    Ok(())
}

async fn pods(cluster: &Cluster, arguments: &Arguments) -> anyhow::Result<Vec<String>> {
    let components = match arguments.component {
        Some(Component::Serve) => &[SERVE][..],
        Some(Component::Worker) => &[WORKER],
        None => &[SERVE, WORKER],
    };
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let mut found = Vec::new();
    for component in components {
        let selector = selector_text(&arguments.name, component);
        let list = api.list(&ListParams::default().labels(&selector)).await;
        let list = list.map_err(said).context("pods can't be listed")?;
        // Those that have not started yet have no logs; they are looked at again.
        let started = list.items.iter().filter(|pod| {
            let phase = pod
                .status
                .as_ref()
                .and_then(|status| status.phase.as_deref());
            !arguments.follow || phase != Some("Pending")
        });
        found.extend(started.map(ResourceExt::name_any));
    }
    Ok(found)
}

fn params(arguments: &Arguments) -> LogParams {
    LogParams {
        follow: arguments.follow,
        tail_lines: arguments.tail,
        since_seconds: arguments.since,
        previous: arguments.previous,
        ..LogParams::default()
    }
}

async fn read(api: Api<Pod>, pod: String, params: LogParams) -> anyhow::Result<()> {
    let failed = || format!("[{pod}]");
    let stream = api.log_stream(&pod, &params).await.map_err(said);
    let mut lines = stream.with_context(failed)?.lines();
    while let Some(line) = lines.try_next().await.with_context(failed)? {
        // Whoever reads it may have seen enough.
        if writeln!(std::io::stdout(), "[{pod}] {line}").is_err() {
            break;
        }
    }
    Ok(())
}
