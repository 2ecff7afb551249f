//! Starts the two controllers and stops them.

mod classes;
mod gateways;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use crds::{FileGateway, FileGatewayClass};
use futures_util::StreamExt;
use kube::Client;
use kube::api::{Api, ListParams};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::context::Context;
use crate::{class, gateway, health};
use watch::api;

/// The operator can't run.
#[derive(Debug, Error)]
pub enum RunError {
    /// The health address is taken or not ours.
    #[error("can't listen on FILEGATEWAY_HEALTH_LISTEN {address}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Runs until `shutdown` completes and the reconciles in flight have ended.
///
/// # Errors
/// When the health address can't be listened on.
pub async fn run(
    config: Config,
    client: Client,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), RunError> {
    let address = config.health_listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| RunError::Listen { address, source })?;
    let readiness = health::Readiness::after(2);
    let health = tokio::spawn(health::serve(listener, readiness.clone()));

    let stop = CancellationToken::new();
    let stopper = stop.clone();
    tokio::spawn(async move {
        shutdown.await;
        stopper.cancel();
    });
    let context = Arc::new(Context::new(client, config));
    tokio::select! {
        () = wait_for_definitions(&context) => {}
        () = stop.cancelled() => {
            health.abort();
            return Ok(());
        }
    }

    let classes = classes::controller(&context, readiness.clone());
    let gateways = gateways::controller(&context, classes.store(), readiness)
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(gateway::reconcile, gateway::error_policy, context.clone())
        .for_each(log_outcome);
    let classes = classes
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(class::reconcile, class::error_policy, context.clone())
        .for_each(log_outcome);
    tokio::join!(gateways, classes);
    health.abort();
    Ok(())
}

/// Without its definitions the operator could only fail in a loop; so it says once what is missing.
async fn wait_for_definitions(context: &Context) {
    let one = ListParams::default().limit(1);
    loop {
        let gateways = api::<FileGateway>(context).list_metadata(&one).await.err();
        let classes = Api::<FileGatewayClass>::all(context.client.clone())
            .list_metadata(&one)
            .await
            .err();
        match gateways.or(classes) {
            None => return,
            Some(kube::Error::Api(status)) if status.code == 404 => tracing::error!(
                "the CustomResourceDefinitions of filegateway.dev are not installed: upgrade the \
                 chart with crds.enabled=true, or apply them; trying again"
            ),
            Some(error) => tracing::error!(%error, "the API server can't be asked; trying again"),
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

/// Failures are logged where they are handled; what is left is the stream's own trouble.
async fn log_outcome<T, E, Q>(outcome: Result<T, kube::runtime::controller::Error<E, Q>>)
where
    E: std::error::Error + 'static,
    Q: std::error::Error + 'static,
{
    use kube::runtime::controller::Error as Trouble;
    match outcome {
        Ok(_) | Err(Trouble::ReconcilerFailed(..) | Trouble::ObjectNotFound(_)) => {}
        Err(error) => tracing::warn!(%error, "a watch failed; it is started again"),
    }
}
