//! `gateway worker`.

use std::time::Duration;

use anyhow::Context;
use gateway::app::App;
use gateway::files::Files;
use gateway::server;
use gateway::worker::{self, Settings};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::ConfigArguments;
use super::metrics::MetricsServer;
use super::serve::unless_stopped;

/// How long the jobs in hand may take to be put back.
const GRACE: Duration = Duration::from_secs(10);

/// Works on videos, and settles what was left unfinished, until told to stop.
pub(crate) async fn run(arguments: &ConfigArguments) -> anyhow::Result<()> {
    let backends = arguments
        .sources_and_logs("filegateway-worker")?
        .backends()?;
    let stop = server::told_to_stop().context("failed to listen for signals")?;
    let keys = super::keys(&backends.store);
    let open = App::open(&backends, keys, true);
    let Some((app, stop)) = unless_stopped(stop, open).await else {
        return Ok(());
    };
    let app = app?;
    let metrics = MetricsServer::start(&app, backends.metrics_listen)?;
    info!(organization = backends.organization, "working");
    let worker = Worker::start(app.files.clone(), App::worker(&backends.video));
    stop.await;
    worker.stop().await;
    if let Some(metrics) = metrics {
        metrics.stop().await;
    }
    app.files.settle().await;
    app.catalog.close().await;
    info!("stopped");
    Ok(())
}

/// A worker beside whatever else the process does.
pub(crate) struct Worker {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Worker {
    pub(crate) fn start(files: Files, settings: Settings) -> Self {
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(worker::run(files, settings, shutdown.clone()));
        Self { shutdown, task }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        if tokio::time::timeout(GRACE, self.task).await.is_err() {
            warn!("a job could not be put back in time; it is taken up when its lease runs out");
        }
    }
}
