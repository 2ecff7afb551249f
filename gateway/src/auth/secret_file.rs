//! A file with a secret that may change under way.
//!
//! It is a key of a Kubernetes Secret: when that is rotated, the kubelet swaps the file, and the
//! gateway must follow without a restart. The file is looked at when the secret is needed, but at
//! most once per [`RECHECK`].

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::causes::causes;

/// How long what is in memory is used before the file is looked at again.
const RECHECK: Duration = Duration::from_secs(1);

/// What a file may hold.
pub(crate) trait Secret: Sized {
    /// A file that can't be used. No message holds a part of it.
    type Error: std::error::Error + 'static;

    /// What it is, for the log.
    const NAME: &'static str;

    /// The secret in `text`.
    fn parse(path: &Path, text: &[u8]) -> Result<Self, Self::Error>;

    /// The error of a file that can't be read.
    fn unreadable(path: PathBuf, source: io::Error) -> Self::Error;
}

/// A file, and what it last said.
pub(crate) struct SecretFile<S> {
    path: PathBuf,
    seen: RwLock<Seen<S>>,
}

struct Seen<S> {
    text: Vec<u8>,
    secret: Arc<S>,
    checked: Instant,
}

impl<S: Secret> SecretFile<S> {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it can't be read or used.
    pub(crate) async fn open(path: PathBuf) -> Result<Self, S::Error> {
        let text = read::<S>(&path).await?;
        let seen = RwLock::new(Seen {
            secret: Arc::new(S::parse(&path, &text)?),
            text,
            checked: Instant::now(),
        });
        Ok(Self { path, seen })
    }

    /// Whether the file can be read and used, as it is this moment.
    ///
    /// # Errors
    /// When it can't.
    pub(crate) async fn check(&self) -> Result<(), S::Error> {
        let text = read::<S>(&self.path).await?;
        S::parse(&self.path, &text).map(|_| ())
    }

    /// The secret as the file has it now. A file that became unreadable or unusable leaves the last
    /// good one in use.
    pub(crate) async fn current(&self) -> Arc<S> {
        {
            let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
            if seen.checked.elapsed() < RECHECK {
                return seen.secret.clone();
            }
        }
        let text = read::<S>(&self.path).await;
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        seen.checked = Instant::now();
        match text.and_then(|text| {
            let changed = text != seen.text;
            let secret = changed.then(|| S::parse(&self.path, &text)).transpose()?;
            Ok((text, secret))
        }) {
            Ok((text, Some(secret))) => {
                info!("took up {} anew", S::NAME);
                seen.text = text;
                seen.secret = Arc::new(secret);
            }
            Ok((_, None)) => {}
            Err(error) => {
                warn!(
                    error = causes(&error),
                    "{} can't be used, the last good one stays in use",
                    S::NAME
                );
            }
        }
        seen.secret.clone()
    }
}

async fn read<S: Secret>(path: &Path) -> Result<Vec<u8>, S::Error> {
    tokio::fs::read(path)
        .await
        .map_err(|source| S::unreadable(path.to_owned(), source))
}
