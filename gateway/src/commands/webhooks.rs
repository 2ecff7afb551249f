//! The loop that sends events, beside `gateway serve`.

use std::time::Duration;

use gateway::app::{App, AppError};
use gateway::config::Backends;
use gateway::webhooks;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How long events that are being sent may take.
const GRACE: Duration = Duration::from_secs(10);

/// Events being sent beside whatever else the process does.
pub(crate) struct Webhooks {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Webhooks {
    /// Begins to send, if there is somebody to send to.
    pub(crate) async fn start(app: &App, backends: &Backends) -> Result<Option<Self>, AppError> {
        let Some(sender) = App::webhook(backends).await? else {
            return Ok(None);
        };
        let shutdown = CancellationToken::new();
        let (catalog, metrics) = (app.catalog.clone(), app.files.metrics().clone());
        let task = tokio::spawn(webhooks::run(catalog, sender, metrics, shutdown.clone()));
        Ok(Some(Self { shutdown, task }))
    }

    /// Takes no event any more, and waits for those that are being sent.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        if tokio::time::timeout(GRACE, self.task).await.is_err() {
            warn!("an event could not be told in time; it is told again when its lease runs out");
        }
    }
}
