//! Being told to stop.

use std::future::Future;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;

/// What a shell says of a process that a signal ended, less the signal's number.
const ENDED_BY_SIGNAL: i32 = 128;

/// Done when the process is told to stop, by SIGTERM or SIGINT. When it is told so again, it ends at
/// once: whoever says it twice does not want to wait, and what a crash leaves, the janitor settles.
///
/// # Errors
/// When the signals can't be listened for.
pub fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        either(&mut terminate, &mut interrupt).await;
        tokio::spawn(async move {
            let number = either(&mut terminate, &mut interrupt).await.as_raw_value();
            warn!("told to stop again: what is at work is cut off");
            std::process::exit(ENDED_BY_SIGNAL + number);
        });
    })
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> SignalKind {
    tokio::select! {
        _ = terminate.recv() => SignalKind::terminate(),
        _ = interrupt.recv() => SignalKind::interrupt(),
    }
}
