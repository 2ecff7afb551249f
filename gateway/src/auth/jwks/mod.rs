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

use super::{AuthError, KeysTrouble};
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

/// Whether a set is to be fetched again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    /// Not yet, or a fetch was tried a moment ago.
    Good,
    /// It is.
    Due,
}

impl Known {
    fn age(&self) -> Age {
        let is_fresh = self.fetched.is_some_and(|at| at.elapsed() < MAX_AGE);
        if !is_fresh && self.may_fetch() {
            Age::Due
        } else {
            Age::Good
        }
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
    /// A token without `kid` is matched only when exactly one key fits its algorithm. A known key of
    /// an old set is used while the set is fetched again: an issuer that is slow to answer must not
    /// hold up those whose key is known.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] when no key fits, [`AuthError::KeysUnavailable`] when there are none
    /// at all and they can't be fetched.
    pub async fn find(
        self: &Arc<Self>,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<DecodingKey, AuthError> {
        if let (Some(key), age) = self.look_up(kid, algorithm) {
            if age == Age::Due {
                let jwks = self.clone();
                tokio::spawn(async move { jwks.refresh(|_| false).await });
            }
            return Ok(key);
        }
        let is_known = |jwks: &Self| jwks.look_up(kid, algorithm).0.is_some();
        let failure = self.refresh(is_known).await.err();
        if let (Some(key), _) = self.look_up(kid, algorithm) {
            return Ok(key);
        }
        if self.has_set() {
            return Err(AuthError::Invalid(
                "the issuer has published no key that fits it",
            ));
        }
        Err(AuthError::KeysUnavailable {
            source: match failure {
                Some(failure) => Box::new(failure),
                None => "the last fetch failed a moment ago".into(),
            },
        })
    }

    /// Whether a set is known, and not older than twice [`MAX_AGE`]: one that is due is fetched again
    /// in the background, and an issuer that is down for a moment signs nobody out.
    ///
    /// # Errors
    /// [`KeysTrouble`] when it can't be fetched.
    pub async fn check(self: &Arc<Self>) -> Result<(), KeysTrouble> {
        if !self.has_set() {
            self.refresh(Self::has_set).await.ok();
            return match self.has_set() {
                true => Ok(()),
                false => Err(KeysTrouble::IssuerUnreachable),
            };
        }
        let (age, is_too_old) = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            let is_too_old = known.fetched.is_none_or(|at| at.elapsed() > 2 * MAX_AGE);
            (known.age(), is_too_old)
        };
        if age == Age::Due {
            let jwks = self.clone();
            tokio::spawn(async move { jwks.refresh(|_| false).await });
        }
        if is_too_old {
            return Err(KeysTrouble::IssuerSilent);
        }
        Ok(())
    }

    fn look_up(&self, kid: Option<&str>, algorithm: Algorithm) -> (Option<DecodingKey>, Age) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let key = known.set.as_ref().and_then(|set| set.find(kid, algorithm));
        (key, known.age())
    }

    fn has_set(&self) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.set.is_some()
    }

    /// Fetches the set, unless `is_settled` says that another task did so while this one waited for
    /// its turn, or a fetch was tried a moment ago.
    async fn refresh(&self, is_settled: impl Fn(&Self) -> bool) -> Result<(), FetchError> {
        let _alone = self.refreshing.lock().await;
        if is_settled(self) {
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_known_key_does_not_wait_for_a_slow_issuer() {
        // It takes connections and never answers.
        let issuer = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/keys", issuer.local_addr().unwrap());
        let jwks = Arc::new(Jwks::new(Location::Url(Url::parse(&url).unwrap())).unwrap());
        let key = json!({"kty": "EC", "crv": "P-256", "kid": "k",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
        let published: keys::Published = serde_json::from_value(json!({"keys": [key]})).unwrap();
        jwks.known.write().unwrap().set = Some(Arc::new(KeySet::from(published)));

        let started = Instant::now();
        for _ in 0..10 {
            assert!(jwks.find(Some("k"), Algorithm::ES256).await.is_ok());
        }
        assert!(started.elapsed() < Duration::from_secs(1));
        // The set was old, so it is asked for again, once.
        let asked = tokio::task::spawn_blocking(move || {
            issuer.accept().unwrap();
            issuer.set_nonblocking(true).unwrap();
            issuer.accept().is_err()
        });
        assert!(asked.await.unwrap());
    }
}
