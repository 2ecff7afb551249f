//! The issuer's published keys: fetched when first needed, kept, and fetched again when a token
//! names a key that is not among them.
//!
//! A flood of tokens with invented key ids costs the issuer one request per [`COOL_DOWN`]: only one
//! task fetches at a time, the others wait for its answer and then look again. A failed fetch
//! leaves the keys that are known in use: an issuer that is down must not sign everybody out.

mod fetch;
mod keys;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::Mutex;
use tracing::{info, warn};
use url::Url;

use super::AuthError;
use crate::causes::causes;
pub use fetch::FetchError;
use fetch::Fetcher;
use keys::KeySet;

/// How long a set is used before it is fetched again, so that a withdrawn key ends.
const MAX_AGE: Duration = Duration::from_secs(15 * 60);

/// The least time between two fetches while a set is known.
const COOL_DOWN: Duration = Duration::from_secs(10);

/// The least time between two fetches while none is: a gateway that starts beside its issuer
/// should not refuse callers for long.
const FIRST_COOL_DOWN: Duration = Duration::from_secs(1);

/// Where a JSON Web Key Set is published.
#[derive(Debug, Clone)]
pub enum Location {
    /// At this address.
    Url(Url),
    /// Where the issuer's discovery document says (OpenID Connect Discovery 1.0, section 4).
    Discovered {
        /// The issuer, compared with the document's own `issuer`.
        issuer: String,
    },
}

/// A cached JSON Web Key Set.
pub struct Jwks {
    fetcher: Fetcher,
    known: RwLock<Known>,
    refreshing: Mutex<()>,
}

#[derive(Default)]
struct Known {
    set: Option<Arc<KeySet>>,
    fetched: Option<Instant>,
    attempted: Option<Instant>,
}

impl Known {
    fn is_fresh(&self) -> bool {
        self.fetched.is_some_and(|at| at.elapsed() < MAX_AGE)
    }

    fn may_fetch(&self) -> bool {
        let cool_down = if self.set.is_some() {
            COOL_DOWN
        } else {
            FIRST_COOL_DOWN
        };
        self.attempted.is_none_or(|at| at.elapsed() >= cool_down)
    }
}

impl Jwks {
    /// A set published at `location`; nothing is fetched yet.
    ///
    /// # Errors
    /// [`FetchError::Client`] when no HTTP client can be made (no root certificates, for one).
    pub fn new(location: Location) -> Result<Self, FetchError> {
        Ok(Self {
            fetcher: Fetcher::new(location)?,
            known: RwLock::default(),
            refreshing: Mutex::default(),
        })
    }

    /// The key that a token with these headers must be checked with.
    ///
    /// A token without `kid` is matched only when exactly one key fits its algorithm.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] when no key fits, [`AuthError::KeysUnavailable`] when there are none
    /// at all and they can't be fetched.
    pub async fn find(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<DecodingKey, AuthError> {
        let (key, fresh) = self.look_up(kid, algorithm);
        if let (Some(key), true) = (&key, fresh) {
            return Ok(key.clone());
        }
        let failure = self.refresh(kid, algorithm).await.err();
        if let (Some(key), _) = self.look_up(kid, algorithm) {
            return Ok(key);
        }
        match failure {
            Some(source) if !self.has_set() => Err(AuthError::KeysUnavailable {
                source: Box::new(source),
            }),
            _ if !self.has_set() => Err(AuthError::KeysUnavailable {
                source: "the last fetch failed a moment ago".into(),
            }),
            _ => Err(AuthError::Invalid(
                "the issuer has published no key that fits it",
            )),
        }
    }

    fn look_up(&self, kid: Option<&str>, algorithm: Algorithm) -> (Option<DecodingKey>, bool) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let key = known.set.as_ref().and_then(|set| set.find(kid, algorithm));
        (key, known.is_fresh())
    }

    fn has_set(&self) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.set.is_some()
    }

    async fn refresh(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<(), FetchError> {
        let _alone = self.refreshing.lock().await;
        // Another task may have fetched while this one waited.
        if let (Some(_), true) = self.look_up(kid, algorithm) {
            return Ok(());
        }
        {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            if !known.may_fetch() {
                return Ok(());
            }
            known.attempted = Some(Instant::now());
        }
        match self.fetcher.fetch().await {
            Ok(set) => {
                info!(keys = set.len(), "fetched the issuer's keys");
                let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                known.set = Some(Arc::new(set));
                known.fetched = Some(Instant::now());
                Ok(())
            }
            Err(error) => {
                warn!(
                    error = causes(&error),
                    "the issuer's keys could not be fetched"
                );
                Err(error)
            }
        }
    }
}
