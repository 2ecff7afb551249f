//! Calls to what is outside of the cluster.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;

use super::Families;

/// Which calls to a server outside of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RemoteLabels {
    /// `s3`, `iam` or `sql`.
    pub system: &'static str,
    /// The operation's name in the server's API, or for SQL what the statement does.
    pub operation: String,
    /// `ok` or `failed`; what is not there is a failure to S3 and IAM, too.
    pub result: &'static str,
}

impl Families {
    /// Notes that a call ended.
    pub fn called(&self, system: &'static str, operation: &str, ok: bool, took: Duration) {
        let labels = RemoteLabels {
            system,
            operation: operation.into(),
            result: if ok { "ok" } else { "failed" },
        };
        self.remote
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
    }
}
