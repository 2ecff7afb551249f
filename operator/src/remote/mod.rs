//! The outside world: an S3 server, an IAM server and a PostgreSQL server, each behind a client
//! with just the calls that the operator needs. They know nothing of Kubernetes.

mod aws;
mod error;
pub mod iam;
mod metered;
pub mod policy;
pub mod postgres;
pub mod s3;
pub mod scram;
mod sqlstate;

pub use aws::AccessKey;
pub use error::{Kind, RemoteError, System};
