//! What can go wrong with a server outside the cluster.

use std::fmt;

use thiserror::Error;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// The object store.
    S3,
    /// The IAM server.
    Iam,
    /// The database server.
    PostgreSql,
}

impl fmt::Display for System {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::S3 => "the S3 server",
            Self::Iam => "the IAM server",
            Self::PostgreSql => "the PostgreSQL server",
        })
    }
}

/// What a failure means for the person who has to mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Not reached, or it answered that it can't serve.
    Unreachable,
    /// It refused the operator's own credentials.
    Denied,
    /// It answered with some other error.
    Other,
}

/// A call that failed. Its text holds no credential and no raw answer: only what was tried, where,
/// and the server's short code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", self.sentence())]
pub struct RemoteError {
    /// Which server.
    pub system: System,
    /// Where it is: a URL, or host and port.
    pub endpoint: String,
    /// What was tried, as in "create the bucket".
    pub action: &'static str,
    /// What it means.
    pub kind: Kind,
    /// The server's code (`NoSuchBucket`, `28P01`), or the cause of a failed connection.
    pub code: String,
}

impl RemoteError {
    fn sentence(&self) -> String {
        let Self {
            system,
            endpoint,
            action,
            code,
            ..
        } = self;
        match self.kind {
            Kind::Unreachable => format!(
                "{system} at {endpoint} can't be reached to {action} ({code}); it is tried again \
                 until it answers: check that it runs and that the FileGatewayClass names its address"
            ),
            Kind::Denied => format!(
                "{system} at {endpoint} refused the operator's credentials when asked to {action} \
                 ({code}): check the Secret that the FileGatewayClass names and what it permits"
            ),
            Kind::Other => {
                format!("{system} at {endpoint} could not {action} ({code}); it is tried again")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_says_where_what_and_what_to_do() {
        let error = RemoteError {
            system: System::S3,
            endpoint: "http://s3:7070".into(),
            action: "create the bucket",
            kind: Kind::Unreachable,
            code: "Connection refused".into(),
        };
        assert_eq!(
            error.to_string(),
            "the S3 server at http://s3:7070 can't be reached to create the bucket (Connection \
             refused); it is tried again until it answers: check that it runs and that the \
             FileGatewayClass names its address"
        );
    }
}
