//! `gateway serve`.

use std::future::Future;
use std::net::TcpListener;
use std::pin::Pin;
use std::time::Duration;

use anyhow::Context;
use gateway::app::App;
use gateway::config::Config;
use gateway::worker::Settings;
use gateway::{api, server};
use tracing::info;

use super::ConfigArguments;
use super::metrics::MetricsServer;
use super::webhooks::Webhooks;
use super::worker::Worker;

/// How long what was begun may take to be settled after the last request.
const SETTLE: Duration = Duration::from_secs(5);

/// Serves until told to stop.
pub(crate) async fn run(arguments: &ConfigArguments) -> anyhow::Result<()> {
    let config = arguments.sources_and_logs("filegateway")?.config()?;
    let keys = super::keys(&config.backends.store);
    let listener = listen(&config)?;
    let settings = App::worker(&config.backends.video);
    // Beside an own worker this process knows whether videos are worked on; otherwise the worker's
    // Deployment does.
    let video = !config.server.embedded_worker || settings.studio.is_some();
    let stop = server::told_to_stop().context("failed to listen for signals")?;
    let open = App::open(&config.backends, keys, video);
    match unless_stopped(stop, open).await {
        Some((app, stop)) => serve(app?, &config, listener, settings, &[], stop).await,
        None => Ok(()),
    }
}

/// What `start` comes to, and `stop` back; nothing when `stop` was done first. The first process of a
/// container is not ended by a signal that it does not listen for, so it has to from the start.
pub(crate) async fn unless_stopped<T, S: Future<Output = ()>>(
    stop: S,
    start: impl Future<Output = T>,
) -> Option<(T, Pin<Box<S>>)> {
    let mut stop = Box::pin(stop);
    tokio::select! {
        started = start => Some((started, stop)),
        () = &mut stop => None,
    }
}

/// Takes the address that the configuration names.
pub(crate) fn listen(config: &Config) -> anyhow::Result<TcpListener> {
    let address = config.server.listen;
    server::listen(address).with_context(|| format!("failed to listen on {address}"))
}

/// Serves `app`, and `pages` beside it, on `listener` until told to stop, and ends what is at work.
pub(crate) async fn serve(
    app: App,
    config: &Config,
    listener: TcpListener,
    settings: Settings,
    pages: &[api::Page],
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let state = app.state(config).await?;
    let webhooks = Webhooks::start(&app, &config.backends).await?;
    let metrics = MetricsServer::start(&app, config.backends.metrics_listen)?;
    info!(address = %listener.local_addr()?, organization = config.backends.organization, "serving");
    let worker = config
        .server
        .embedded_worker
        .then(|| Worker::start(app.files.clone(), settings));
    let (limits, stopping) = (config.server.limits, state.stopping.clone());
    server::run(
        listener,
        api::application(state, pages),
        limits,
        stop,
        stopping,
    )
    .await?;
    if let Some(metrics) = metrics {
        metrics.stop().await;
    }
    if let Some(worker) = worker {
        worker.stop().await;
    }
    if let Some(webhooks) = webhooks {
        webhooks.stop().await;
    }
    // What is cut off here, the janitor finishes.
    tokio::time::timeout(SETTLE, app.files.settle()).await.ok();
    app.catalog.close().await;
    info!("stopped");
    Ok(())
}
