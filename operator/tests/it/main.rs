//! The operator against a real API server, a real S3 server with its IAM server, and a real
//! PostgreSQL. Only the kubelet is missing: a test says in its place that pods became available.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod adoption;
mod backends;
mod bed;
mod bucket;
mod cel;
mod chart;
mod children;
mod crashes;
mod credentials;
mod deletion;
mod events;
mod exposure;
mod given;
mod golden;
mod leadership;
mod life;
mod metrics;
mod monitoring;
mod moved;
mod names;
mod namespaces;
mod network;
mod optional;
mod outages;
mod overlap;
mod plugin;
mod pods;
mod provisioning;
mod proxy;
mod readiness;
// The rest of it is for the gateway's tests.
#[allow(dead_code)]
#[path = "../../../traces/receiver/mod.rs"]
mod receiver;
mod recovery;
mod refusals;
mod rotation;
mod safety;
mod scaling;
mod settings;
mod settled;
mod traces;
mod video;
