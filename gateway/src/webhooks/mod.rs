//! Telling a receiver what happened to files: webhooks in the manner of Standard Webhooks 1.0.
//!
//! `files` writes events through `catalog`, in the transaction of what they tell of. The loop here,
//! one in each process of `serve`, takes them by lease and sends them. An event goes from the table
//! only after it was taken in or given up, so each is told at least once; the receiver knows a
//! repetition by its `webhook-id`.

mod address;
mod schedule;
mod secret;
mod sender;

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::catalog::{Catalog, CatalogError, DueEvent};
use crate::causes::causes;
use crate::telemetry::Metrics;

pub use address::is_public;
pub use secret::{WebhookSecret, WebhookSecretError};
pub use sender::{Sender, SenderError};

use sender::Outcome;

/// How many events are being sent at once, in one process.
const AT_ONCE: usize = 8;
/// How long an event is ours: well above what one try may take.
const LEASE: Duration = Duration::from_secs(30);
/// How long to wait when there was no event.
const POLL: Duration = Duration::from_secs(1);
/// How long to wait after the database did not answer.
const AFTER_ERROR: Duration = Duration::from_secs(5);
/// How often what is still to be told is counted.
const COUNT_EVERY: Duration = Duration::from_secs(15);

/// Tells until `shutdown` is cancelled; what is being sent then is sent to its end.
pub async fn run(catalog: Catalog, sender: Sender, metrics: Metrics, shutdown: CancellationToken) {
    tokio::join!(
        send_events(&catalog, Arc::new(sender), &metrics, &shutdown),
        count_events(&catalog, &metrics, &shutdown),
    );
}

async fn send_events(
    catalog: &Catalog,
    sender: Arc<Sender>,
    metrics: &Metrics,
    shutdown: &CancellationToken,
) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut sending = JoinSet::new();
    while !shutdown.is_cancelled() {
        while sending.try_join_next().is_some() {}
        // An event is only taken when it can be sent at once: a lease does not wait in a queue.
        let permit = tokio::select! {
            () = shutdown.cancelled() => break,
            permit = room.clone().acquire_owned() => permit,
        };
        let pause = match catalog.take_event(LEASE).await {
            Ok(Some(event)) => {
                let (catalog, sender) = (catalog.clone(), sender.clone());
                let metrics = metrics.clone();
                sending.spawn(async move {
                    let _permit = permit;
                    let kind = ("filegateway.event.kind", event.kind.as_str());
                    let traced = traces::work("tell an event", &[kind]);
                    traced
                        .around(tell(&catalog, &sender, &metrics, event))
                        .await;
                });
                continue;
            }
            Ok(None) => POLL,
            Err(error) => {
                tracing::warn!(error = causes(&error), "no event could be taken");
                AFTER_ERROR
            }
        };
        drop(permit);
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
            () = catalog.event_added() => {}
        }
    }
    while sending.join_next().await.is_some() {}
}

/// One try.
async fn tell(catalog: &Catalog, sender: &Sender, metrics: &Metrics, event: DueEvent) {
    let attempts = u32::try_from(event.attempts).unwrap_or(u32::MAX);
    let outcome = sender.send(event.id, &event.body).await;
    let (result, written) = match outcome {
        Outcome::TakenIn => ("delivered", catalog.end_event(&event).await),
        Outcome::Gone => {
            tracing::warn!(webhook.id = %sender::message_id(event.id), event.kind, "the webhook's receiver is gone (410); the event is dropped");
            ("gone", catalog.end_event(&event).await)
        }
        Outcome::Failed { why, after } => {
            let jitter = rand::rng().random_range(0.0..=1.0);
            match schedule::wait(attempts, after, jitter) {
                Some(wait) => {
                    tracing::info!(webhook.id = %sender::message_id(event.id), event.kind, attempts, why, wait.seconds = wait.as_secs(), "an event could not be told, and will be tried again");
                    ("retried", catalog.put_event_back(&event, wait).await)
                }
                None => {
                    tracing::error!(webhook.id = %sender::message_id(event.id), event.kind, attempts, why, "an event could not be told, and is given up");
                    ("given_up", catalog.end_event(&event).await)
                }
            }
        }
    };
    metrics.webhook_sent(result);
    report(&event, written);
}

fn report(event: &DueEvent, written: Result<bool, CatalogError>) {
    match written {
        Ok(true) => {}
        Ok(false) => {
            tracing::info!(webhook.id = %sender::message_id(event.id), "an event was taken over meanwhile");
        }
        // Its lease runs out and it is sent again.
        Err(error) => {
            tracing::warn!(webhook.id = %sender::message_id(event.id), error = causes(&error), "how an event was taken in could not be written down");
        }
    }
}

async fn count_events(catalog: &Catalog, metrics: &Metrics, shutdown: &CancellationToken) {
    while !shutdown.is_cancelled() {
        match catalog.pending_events().await {
            Ok(count) => {
                metrics.webhook_pending.set(count);
            }
            Err(error) => tracing::debug!(error = causes(&error), "events could not be counted"),
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(COUNT_EVERY) => {}
        }
    }
}
