//! What a pass found, gathered from its steps.

use crds::conditions::{Finding, WORKLOAD_AVAILABLE, reason};
use crds::{FileGatewayStatus, RotationStatuses};
use k8s_openapi::jiff::Timestamp;

use super::build::Restarts;
use super::error::Error;
use super::steps::StepError;
use super::steps::rotation::Rotated;
use super::workload::Workload;

/// What the steps found.
#[derive(Default)]
pub struct Outcome {
    /// One for each step that said something.
    pub findings: Vec<Finding>,
    /// Whether something has to be tried again.
    pub failed: bool,
    /// Whether that is something that pods need: neither how the bucket is set up, nor the way in.
    pub pods_wait: bool,
    /// Which, and why.
    pub failures: Vec<(&'static str, &'static str)>,
    /// How the rotations are.
    pub rotated: AllRotated,
    /// What pods are restarted for, where it is known.
    pub restarts: Option<Restarts>,
    /// Whether something turned out to be somebody else's.
    pub conflict: bool,
}

/// What steps found out about their keys and passwords; a step that failed says nothing.
#[derive(Default)]
pub struct AllRotated {
    /// Of file tokens.
    pub signing_key: Option<Rotated>,
    /// Of the bucket.
    pub access_key: Option<Rotated>,
    /// Of the database.
    pub database_password: Option<Rotated>,
}

impl AllRotated {
    /// Says so in `status`.
    pub fn note(&self, status: &mut FileGatewayStatus) {
        let mut all = status.rotations.take().unwrap_or_default();
        let said = |found: &Option<Rotated>| found.as_ref().map(|found| found.status.clone());
        all.signing_key = said(&self.signing_key).or(all.signing_key);
        all.access_key = said(&self.access_key).or(all.access_key);
        all.database_password = said(&self.database_password).or(all.database_password);
        status.rotations = (all != RotationStatuses::default()).then_some(all);
    }

    /// When there is something to do next.
    pub fn look_at(&self) -> Option<Timestamp> {
        [&self.signing_key, &self.access_key, &self.database_password]
            .into_iter()
            .flatten()
            .filter_map(|found| found.look_at)
            .min()
    }
}

impl Outcome {
    /// Notes how a step went; answers its value when it went well.
    ///
    /// # Errors
    /// When the status can't be written.
    pub fn note<T>(
        &mut self,
        condition: &'static str,
        result: Result<(Finding, T), StepError>,
    ) -> Result<Option<T>, Error> {
        match result {
            Ok((finding, value)) => {
                self.findings.push(finding);
                Ok(Some(value))
            }
            // Nobody may go on without the status.
            Err(StepError::Status(error)) => Err(error),
            Err(error) => {
                self.failed = true;
                self.failures.push((condition, error.reason()));
                self.conflict |= error.is_conflict();
                self.findings.push(error.finding(condition));
                Ok(None)
            }
        }
    }

    /// Notes how the pods do; there may be none yet.
    ///
    /// # Errors
    /// When the status can't be written.
    pub fn note_workload(
        &mut self,
        result: Result<Option<Workload>, StepError>,
    ) -> Result<Option<Workload>, Error> {
        let result = result.map(|workload| match workload {
            Some(workload) => (workload.finding.clone(), Some(workload)),
            None => {
                let message = "pods are started when all conditions before this one are true";
                let finding = Finding::unknown(WORKLOAD_AVAILABLE, reason::WAITING, message);
                (finding, None)
            }
        });
        Ok(self.note(WORKLOAD_AVAILABLE, result)?.flatten())
    }
}
