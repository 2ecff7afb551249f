//! Where to listen, and what else the process does.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::reader::Reader;
use crate::server::Limits;

/// The HTTP server's settings.
#[derive(Debug, Clone)]
pub struct Server {
    /// `FILEGATEWAY_LISTEN`: the socket address; `0.0.0.0:8080` by default.
    pub listen: SocketAddr,
    /// `FILEGATEWAY_WORKER_EMBEDDED`: whether the server works on videos too, as the one process on
    /// a SQLite file must; false by default.
    pub embedded_worker: bool,
    /// `FILEGATEWAY_SERVER_…`: what a connection may cost, and how the server stops.
    pub limits: Limits,
    /// `FILEGATEWAY_SERVER_BODY_MIN_BYTES`: the fewest bytes of a body that have to come within
    /// [`Self::body_patience`]; 1 KiB by default.
    pub body_min_bytes: u64,
    /// `FILEGATEWAY_SERVER_BODY_SECONDS`: see above; 30 seconds by default.
    pub body_patience: Duration,
    /// `FILEGATEWAY_REQUESTS_PER_MINUTE`: the most requests of one caller in a minute, in this
    /// process; 0, no limit, by default.
    pub requests_per_minute: u32,
    /// `FILEGATEWAY_READINESS_MAX_CLOCK_SKEW_SECONDS`: how far the clock may be off the object
    /// store's before the gateway counts as not ready; 60 seconds by default.
    pub max_clock_skew: Duration,
}

impl Server {
    pub(super) fn from(reader: &mut Reader<'_>) -> Self {
        Self {
            listen: reader.parsed(
                "FILEGATEWAY_LISTEN",
                SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
                "a socket address like 0.0.0.0:8080",
            ),
            embedded_worker: reader.parsed("FILEGATEWAY_WORKER_EMBEDDED", false, "true or false"),
            limits: limits(reader),
            body_min_bytes: reader.number("FILEGATEWAY_SERVER_BODY_MIN_BYTES", 1024, 1..=1 << 20),
            body_patience: reader.seconds("FILEGATEWAY_SERVER_BODY_SECONDS", 30, 1..=3600),
            requests_per_minute: u32::try_from(reader.number(
                "FILEGATEWAY_REQUESTS_PER_MINUTE",
                0,
                0..=1_000_000,
            ))
            .unwrap_or(u32::MAX),
            // S3 refuses signatures that are off by more than 15 minutes.
            max_clock_skew: reader.seconds(
                "FILEGATEWAY_READINESS_MAX_CLOCK_SKEW_SECONDS",
                60,
                1..=900,
            ),
        }
    }
}

fn limits(reader: &mut Reader<'_>) -> Limits {
    let connections = reader.number("FILEGATEWAY_SERVER_MAX_CONNECTIONS", 10_000, 1..=1_000_000);
    Limits {
        max_connections: usize::try_from(connections).unwrap_or(usize::MAX),
        head: reader.seconds("FILEGATEWAY_SERVER_HEADER_SECONDS", 30, 1..=3600),
        idle: reader.seconds("FILEGATEWAY_SERVER_IDLE_SECONDS", 120, 1..=3600),
        stall: reader.seconds("FILEGATEWAY_SERVER_STALL_SECONDS", 60, 1..=3600),
        stop_delay: reader.seconds("FILEGATEWAY_SERVER_STOP_DELAY_SECONDS", 0, 0..=3600),
        stop: reader.seconds("FILEGATEWAY_SERVER_STOP_SECONDS", 20, 0..=86_400),
    }
}

pub(super) fn metrics(reader: &mut Reader<'_>) -> Option<SocketAddr> {
    const METRICS_LISTEN: &str = "FILEGATEWAY_METRICS_LISTEN";
    if reader.optional(METRICS_LISTEN).as_deref() == Some("Off") {
        return None;
    }
    Some(reader.parsed(
        METRICS_LISTEN,
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, 9090)),
        "a socket address like 0.0.0.0:9090, or Off",
    ))
}
