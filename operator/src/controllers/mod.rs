//! Starts the two controllers once this process leads, and stops them.

mod classes;
mod gateways;
mod gather;
mod merge;
mod retry;
mod said;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use crds::{FileGateway, FileGatewayClass};
use futures_util::StreamExt;
use kube::Client;
use kube::api::{Api, ListParams};
use kube::runtime::controller::Error as Trouble;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::context::Context;
use crate::leader::{Election, Lost, Terms};
use crate::metrics::{Metrics, counted};
use crate::{class, gateway, health};

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
    /// Another operator may lead by now: the caller has to end the process, so that a new one begins
    /// with nothing in memory.
    #[error("no longer the leader: {0}")]
    NotLeader(Lost),
}

/// Waits to be the leader, and then runs until `shutdown` completes and the reconciles in flight have
/// ended. The Lease is released after that, and not before.
///
/// # Errors
/// When the health address can't be listened on, or the Lease is lost; no reconcile goes on then.
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
    let metrics = Metrics::default();
    let health = tokio::spawn(health::serve(listener, readiness.clone(), metrics.clone()));
    let outcome = lead(config, client, shutdown, readiness, metrics).await;
    health.abort();
    outcome
}

async fn lead(
    config: Config,
    client: Client,
    shutdown: impl Future<Output = ()> + Send + 'static,
    readiness: health::Readiness,
    metrics: Metrics,
) -> Result<(), RunError> {
    let stop = CancellationToken::new();
    let stopper = stop.clone();
    tokio::spawn(async move {
        shutdown.await;
        stopper.cancel();
    });
    let terms = Terms {
        namespace: config.operator_namespace.clone(),
        name: config.lease_name.clone(),
        identity: config.pod_name.clone(),
        duration: config.lease_duration,
    };
    let client = counted(client, metrics.clone());
    let election = Election::new(client.clone(), terms);
    let context = Arc::new(Context::new(client, config, metrics.clone()));
    let won = async {
        wait_for_definitions(&context).await;
        election.won(|| readiness.standing_by(true)).await
    };
    let mut held = tokio::select! {
        held = won => held,
        () = stop.cancelled() => return Ok(()),
    };
    readiness.standing_by(false);
    metrics.leader.set(1);
    let outcome = tokio::select! {
        () = control(&context, readiness, stop) => Ok(()),
        // The other branch is dropped, and with it every reconcile that is under way.
        lost = election.kept(&mut held) => Err(RunError::NotLeader(lost)),
    };
    metrics.leader.set(0);
    if outcome.is_ok() {
        election.release(held).await;
    }
    outcome
}

/// Runs both controllers until `stop`.
async fn control(context: &Arc<Context>, readiness: health::Readiness, stop: CancellationToken) {
    let classes = classes::controller(context, readiness.clone());
    let gateways = gateways::controller(context, readiness);
    context.metrics.count_gateways(gateways.store());
    let gateways = gateways
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(gateway::reconcile, gateway::error_policy, context.clone())
        .inspect(|outcome| {
            // No pass will come.
            if let Err(Trouble::ObjectNotFound(gone)) = outcome {
                let namespace = gone.namespace.as_deref().unwrap_or_default();
                context.metrics.answered(namespace, &gone.name);
            }
        })
        .for_each(log_outcome);
    let classes = classes
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(class::reconcile, class::error_policy, context.clone())
        .for_each(log_outcome);
    tokio::join!(gateways, classes);
}

/// Without its definitions the operator could only fail in a loop; so it says once what is missing.
async fn wait_for_definitions(context: &Context) {
    let one = ListParams::default().limit(1);
    loop {
        let gateways = anywhere(context, &one).await.err();
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

/// Lists FileGateways in any of the watched namespaces: one that is gone keeps nobody waiting.
async fn anywhere(context: &Context, one: &ListParams) -> Result<(), kube::Error> {
    let mut outcome = Ok(());
    for api in context.config.watched.apis::<FileGateway>(&context.client) {
        outcome = api.list_metadata(one).await.map(drop);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// Failures of passes and watches are logged where they are handled; what is left is the controller's own
/// trouble.
async fn log_outcome<T, E, Q>(outcome: Result<T, Trouble<E, Q>>)
where
    E: std::error::Error + 'static,
    Q: std::error::Error + 'static,
{
    match outcome {
        Ok(_) | Err(Trouble::ReconcilerFailed(..) | Trouble::ObjectNotFound(_)) => {}
        Err(error) => tracing::warn!(%error, "the controller failed; it goes on"),
    }
}
