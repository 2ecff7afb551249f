//! One job, from its lease to its end.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use traces::Traced;
use tracing::field::Empty;
use tracing::{Instrument, info_span};

use super::Settings;
use crate::catalog::{Catalog, CatalogError, Job, Lease};
use crate::causes::causes;
use crate::files::{Files, FilesError, Made, Studio, VideoError};
use crate::telemetry::metrics::InFlight;

const LONGEST_BACKOFF: Duration = Duration::from_secs(600);
/// How often progress is written down, if there was some.
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// How working on a job ended.
enum Outcome {
    Done(Made),
    Failed(VideoError),
    /// Somebody else has it now.
    Lost,
    /// We have to stop.
    Interrupted,
}

impl Outcome {
    /// What it counts as.
    fn name(&self, attempts: u32, settings: &Settings) -> &'static str {
        match self {
            Self::Done(_) => "ready",
            Self::Failed(VideoError::Gone) | Self::Lost | Self::Interrupted => "released",
            Self::Failed(VideoError::Unreadable(_)) => "failed",
            Self::Failed(_) if attempts >= settings.max_attempts => "failed",
            Self::Failed(_) => "retried",
        }
    }
}

/// Works on a job and writes down how it ended.
pub(super) async fn work(
    files: &Files,
    studio: &Studio,
    settings: &Settings,
    shutdown: &CancellationToken,
    job: Job,
) {
    let attempts = u32::try_from(job.attempts).unwrap_or(u32::MAX);
    let (catalog, held, file) = (files.catalog(), job.lease(), job.file_id);
    // Taken more often than allowed without an end: it takes its workers with it.
    if attempts > settings.max_attempts {
        let error = "its workers died".to_owned();
        let buried = catalog.bury_job(held, given_up(attempts - 1), error).await;
        report(file, buried);
        return;
    }
    let id = file.to_string();
    let traced = traces::work("work on a video", &[("filegateway.file.id", &id)]);
    let span = info_span!("job", file.id = id, trace_id = Empty, span_id = Empty);
    traced.named_in(&span);
    let working = work_on(files, studio, settings, shutdown, job, &traced);
    traced.around(working.instrument(span)).await;
}

/// The same for one that may be taken once more.
async fn work_on(
    files: &Files,
    studio: &Studio,
    settings: &Settings,
    shutdown: &CancellationToken,
    job: Job,
    traced: &Traced,
) {
    let attempts = u32::try_from(job.attempts).unwrap_or(u32::MAX);
    let (catalog, held, file) = (files.catalog(), job.lease(), job.file_id);
    tracing::info!(file.id = %file, attempts, "working on a video");
    let (metrics, started) = (files.metrics(), Instant::now());
    let at_work = InFlight::new(&metrics.videos_at_work);
    let percent = AtomicU8::new(0);
    let progress = |done| percent.store(done, Ordering::Relaxed);
    let outcome = tokio::select! {
        done = files.process_video(file, held.token(), studio, &progress) => match done {
            Ok(made) => Outcome::Done(made),
            Err(error) => Outcome::Failed(error),
        },
        () = hold(catalog, held, settings.lease, &percent) => Outcome::Lost,
        () = shutdown.cancelled() => Outcome::Interrupted,
    };
    drop(at_work);
    let name = outcome.name(attempts, settings);
    metrics.worked(name, started.elapsed());
    traced.came_to(name);
    if let Outcome::Failed(_) = &outcome {
        traced.failed(name);
    }
    let mut published = false;
    let written = match outcome {
        Outcome::Done(made) => {
            published = true;
            catalog.finish_job(held, made.media, made.outputs).await
        }
        Outcome::Failed(VideoError::Gone) => {
            let Made { media, outputs } = Made::default();
            catalog.finish_job(held, media, outputs).await
        }
        Outcome::Failed(error @ VideoError::Unreadable(_)) => {
            let reason = error.reason().unwrap_or_else(|| error.to_string());
            catalog.bury_job(held, reason, causes(&error)).await
        }
        Outcome::Failed(error) if attempts >= settings.max_attempts => {
            tracing::warn!(file.id = %file, error = causes(&error), "a video was given up");
            catalog
                .bury_job(held, given_up(attempts), causes(&error))
                .await
        }
        Outcome::Failed(error) => {
            tracing::warn!(file.id = %file, error = causes(&error), "a video will be tried again");
            let delay = backoff(settings.backoff, attempts);
            catalog.retry_job(held, delay, causes(&error)).await
        }
        Outcome::Lost => Ok(false),
        Outcome::Interrupted => catalog.release_job(held).await,
    };
    let cleared = match &written {
        // Nobody else is at work on the file any more. One that was given up may be tried again at
        // once.
        Ok(true) if published => files.forget_unpublished(file).await,
        Ok(_) => files.forget_attempt(file, held.token()).await,
        // Whether it was published is not known.
        Err(_) => Ok(()),
    };
    report(file, written);
    left(file, cleared);
    if let Err(error) = files.forget_derived(file).await {
        tracing::warn!(file.id = %file, error = causes(&error), "what was made of a deleted file is left to the janitor");
    }
}

/// Extends the lease again and again, and tells how far the work is; ends when it is somebody
/// else's.
async fn hold(catalog: &Catalog, held: Lease, lease: Duration, percent: &AtomicU8) {
    let (every, least) = (lease / 3, TOLD_EVERY.min(lease / 3));
    let (mut told, mut extended) = (0, Instant::now());
    loop {
        tokio::time::sleep(least).await;
        let now = percent.load(Ordering::Relaxed);
        if now == told && extended.elapsed() + least <= every {
            continue;
        }
        match catalog.extend_lease(held, lease, now).await {
            Ok(true) => (told, extended) = (now, Instant::now()),
            Ok(false) => return,
            // If it stays away until the lease has run out, the next answer will tell.
            Err(error) => tracing::warn!(
                error = causes(&error),
                "a job's lease could not be extended"
            ),
        }
    }
}

fn left(file: uuid::Uuid, cleared: Result<(), FilesError>) {
    if let Err(error) = cleared {
        tracing::warn!(file.id = %file, error = causes(&error), "what was made in vain is left until the file goes");
    }
}

fn report(file: uuid::Uuid, written: Result<bool, CatalogError>) {
    match written {
        Ok(true) => tracing::info!(file.id = %file, "a job has ended"),
        Ok(false) => tracing::info!(file.id = %file, "a job was taken over, or its file deleted"),
        // Its lease runs out and it is done again.
        Err(error) => {
            tracing::warn!(file.id = %file, error = causes(&error), "a job's end could not be written down");
        }
    }
}

fn given_up(attempts: u32) -> String {
    format!("the video could not be worked on, after {attempts} tries")
}

/// The wait after try number `attempts`, from half to all of it at random: jobs that failed
/// together are not tried again together.
fn backoff(base: Duration, attempts: u32) -> Duration {
    let doubled = base.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1)));
    doubled
        .min(LONGEST_BACKOFF)
        .mul_f64(rand::random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let base = Duration::from_secs(10);
        for (attempts, most) in [(1, 10), (2, 20), (3, 40), (7, 600), (u32::MAX, 600)] {
            let most = Duration::from_secs(most);
            let wait = backoff(base, attempts);
            assert!(wait <= most && wait >= most / 2, "{attempts}: {wait:?}");
        }
    }
}
