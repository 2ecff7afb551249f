//! Whether requests can be served, asked by many and found out once.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::state::State;

/// How long an answer is good. Whoever can reach the probe must not be able to make the gateway ask
/// the object store as often as he likes.
const FRESH: Duration = Duration::from_secs(1);

/// The dependencies, each with `ok` or a sentence that says what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) is_ready: bool,
    dependencies: Vec<(&'static str, String)>,
}

impl Report {
    fn of(dependencies: [(&'static str, Result<(), String>); 5]) -> Self {
        let is_ready = dependencies.iter().all(|(_, state)| state.is_ok());
        let dependencies = dependencies
            .map(|(name, state)| (name, state.err().unwrap_or_else(|| "ok".to_owned())));
        Self {
            is_ready,
            dependencies: dependencies.into(),
        }
    }

    /// `{"status": "ready", "database": "ok", …}`.
    pub(super) fn body(&self) -> Value {
        let status = if self.is_ready {
            "ready"
        } else {
            "unavailable"
        };
        let status = ("status".to_owned(), Value::from(status));
        let dependencies = self.dependencies.iter();
        let dependencies =
            dependencies.map(|(name, state)| ((*name).to_owned(), Value::from(state.as_str())));
        Value::Object(
            std::iter::once(status)
                .chain(dependencies)
                .collect::<Map<_, _>>(),
        )
    }
}

/// The last report; shared by all clones.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<Option<(Instant, Report)>>>);

impl Readiness {
    /// A report that is fresh. Only one task asks; the others wait for its answer.
    pub(super) async fn report(&self, state: &State) -> Report {
        let mut last = self.0.lock().await;
        if let Some((at, report)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return report.clone();
        }
        let report = ask(state).await;
        let was_ready = last.as_ref().is_none_or(|(_, report)| report.is_ready);
        if was_ready && !report.is_ready {
            warn!(dependencies = %report.body(), "not ready");
        } else if !was_ready && report.is_ready {
            info!("ready again");
        }
        *last = Some((Instant::now(), report.clone()));
        report
    }
}

async fn ask(state: &State) -> Report {
    let (files, signing, issuer) = tokio::join!(
        state.files.readiness(state.max_clock_skew),
        words(state.tokens.check_keys()),
        words(state.verifier.check_keys()),
    );
    Report::of([
        ("database", files.database),
        ("bucket", files.bucket),
        ("clock", files.clock),
        ("signing_keys", signing),
        ("issuer_keys", issuer),
    ])
}

async fn words<E: ToString>(check: impl Future<Output = Result<(), E>>) -> Result<(), String> {
    check.await.map_err(|error| error.to_string())
}
