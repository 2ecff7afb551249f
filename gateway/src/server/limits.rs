//! How much, and how long.

use std::time::Duration;

/// What a connection may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most connections at once.
    pub max_connections: usize,
    /// How long the head of a request may take, from its first byte (of a new connection: from the
    /// beginning) to its last.
    pub head: Duration,
    /// How long a connection may rest between two requests. Longer than any proxy in front keeps
    /// its own idle ones, or requests get lost between the two.
    pub idle: Duration,
    /// How long a client may take nothing of an answer that is there for it.
    pub stall: Duration,
    /// How long connections are still accepted after the signal to stop, so that whoever sends
    /// them learns of it first.
    pub stop_delay: Duration,
    /// How long requests may go on after that.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            head: Duration::from_secs(30),
            idle: Duration::from_secs(120),
            stall: Duration::from_secs(60),
            stop_delay: Duration::ZERO,
            stop: Duration::from_secs(20),
        }
    }
}
