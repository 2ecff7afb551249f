//! Where to listen, and what else the process does.

use std::net::{Ipv4Addr, SocketAddr};

use super::reader::Reader;

/// The HTTP server's settings.
#[derive(Debug, Clone)]
pub struct Server {
    /// `FILEGATEWAY_LISTEN`: the socket address; `0.0.0.0:8080` by default.
    pub listen: SocketAddr,
    /// `FILEGATEWAY_WORKER_EMBEDDED`: whether the server works on videos too, as the one process on
    /// a SQLite file must; false by default.
    pub embedded_worker: bool,
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
        }
    }
}
