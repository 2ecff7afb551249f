//! The loops beside `serve`: one that takes video jobs, one that calls the janitor.
//!
//! Any number of workers run beside each other. A job is leased: its holder extends the lease while
//! it works, and whoever finds a lease run out takes the job over. Every write that ends a job
//! carries the lease's token, so a worker that was taken for dead can't undo its successor's work.

mod janitor;
mod job;
mod settings;

use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::causes::causes;
use crate::files::{Files, Studio};

pub use settings::Settings;

/// How long to wait after the database did not answer.
const AFTER_ERROR: Duration = Duration::from_secs(5);

/// How often the jobs are counted.
const COUNT_EVERY: Duration = Duration::from_secs(15);

/// Works until `shutdown` is cancelled. Jobs in hand are then put back and their children killed.
pub async fn run(files: Files, settings: Settings, shutdown: CancellationToken) {
    let mut loops = JoinSet::new();
    loops.spawn(janitor::run(
        files.clone(),
        settings.clone(),
        shutdown.clone(),
    ));
    loops.spawn(count_jobs(files.clone(), shutdown.clone()));
    match &settings.studio {
        Some(studio) => {
            if !studio.tools.are_isolated() {
                tracing::warn!(
                    "the kernel allows no namespaces here: ffmpeg is kept from the network by its \
                     list of protocols alone"
                );
            }
            for _ in 0..settings.concurrency.max(1) {
                let (files, settings) = (files.clone(), settings.clone());
                loops.spawn(take_jobs(files, studio.clone(), settings, shutdown.clone()));
            }
        }
        None => tracing::warn!("ffmpeg and ffprobe are not on the PATH: videos are not worked on"),
    }
    while let Some(ended) = loops.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a loop of the worker ended badly");
        }
    }
}

/// Counts the jobs now and then: from that somebody sees a queue grow.
async fn count_jobs(files: Files, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        match files.catalog().job_counts().await {
            Ok(counts) => files.metrics().jobs_counted(&counts),
            Err(error) => tracing::debug!(error = causes(&error), "jobs could not be counted"),
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(COUNT_EVERY) => {}
        }
    }
}

async fn take_jobs(files: Files, studio: Studio, settings: Settings, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let pause = match files.catalog().take_job(settings.lease).await {
            Ok(Some(job)) => {
                job::work(&files, &studio, &settings, &shutdown, job).await;
                continue;
            }
            Ok(None) => settings.poll,
            Err(error) => {
                tracing::warn!(error = causes(&error), "no job could be taken");
                AFTER_ERROR
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
            () = files.catalog().job_added() => {}
        }
    }
}
