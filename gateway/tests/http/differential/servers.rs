//! The three servers: where the file is, and what one answered, in words that can be compared.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

use reqwest::{Client, Method};

use super::cases::Case;
use crate::support::{Answer, sha256};
use crate::worlds::variable;

/// The folder that both oracles serve; this test's part of it is removed at the end.
pub(super) struct Folder {
    path: PathBuf,
    name: String,
}

impl Folder {
    pub(super) fn of_a_test(name: &str) -> Self {
        let path = PathBuf::from(variable("FGW_TEST_ORACLES_FOLDER")).join(name);
        std::fs::create_dir(&path).unwrap();
        Self {
            path,
            name: name.to_owned(),
        }
    }

    /// Adds a file, called by its SHA-256 as the gateway's entity tag is, and as old as the gateway
    /// says. Returns its path at the oracles.
    pub(super) fn add(&self, bytes: &[u8], modified: SystemTime) -> String {
        let digest = sha256(bytes);
        let path = self.path.join(&digest);
        std::fs::write(&path, bytes).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(modified).unwrap();
        format!("/{}/{digest}", self.name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.path).ok();
    }
}

pub(super) fn go(path: &str) -> String {
    format!("{}{path}", variable("FGW_TEST_ORACLES_GO"))
}

pub(super) fn nginx(path: &str) -> String {
    format!("{}{path}", variable("FGW_TEST_ORACLES_NGINX"))
}

/// One file on one server.
pub(super) struct Target {
    http: Client,
    url: String,
    bearer: Option<String>,
    etag: String,
    pub(super) modified: SystemTime,
}

impl Target {
    /// Finds out which validators the server has for the file.
    pub(super) async fn probe(url: &str, bearer: Option<String>) -> Self {
        let http = Client::builder().no_proxy();
        // nginx closes a resting connection without waiting for a request that is on its way.
        let http = match bearer {
            Some(_) => http,
            None => http.pool_max_idle_per_host(0),
        };
        let http = http.build().unwrap();
        let mut request = http.head(url);
        if let Some(bearer) = &bearer {
            request = request.bearer_auth(bearer);
        }
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, 200, "{url}");
        let etag = answer.header("etag").unwrap().to_owned();
        let modified = answer.header("last-modified").unwrap();
        let modified = httpdate::parse_http_date(modified).unwrap();
        Self {
            http,
            url: url.to_owned(),
            bearer,
            etag,
            modified,
        }
    }

    pub(super) async fn ask(&self, case: &Case) -> Outcome {
        let mut request = self.http.request(case.method.clone(), &self.url);
        if let Some(bearer) = &self.bearer {
            request = request.bearer_auth(bearer);
        }
        for (name, value) in case.headers(&self.etag, self.modified) {
            request = request.header(name, value);
        }
        Outcome::of(&Answer::to(request).await, &self.etag)
    }
}

/// What an answer says, as far as the servers have to say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<&'static str, String>,
    pub(super) length: usize,
    digest: String,
}

impl Outcome {
    fn of(answer: &Answer, etag: &str) -> Self {
        let status = answer.status.as_u16();
        let compared: &[&str] = match status {
            200 => &[
                "accept-ranges",
                "content-length",
                "content-range",
                "content-type",
                "etag",
                "last-modified",
            ],
            // nginx says that it accepts ranges only where it sends none.
            206 => &[
                "content-length",
                "content-range",
                "content-type",
                "etag",
                "last-modified",
            ],
            304 => &[
                "content-length",
                "content-range",
                "content-type",
                "etag",
                "last-modified",
            ],
            416 => &["content-range"],
            _ => &[],
        };
        let headers = compared.iter().filter_map(|name| {
            let value = answer.header(name)?;
            let value = if value == etag { "current" } else { value };
            Some((*name, value.to_owned()))
        });
        // What a failure says in its body is each server's own affair.
        let body = if status < 300 { &answer.body[..] } else { &[] };
        Self {
            status,
            headers: headers.collect(),
            length: body.len(),
            digest: sha256(body),
        }
    }

    /// The same outcome without one header.
    pub(super) fn without(&self, header: &str) -> Self {
        let mut outcome = self.clone();
        outcome.headers.remove(header);
        outcome
    }

    /// Whether the body is the file's bytes that the headers promise.
    pub(super) fn agrees_with_itself(&self, case: &Case, bytes: &[u8]) -> Result<(), String> {
        let told = match self.status {
            200 => bytes,
            206 => {
                let range = self
                    .headers
                    .get("content-range")
                    .ok_or("no Content-Range")?;
                let range = range.strip_prefix("bytes ").ok_or("not in bytes")?;
                let (range, size) = range.split_once('/').ok_or("no size")?;
                let (start, end) = range.split_once('-').ok_or("no range")?;
                if size != bytes.len().to_string() {
                    return Err(format!("{size} is not the file's size"));
                }
                let start: usize = start.parse().map_err(|_| "no start")?;
                let end: usize = end.parse().map_err(|_| "no end")?;
                bytes.get(start..=end).ok_or("beyond the file")?
            }
            _ => return Ok(()),
        };
        if self.headers.get("content-length") != Some(&told.len().to_string()) {
            return Err(format!("Content-Length should be {}", told.len()));
        }
        let sent = if case.method == Method::HEAD {
            &[]
        } else {
            told
        };
        if self.length != sent.len() || self.digest != sha256(sent) {
            return Err(format!("the body is not the {} bytes promised", sent.len()));
        }
        Ok(())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} bytes", self.status, self.length)?;
        for (name, value) in &self.headers {
            write!(f, "; {name}: {value}")?;
        }
        Ok(())
    }
}
