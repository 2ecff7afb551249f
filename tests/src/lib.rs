//! What FileGateway is tried on: real servers for its tests and a real one-node Kubernetes cluster.
//!
//! ```text
//! tools     finds or builds every program needed, cached outside the checkout
//! servers   plain processes on loopback for `testbed exec`: PostgreSQL, S3 and IAM, MinIO, Kubernetes' API
//! journey   the main job: what a frontend does with a gateway, told step by step
//! images    container images from the Dockerfiles, without a registry
//! run       `make run` and `make test`: a cluster, the chart, two organizations, the main job on both
//! bench     `make bench`: the gateway beside others, measured
//! cluster   one real node: control plane, kubelet with containerd, network, DNS, storage
//! ```
//!
//! Nothing here is linked into the products.

pub mod bench;
pub mod cache;
pub mod cluster;
pub mod command;
pub mod error;
pub mod exec;
pub mod host;
pub mod images;
pub mod journey;
pub mod pki;
pub mod prepare;
pub mod process;
pub mod recorded;
pub mod run;
pub mod secret;
pub mod servers;
pub mod tools;

pub use error::{Error, Result};
