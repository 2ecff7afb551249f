//! How a gateway pod ends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a gateway pod ends: it says that it is not ready, goes on accepting connections for a while,
/// lets requests end, and is gone.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShutdownSpec {
    /// How long connections are still accepted, in seconds, until every node and load balancer has
    /// learned that the pod goes. Default: 5.
    #[serde(default = "default_delay")]
    #[schemars(range(min = 0, max = 300))]
    pub delay_seconds: i32,

    /// How long requests may go on after that, in seconds; what is still at work then is cut off.
    /// Longer streams survive a rollout with more. Default: 30.
    #[serde(default = "default_drain")]
    #[schemars(range(min = 0, max = 3600))]
    pub drain_seconds: i32,
}

impl Default for ShutdownSpec {
    fn default() -> Self {
        Self {
            delay_seconds: default_delay(),
            drain_seconds: default_drain(),
        }
    }
}

fn default_delay() -> i32 {
    5
}

fn default_drain() -> i32 {
    30
}
