//! Calling the janitor.

use std::path::Path;
use std::time::{Duration, SystemTime};
use std::{fs, io};

use tokio_util::sync::CancellationToken;

use super::Settings;
use crate::causes::causes;
use crate::files::{Files, SCRATCH_PREFIX, Swept, Tally};

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
    let cleared = tokio::task::spawn_blocking(move || clear(&scratch, age)).await;
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

/// Removes the temporary folders that killed workers left.
fn clear(scratch: &Path, age: Duration) -> io::Result<()> {
    for entry in fs::read_dir(scratch)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_ours = name
            .to_str()
            .is_some_and(|name| name.starts_with(SCRATCH_PREFIX));
        if !is_ours || !entry.file_type()?.is_dir() {
            continue;
        }
        let modified = entry.metadata()?.modified()?;
        let since = SystemTime::now()
            .duration_since(modified)
            .unwrap_or_default();
        if since > age {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_folders_of_ours_go() {
        let scratch = tempfile::tempdir().unwrap();
        let (ours, theirs) = (
            scratch.path().join("filegateway-job-x"),
            scratch.path().join("y"),
        );
        fs::create_dir(&ours).unwrap();
        fs::create_dir(&theirs).unwrap();
        clear(scratch.path(), Duration::from_secs(60)).unwrap();
        assert!(ours.is_dir() && theirs.is_dir());
        std::thread::sleep(Duration::from_millis(20));
        clear(scratch.path(), Duration::ZERO).unwrap();
        assert!(!ours.exists() && theirs.is_dir());
    }
}
