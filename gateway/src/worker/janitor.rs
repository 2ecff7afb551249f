//! Calling the janitor.

use tokio_util::sync::CancellationToken;

use super::Settings;
use crate::causes::causes;
use crate::files::{Files, Swept, Tally, clear_scratch};

/// Sweeps at once and then again and again.
pub(super) async fn run(files: Files, settings: Settings, shutdown: CancellationToken) {
    loop {
        sweep(&files, &settings).await;
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(settings.sweep_every) => {}
        }
    }
}

async fn sweep(files: &Files, settings: &Settings) {
    match files.sweep(settings.sweep_age).await {
        Ok(None) => tracing::debug!("another janitor is at work"),
        Ok(Some(swept)) if swept == Swept::default() => {}
        Ok(Some(swept)) => log(&swept),
        Err(error) => tracing::warn!(
            error = causes(&error),
            "what was left unfinished could not be settled"
        ),
    }
    // Only what works on videos makes temporary folders.
    let Some(studio) = &settings.studio else {
        return;
    };
    let (scratch, age) = (studio.scratch.clone(), settings.sweep_age);
    let cleared = tokio::task::spawn_blocking(move || clear_scratch(&scratch, age)).await;
    if let Ok(Err(error)) = cleared {
        tracing::warn!(
            error = causes(&error),
            "old temporary folders could not be removed"
        );
    }
}

fn log(swept: &Swept) {
    for (kind, tally) in swept.kinds() {
        let Tally {
            found,
            settled,
            failed,
            bytes,
        } = tally;
        if found > 0 {
            tracing::info!(
                kind,
                found,
                settled,
                failed,
                bytes,
                "settled what was left unfinished"
            );
        }
    }
}
