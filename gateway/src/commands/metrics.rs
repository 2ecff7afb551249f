//! The listener for Prometheus, beside whatever the process does.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use gateway::app::App;
use gateway::server::Limits;
use gateway::{api, server};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// A scraper or two, and nobody who has to be waited for.
const LIMITS: Limits = Limits {
    max_connections: 32,
    head: Duration::from_secs(10),
    idle: Duration::from_secs(120),
    stall: Duration::from_secs(10),
    stop_delay: Duration::ZERO,
    stop: Duration::from_secs(1),
};

/// A second listener, which ends after everything else: what a stop does should be seen to its end.
pub(crate) struct MetricsServer {
    stop: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

impl MetricsServer {
    /// Listens on `address`, if there is one.
    pub(crate) fn start(app: &App, address: Option<SocketAddr>) -> anyhow::Result<Option<Self>> {
        let Some(address) = address else {
            return Ok(None);
        };
        let listener = server::listen(address)
            .with_context(|| format!("failed to listen on {address} for metrics"))?;
        info!(address = %listener.local_addr()?, "metrics");
        let stop = CancellationToken::new();
        let endpoint = api::metrics(app.files.metrics().clone());
        let (stopped, stopping) = (stop.clone().cancelled_owned(), CancellationToken::new());
        let serving = server::run(listener, endpoint, LIMITS, stopped, stopping);
        let task = tokio::spawn(serving);
        Ok(Some(Self { stop, task }))
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.ok();
    }
}
