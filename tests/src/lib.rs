//! The local cluster, the servers that tests run against, and the main job.

pub mod journey;
