//! What a connection and a caller may cost, in each gateway pod.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a connection and a caller may cost, in each gateway pod.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerSpec {
    /// Connections at once; further ones wait. Default: 10000.
    #[serde(default = "default_max_connections")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_connections: i32,

    /// Requests of one caller in a minute, in one pod; one more is answered 429 with `Retry-After`.
    /// 0 is no limit. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub requests_per_minute: i32,

    /// How long the head of a request may take to arrive, in seconds. Default: 30.
    #[serde(default = "default_header_seconds")]
    #[schemars(range(min = 1, max = 3600))]
    pub header_seconds: i32,

    /// How long a connection may rest between requests, in seconds; longer than the proxy in front
    /// lets its own rest. Default: 120.
    #[serde(default = "default_idle_seconds")]
    #[schemars(range(min = 1, max = 3600))]
    pub idle_seconds: i32,

    /// The fewest bytes of a body that have to come within `bodySeconds`, or the answer is 408.
    /// Default: 1024.
    #[serde(default = "default_body_min_bytes")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub body_min_bytes: i32,

    /// See `bodyMinBytes`, in seconds. Default: 30.
    #[serde(default = "default_body_seconds")]
    #[schemars(range(min = 1, max = 3600))]
    pub body_seconds: i32,

    /// How long a client may take nothing of its answer, in seconds. Default: 60.
    #[serde(default = "default_stall_seconds")]
    #[schemars(range(min = 1, max = 3600))]
    pub stall_seconds: i32,

    /// How far a pod's clock may be off the object store's before it counts as not ready, in
    /// seconds. Default: 60.
    #[serde(default = "default_max_clock_skew_seconds")]
    #[schemars(range(min = 1, max = 900))]
    pub max_clock_skew_seconds: i32,

    /// What pods log: a tracing filter. Default: `info`. Example: `gateway=debug,info`.
    #[serde(default = "default_log")]
    #[schemars(length(min = 1, max = 1024))]
    pub log: String,
}

impl Default for ServerSpec {
    fn default() -> Self {
        Self {
            max_connections: default_max_connections(),
            requests_per_minute: 0,
            header_seconds: default_header_seconds(),
            idle_seconds: default_idle_seconds(),
            body_min_bytes: default_body_min_bytes(),
            body_seconds: default_body_seconds(),
            stall_seconds: default_stall_seconds(),
            max_clock_skew_seconds: default_max_clock_skew_seconds(),
            log: default_log(),
        }
    }
}

fn default_max_connections() -> i32 {
    10_000
}

fn default_header_seconds() -> i32 {
    30
}

fn default_idle_seconds() -> i32 {
    120
}

fn default_body_min_bytes() -> i32 {
    1024
}

fn default_body_seconds() -> i32 {
    30
}

fn default_stall_seconds() -> i32 {
    60
}

fn default_max_clock_skew_seconds() -> i32 {
    60
}

fn default_log() -> String {
    "info".into()
}
