//! One pass over one resource, counted however it ends.

use tokio::time::Instant;
use traces::Traced;

use super::{KindLabels, Metrics, ReconcileLabels};

/// How a pass over a resource ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is left to do.
    Settled,
    /// A step failed and has a condition that says so, or there is more to do.
    Unsettled,
    /// It ended early: the API server failed, or the operator stopped.
    Failed,
}

impl Outcome {
    fn label(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Unsettled => "unsettled",
            Self::Failed => "failed",
        }
    }
}

/// A pass that is under way; it is counted when it is dropped.
pub struct Pass {
    metrics: Metrics,
    kind: KindLabels,
    began: Instant,
    outcome: Outcome,
    traced: Traced,
}

impl Metrics {
    /// A pass over a resource of this kind begins. It has failed unless it is told otherwise.
    pub fn pass(&self, kind: &'static str, traced: Traced) -> Pass {
        let kind = KindLabels { kind };
        self.running.get_or_create(&kind).inc();
        Pass {
            metrics: self.clone(),
            kind,
            began: Instant::now(),
            outcome: Outcome::Failed,
            traced,
        }
    }
}

impl Pass {
    /// How it ended.
    pub fn ended(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.traced.came_to(self.outcome.label());
        if self.outcome == Outcome::Failed {
            self.traced.failed(self.outcome.label());
        }
        let metrics = &self.metrics;
        let seconds = self.began.elapsed().as_secs_f64();
        let labels = ReconcileLabels {
            kind: self.kind.kind,
            result: self.outcome.label(),
        };
        metrics.running.get_or_create(&self.kind).dec();
        metrics.reconciles.get_or_create(&labels).inc();
        metrics
            .reconcile_seconds
            .get_or_create(&self.kind)
            .observe(seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_counts_however_it_ends() {
        let metrics = Metrics::default();
        let pass = metrics.pass("FileGateway", Traced::none());
        let running = r#"reconciles_running{kind="FileGateway"}"#;
        assert!(metrics.text().contains(&format!("{running} 1")));
        pass.ended(Outcome::Settled);
        drop(metrics.pass("FileGateway", Traced::none()));
        metrics.step_failed("BucketReady", "AccessDenied");
        let text = metrics.text();
        for line in [
            r#"reconciles_total{kind="FileGateway",result="settled"} 1"#,
            r#"reconciles_total{kind="FileGateway",result="failed"} 1"#,
            r#"reconcile_duration_seconds_count{kind="FileGateway"} 2"#,
            r#"step_failures_total{step="BucketReady",reason="AccessDenied"} 1"#,
            r#"reconciles_running{kind="FileGateway"} 0"#,
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
