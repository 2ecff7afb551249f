//! The issuer's published keys: fetched when first needed, kept, and fetched again when a token
//! names a key that is not among them.
//!
//! A flood of tokens with invented key ids costs the issuer one request per [`COOL_DOWN`]: only one
//! task fetches at a time, the others wait for its answer and then look again. Nobody waits for a
//! second fetch, and while no keys are known, for none that has been silent for [`PATIENCE`]: a
//! queue behind an issuer that does not answer would only grow. A failed fetch leaves the keys that
//! are known in use: an issuer that is down must not sign everybody out.

mod fetch;
mod keys;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::watch;
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

/// How long after its beginning a fetch is waited for while no set is known.
const PATIENCE: Duration = Duration::from_secs(2);

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
}

#[derive(Default)]
struct Known {
    set: Option<Arc<KeySet>>,
    fetched: Option<Instant>,
    attempted: Option<Instant>,
    /// Closed when the last fetch that was begun has ended.
    fetching: Option<watch::Receiver<()>>,
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
                self.fetch();
            }
            return Ok(key);
        }
        self.refresh().await;
        if let (Some(key), _) = self.look_up(kid, algorithm) {
            return Ok(key);
        }
        if self.has_set() {
            return Err(AuthError::Invalid(
                "the issuer has published no key that fits it",
            ));
        }
        Err(AuthError::KeysUnavailable {
            // Why a fetch failed, it says itself.
            source: "no fetch has succeeded yet".into(),
        })
    }

    /// Whether a set is known, and not older than twice [`MAX_AGE`]: one that is due is fetched again
    /// in the background, and an issuer that is down for a moment signs nobody out.
    ///
    /// # Errors
    /// [`KeysTrouble`] when it can't be fetched.
    pub async fn check(self: &Arc<Self>) -> Result<(), KeysTrouble> {
        if !self.has_set() {
            self.refresh().await;
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
            self.fetch();
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

    /// Fetches the set, unless that was tried a moment ago, and waits for it: for this fetch or the one
    /// that is at work, and not for long while there is no set that could be used meanwhile.
    async fn refresh(self: &Arc<Self>) {
        let Some((mut ended, begun)) = self.fetch() else {
            return;
        };
        // Nothing is ever sent: it changes by being closed.
        let ended = ended.changed();
        if self.has_set() {
            ended.await.ok();
        } else {
            tokio::time::timeout_at((begun + PATIENCE).into(), ended)
                .await
                .ok();
        }
    }

    /// Begins to fetch the set, unless that was tried a moment ago. Gives back what is closed at the
    /// end of the fetch that is at work now, and when it was begun.
    fn fetch(self: &Arc<Self>) -> Option<(watch::Receiver<()>, Instant)> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let at_work = known.fetching.as_ref().zip(known.attempted);
        if let Some((ended, begun)) = at_work.filter(|(ended, _)| ended.has_changed().is_ok()) {
            return Some((ended.clone(), begun));
        }
        if !known.may_fetch() {
            return None;
        }
        let begun = Instant::now();
        let (at_work, ended) = watch::channel(());
        known.attempted = Some(begun);
        known.fetching = Some(ended.clone());
        let jwks = self.clone();
        tokio::spawn(traces::carried(async move {
            let _at_work = at_work;
            jwks.fetch_now().await;
        }));
        Some((ended, begun))
    }

    async fn fetch_now(&self) {
        let traced = traces::sent("GET", "GET the issuer's keys");
        match traced.around(self.fetcher.fetch()).await {
            Ok(set) => {
                info!(keys = set.len(), "fetched the issuer's keys");
                let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                known.set = Some(Arc::new(set));
                known.fetched = Some(Instant::now());
            }
            Err(error) => {
                traced.failed("error");
                warn!(
                    error = causes(&error),
                    "the issuer's keys could not be fetched"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use serde_json::json;

    use super::*;

    impl Jwks {
        /// As if it had fetched a set with the key `k`, long ago.
        fn learn(&self) {
            let key = json!({"kty": "EC", "crv": "P-256", "kid": "k",
                "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
            let published: keys::Published =
                serde_json::from_value(json!({"keys": [key]})).unwrap();
            self.known.write().unwrap().set = Some(Arc::new(KeySet::from(published)));
        }
    }

    /// An issuer that takes connections and never answers.
    fn silent() -> (TcpListener, Arc<Jwks>) {
        let issuer = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/keys", issuer.local_addr().unwrap());
        let jwks = Jwks::new(Location::Url(Url::parse(&url).unwrap()));
        (issuer, Arc::new(jwks.unwrap()))
    }

    #[tokio::test]
    async fn a_known_key_does_not_wait_for_a_slow_issuer() {
        let (issuer, jwks) = silent();
        jwks.learn();
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

    #[tokio::test]
    async fn nobody_waits_behind_a_fetch_that_hangs() {
        let (issuer, jwks) = silent();
        let (at_work, begun) = jwks.fetch().unwrap();
        jwks.known.write().unwrap().attempted = begun.checked_sub(PATIENCE);
        for _ in 0..100 {
            let found = jwks.find(Some("k"), Algorithm::ES256).await;
            assert!(matches!(found, Err(AuthError::KeysUnavailable { .. })));
        }
        assert_eq!(jwks.check().await, Err(KeysTrouble::IssuerUnreachable));
        assert!(at_work.has_changed().is_ok(), "its end was waited for");
        issuer.accept().unwrap();
        issuer.set_nonblocking(true).unwrap();
        assert!(issuer.accept().is_err(), "it was asked twice");
    }

    #[tokio::test]
    async fn keys_that_could_not_be_fetched_again_are_named() {
        let (_issuer, jwks) = silent();
        jwks.learn();
        let fetched = |ago| {
            let at = Instant::now().checked_sub(ago).unwrap();
            jwks.known.write().unwrap().fetched = Some(at);
        };
        fetched(2 * MAX_AGE - Duration::from_secs(60));
        assert_eq!(jwks.check().await, Ok(()));
        fetched(2 * MAX_AGE + Duration::from_secs(1));
        assert_eq!(jwks.check().await, Err(KeysTrouble::IssuerSilent));
        // Whose key is known is still let in.
        assert!(jwks.find(Some("k"), Algorithm::ES256).await.is_ok());
    }
}
