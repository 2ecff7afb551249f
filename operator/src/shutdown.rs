//! When to stop.

use tokio::signal::unix::{SignalKind, signal as unix_signal};

/// Completes at SIGTERM (what the kubelet sends) or SIGINT.
pub async fn signal() {
    let terminated = async {
        match unix_signal(SignalKind::terminate()) {
            Ok(mut signals) => {
                signals.recv().await;
            }
            Err(error) => {
                tracing::warn!(%error, "SIGTERM can't be listened for");
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tracing::info!("stopping");
}
