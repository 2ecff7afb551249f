//! What the operator writes, by name, as its requests say.

use std::fmt;

/// A write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub what: String,
    /// Which of several alike, from 1.
    pub occurrence: usize,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.what, self.occurrence)
    }
}

/// How a server is spoken to.
#[derive(Clone, Copy, Debug)]
pub enum Protocol {
    Kubernetes,
    S3,
    Iam,
    PostgreSql,
}

impl Protocol {
    /// The name of the write that begins with `bytes`, if one does.
    pub fn write(self, bytes: &[u8]) -> Option<String> {
        match self {
            Self::Kubernetes => {
                let (method, path, _) = request(bytes)?;
                // Leadership is no part of a reconcile, and nothing depends on an event.
                let aside = path.contains("/leases") || path.contains("/events");
                let name = path.split_once("/namespaces/")?.1.split_once('/')?.1;
                (!aside).then(|| format!("{method} {name}"))
            }
            Self::S3 => {
                let (method, _, query) = request(bytes)?;
                Some(format!("S3 {method} ?{query}"))
            }
            Self::Iam => {
                let text = String::from_utf8_lossy(bytes);
                let action = text.split_once("Action=")?.1.split('&').next()?;
                let reads = action.starts_with("Get") || action.starts_with("List");
                (!reads).then(|| format!("IAM {action}"))
            }
            // Reads are prepared statements; what changes something is a Query message:
            // https://www.postgresql.org/docs/current/protocol-message-formats.html
            Self::PostgreSql => {
                let text = bytes.strip_prefix(b"Q")?.get(4..)?;
                let text = String::from_utf8_lossy(text);
                let words: Vec<&str> = text.split([' ', '(']).take(2).collect();
                Some(format!("SQL {}", words.join(" ")))
            }
        }
    }
}

/// Method, path and query of an HTTP request that is not a read.
fn request(bytes: &[u8]) -> Option<(&str, &str, &str)> {
    let end = bytes.iter().position(|byte| *byte == b'\r')?;
    let line = std::str::from_utf8(&bytes[..end]).ok()?;
    let (method, rest) = line.split_once(' ')?;
    let target = rest.strip_suffix(" HTTP/1.1")?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let writes = ["PUT", "POST", "PATCH", "DELETE"].contains(&method);
    writes.then_some((method, path, query))
}

#[test]
fn writes_have_names() {
    let cases: [(Protocol, &[u8], Option<&str>); 8] = [
        (
            Protocol::Kubernetes,
            b"PATCH /api/v1/namespaces/acme/secrets/files-s3?force=true HTTP/1.1\r\n",
            Some("PATCH secrets/files-s3"),
        ),
        (
            Protocol::Kubernetes,
            b"GET /api/v1/namespaces/acme/secrets/files-s3 HTTP/1.1\r\n",
            None,
        ),
        (
            Protocol::S3,
            b"PUT /acme?tagging HTTP/1.1\r\n",
            Some("S3 PUT ?tagging"),
        ),
        (
            Protocol::Iam,
            b"POST / HTTP/1.1\r\n\r\nAction=CreateUser&Version=2010-05-08",
            Some("IAM CreateUser"),
        ),
        (Protocol::Iam, b"Action=GetUser&Version=2010-05-08", None),
        (
            Protocol::PostgreSql,
            b"Q\0\0\0\x20CREATE ROLE \"fgw_a\" LOGIN\0",
            Some("SQL CREATE ROLE"),
        ),
        (
            Protocol::PostgreSql,
            b"Q\0\0\0\x20SELECT pg_terminate_backend(pid)\0",
            Some("SQL SELECT pg_terminate_backend"),
        ),
        (
            Protocol::PostgreSql,
            b"P\0\0\0\x20sqlx_s_1\0SELECT 1\0",
            None,
        ),
    ];
    for (protocol, bytes, expected) in cases {
        assert_eq!(protocol.write(bytes).as_deref(), expected, "{bytes:?}");
    }
}
