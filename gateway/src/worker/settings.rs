//! How the worker works.

use std::time::Duration;

use crate::files::Studio;

/// How many jobs, how patient, how often.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What videos are worked on with; without it only the janitor runs.
    pub studio: Option<Studio>,
    /// Jobs at once.
    pub concurrency: usize,
    /// How long to wait when there was no job.
    pub poll: Duration,
    /// How long a job stays ours without a sign of life; one is given every third of it.
    pub lease: Duration,
    /// After this many tries a job is given up.
    pub max_attempts: u32,
    /// How long to wait before the second try; doubled for each further one, ten minutes at most.
    pub backoff: Duration,
    /// How often the janitor is called.
    pub sweep_every: Duration,
    /// How old what it settles must be.
    pub sweep_age: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            studio: None,
            concurrency: 1,
            poll: Duration::from_secs(1),
            lease: Duration::from_secs(60),
            max_attempts: 5,
            backoff: Duration::from_secs(10),
            sweep_every: Duration::from_secs(3600),
            sweep_age: Duration::from_secs(24 * 3600),
        }
    }
}
