//! What is measured: an address of a server, and what the server takes meanwhile.

use reqwest::header::{AUTHORIZATION, RANGE};
use reqwest::{Client, Method, RequestBuilder};

use super::figures::Figure;
use super::usage::Usage;
use crate::{Error, Result};

/// One of them, at one of its addresses.
#[derive(Debug, Clone)]
pub struct Subject {
    /// What the tables call it.
    pub name: &'static str,
    /// Scheme, host and port.
    pub origin: String,
    /// The path and the query.
    pub path: String,
    /// The header that lets one in.
    pub authorization: Option<String>,
    /// The process group whose memory and time are its own.
    pub group: u32,
    /// The S3 server's, whose time is counted as well.
    pub store: u32,
    /// What uploads to it.
    pub client: Client,
}

impl Subject {
    /// The same at another path.
    pub fn at(&self, path: &str) -> Self {
        Self {
            path: path.to_owned(),
            ..self.clone()
        }
    }

    /// A request to it.
    pub fn request(&self, method: Method) -> RequestBuilder {
        let request = self
            .client
            .request(method, format!("{}{}", self.origin, self.path));
        match &self.authorization {
            Some(authorization) => request.header(AUTHORIZATION, authorization),
            None => request,
        }
    }

    /// Runs a measurement, which says how much was done in how many seconds.
    ///
    /// # Errors
    /// It fails, or `/proc` can't be read.
    pub async fn measure(&self, work: impl AsyncFnOnce() -> Result<(f64, f64)>) -> Result<Figure> {
        let before = (Usage::reset(self.group)?, Usage::of(self.store)?);
        let (done, seconds) = work().await?;
        let after = (Usage::of(self.group)?, Usage::of(self.store)?);
        let each = |before: Usage, after: Usage| (after.seconds - before.seconds) * 1000.0 / done;
        Ok(Figure {
            rate: done / seconds,
            own: each(before.0, after.0),
            store: each(before.1, after.1),
            peak: after.0.peak,
        })
    }

    /// Fails unless it has the film's bytes, whole and in parts.
    ///
    /// # Errors
    /// It has others, or can't be reached.
    pub async fn check(&self, film: &[u8]) -> Result<()> {
        let whole = self.request(Method::GET).send().await?.bytes().await?;
        let (from, to) = (film.len() / 3, film.len() / 3 + 1000);
        let range = format!("bytes={from}-{}", to - 1);
        let part = self.request(Method::GET).header(RANGE, range);
        let part = part.send().await?.bytes().await?;
        match whole == film && part == film[from..to] {
            true => Ok(()),
            false => Err(Error::Unexpected(format!("{} has other bytes", self.name))),
        }
    }
}
