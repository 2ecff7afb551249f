//! What every operation may use.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use poem::Request;
use tokio_util::sync::CancellationToken;

use super::cors::Origins;
use super::deprecation::LocationStream;
use super::pace::Pace;
use super::problem::Problem;
use super::rate_limit::RateLimit;
use super::readiness::Readiness;
use crate::auth::{FileTokens, Playback, Verifier};
use crate::files::Files;
use crate::telemetry::Metrics;

/// How the bytes of a file reach the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Through the gateway.
    Proxy,
    /// By a redirect to a presigned URL of the object store.
    Redirect,
}

/// The layers below, and the few rules that are HTTP's own.
#[derive(Clone)]
pub struct State {
    /// The service layer.
    pub files: Files,
    /// Recognizes callers.
    pub verifier: Arc<Verifier>,
    /// Mints and checks file tokens.
    pub tokens: Arc<FileTokens>,
    /// Lets playback go on after a file token's end.
    pub playback: Arc<Playback>,
    /// How bytes are handed out.
    pub delivery: Delivery,
    /// The longest upload body that can be within the limits, in bytes.
    pub max_upload_bytes: u64,
    /// The slowest that a body may come.
    pub pace: Pace,
    /// What the last probe found.
    pub readiness: Readiness,
    /// How far the clock may be off the object store's.
    pub max_clock_skew: Duration,
    /// Cancelled when the process is told to stop: it is not ready from then on.
    pub stopping: CancellationToken,
    /// How much of an upload's body may be boundaries and headers, in bytes.
    pub form_overhead_bytes: u64,
    /// How many requests a caller may make.
    pub rate: Arc<RateLimit>,
    /// Whose web pages may read the answers.
    pub origins: Origins,
    /// What is left of streaming by location.
    pub location_stream: LocationStream,
}

impl State {
    /// What this process counts in.
    pub fn metrics(&self) -> &Metrics {
        self.files.metrics()
    }

    /// The state of the application that answers `request`.
    ///
    /// # Errors
    /// 500 when the application was put together without one.
    pub fn of(request: &Request) -> Result<&Self, Problem> {
        request.data::<Self>().ok_or_else(|| {
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal_error",
                "The gateway is set up wrongly",
            )
        })
    }
}
