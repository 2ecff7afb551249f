//! How a key set is fetched: bounded in time and size, and only from where the issuer says.

use std::time::Duration;

use reqwest::{Client, Response, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::Location;
use super::keys::{KeySet, Published};

/// The longest that one request may take, from connecting to the last byte.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The largest document that is read, in bytes.
const MAX_BYTES: usize = 512 * 1024;

/// A key set that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The HTTP client could not be set up.
    #[error("failed to set up an HTTP client")]
    Client(#[source] reqwest::Error),
    /// The request failed or was answered with an error.
    #[error("failed to get {url}")]
    Request {
        /// What was asked for.
        url: Url,
        /// Why it failed.
        #[source]
        source: reqwest::Error,
    },
    /// The document is too large to be a key set.
    #[error("{url} is larger than {MAX_BYTES} bytes")]
    TooLarge {
        /// What was asked for.
        url: Url,
    },
    /// The document is not what it should be.
    #[error("{url} is no {expected}")]
    Malformed {
        /// What was asked for.
        url: Url,
        /// What was expected there.
        expected: &'static str,
    },
    /// The issuer's name makes no address.
    #[error("the issuer {issuer:?} is no http or https address, so its keys can't be discovered")]
    Issuer {
        /// The issuer as configured.
        issuer: String,
    },
    /// The discovery document speaks for somebody else.
    #[error("the discovery document is of issuer {found:?}, not of {expected:?}")]
    OtherIssuer {
        /// The issuer as configured.
        expected: String,
        /// The issuer in the document.
        found: String,
    },
    /// An issuer reached by https sends the gateway to plain http.
    #[error("the discovery document names {url}, which is less safe than the issuer itself")]
    Downgrade {
        /// The address in the document.
        url: Url,
    },
    /// There is nothing in the set that a signature could be checked with.
    #[error("{url} has no usable key")]
    Empty {
        /// What was asked for.
        url: Url,
    },
}

/// Fetches the set of one location.
pub(super) struct Fetcher {
    client: Client,
    location: Location,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Fetcher {
    pub(super) fn new(location: Location) -> Result<Self, FetchError> {
        let client = Client::builder()
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("filegateway/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(FetchError::Client)?;
        Ok(Self { client, location })
    }

    pub(super) async fn fetch(&self) -> Result<KeySet, FetchError> {
        let url = match &self.location {
            Location::Url(url) => url.clone(),
            Location::Discovered { issuer } => self.discover(issuer).await?,
        };
        let published: Published = self.get(&url, "JSON Web Key Set").await?;
        let set = KeySet::from(published);
        if set.len() == 0 {
            return Err(FetchError::Empty { url });
        }
        Ok(set)
    }

    async fn discover(&self, issuer: &str) -> Result<Url, FetchError> {
        let address = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let url = Url::parse(&address)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or_else(|| FetchError::Issuer {
                issuer: issuer.to_owned(),
            })?;
        let found: Discovery = self.get(&url, "OpenID discovery document").await?;
        if found.issuer != issuer {
            return Err(FetchError::OtherIssuer {
                expected: issuer.to_owned(),
                found: found.issuer,
            });
        }
        let keys = Url::parse(&found.jwks_uri).map_err(|_| FetchError::Malformed {
            url: url.clone(),
            expected: "OpenID discovery document",
        })?;
        if url.scheme() == "https" && keys.scheme() != "https" {
            return Err(FetchError::Downgrade { url: keys });
        }
        Ok(keys)
    }

    async fn get<T: DeserializeOwned>(
        &self,
        url: &Url,
        expected: &'static str,
    ) -> Result<T, FetchError> {
        let failed = |source| FetchError::Request {
            url: url.clone(),
            source,
        };
        let response = self.client.get(url.clone()).send().await.map_err(failed)?;
        let mut response = response.error_for_status().map_err(failed)?;
        let body = read_bounded(&mut response, url).await?;
        serde_json::from_slice(&body).map_err(|_| FetchError::Malformed {
            url: url.clone(),
            expected,
        })
    }
}

async fn read_bounded(response: &mut Response, url: &Url) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|source| FetchError::Request {
            url: url.clone(),
            source,
        })?
    {
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(FetchError::TooLarge { url: url.clone() });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
