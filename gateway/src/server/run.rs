//! Accepting connections until told to stop, and then waiting for them.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;

use poem::{Endpoint, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::Limits;
use super::connection::{Connection, Orders};
use super::listener::accept;

/// Serves `endpoint` on `listener` until `stop` is done. Then `stopping` is cancelled at once, for
/// whoever reports readiness, connections are accepted for [`Limits::stop_delay`] longer, each for one
/// answer, and what is at work may go on for [`Limits::stop`].
///
/// At the most connections, further ones wait to be accepted: those at rest are closed for them, and
/// those at work when they have been answered.
///
/// # Errors
/// When the listener can't be used.
pub async fn run(
    listener: TcpListener,
    endpoint: impl Endpoint<Output = Response> + 'static,
    limits: Limits,
    stop: impl Future<Output = ()>,
    stopping: CancellationToken,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let endpoint = Arc::new(endpoint);
    let slots = Slots::new(limits.max_connections);
    let (close, cut) = (CancellationToken::new(), CancellationToken::new());
    let connections = TaskTracker::new();
    let mut end = pin!(async {
        stop.await;
        stopping.cancel();
        info!("told to stop");
        tokio::time::sleep(limits.stop_delay).await;
    });
    loop {
        let taken = async {
            let slot = slots.take().await;
            (slot, accept(&listener).await)
        };
        let (slot, (socket, remote)) = tokio::select! {
            taken = taken => taken,
            () = &mut end => break,
        };
        let connection = Connection {
            socket,
            remote,
            limits,
            orders: Orders {
                crowded: slots.crowded.subscribe(),
                leave: stopping.clone(),
                close: close.clone(),
                cut: cut.clone(),
            },
        };
        let endpoint = endpoint.clone();
        connections.spawn(async move {
            connection.serve(endpoint).await;
            drop(slot);
        });
    }
    drop(listener);
    close.cancel();
    connections.close();
    if tokio::time::timeout(limits.stop, connections.wait())
        .await
        .is_err()
    {
        warn!(connections = connections.len(), "requests were cut off");
        cut.cancel();
        connections.wait().await;
    }
    Ok(())
}

/// The room for connections.
struct Slots {
    free: Arc<Semaphore>,
    /// Told whenever somebody has to wait.
    crowded: watch::Sender<()>,
}

impl Slots {
    fn new(most: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(most)),
            crowded: watch::Sender::new(()),
        }
    }

    /// Room for one more; `None` never, since nobody closes the semaphore.
    async fn take(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = self.free.clone().try_acquire_owned() {
            return Some(slot);
        }
        warn!("the limit of connections is reached");
        self.crowded.send_replace(());
        self.free.clone().acquire_owned().await.ok()
    }
}
