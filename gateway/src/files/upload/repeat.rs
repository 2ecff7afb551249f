//! Requests that a client may repeat: the second time is answered as the first was, and stores
//! nothing (`Idempotency-Key`, draft-ietf-httpapi-idempotency-key-header).
//!
//! A key is claimed before a byte is stored, and held by a lease that ends with the process. The
//! answer is written in the transaction that makes the files readable, so there is no moment in which
//! they are stored and the key does not know it.

use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use futures_util::{Stream, StreamExt};
use tokio::task::AbortHandle;
use uuid::Uuid;

use super::digest::Digest;
use super::intake::BodyError;
use crate::auth::Caller;
use crate::catalog::{Claim, RequestKey};
use crate::causes::causes;

use super::super::model::digits;
use super::super::{Files, FilesError};

/// How long a key is believed to be at work without a sign of it.
const LEASE: Duration = Duration::from_secs(60);
/// How often the sign is given.
const RENEWAL: Duration = Duration::from_secs(20);
/// How long an answer is kept.
const KEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// A request with a key.
#[derive(Debug)]
pub enum Repeat {
    /// It was not carried out yet, and is this caller's to carry out.
    First(Box<KeyHold>),
    /// It was carried out before.
    Again(Earlier),
}

/// What the first request was answered.
#[derive(Debug)]
pub struct Earlier {
    /// The answer, as it was given to [`super::UploadBatch::commit`].
    pub answer: String,
    fingerprint: String,
}

/// The hashes of a request's files, by which a repetition is told from another request under the
/// same key. A file that was refused has none.
#[derive(Debug, Default)]
pub struct Fingerprint(Vec<Option<String>>);

/// A key that is being worked on; given back when dropped.
#[derive(Debug)]
pub struct KeyHold {
    files: Files,
    request: RequestKey,
    renewal: AbortHandle,
    answered: bool,
}

impl Files {
    /// Claims a caller's key, or finds what it was answered.
    ///
    /// # Errors
    /// [`FilesError::KeyInUse`] while the first request is being carried out.
    pub async fn begin_repeatable(
        &self,
        caller: &Caller,
        key: String,
    ) -> Result<Repeat, FilesError> {
        let request = RequestKey {
            owner: caller.subject.clone(),
            key,
            holder: Uuid::new_v4(),
        };
        match self.catalog.claim(request.clone(), LEASE, KEEP).await? {
            Claim::Granted => Ok(Repeat::First(Box::new(KeyHold::new(self.clone(), request)))),
            Claim::Busy => Err(FilesError::KeyInUse),
            Claim::Answered(answered) => Ok(Repeat::Again(Earlier {
                answer: answered.answer,
                fingerprint: answered.fingerprint,
            })),
        }
    }
}

impl Earlier {
    /// Whether a request's files are those of the first.
    pub fn is_repeated_by(&self, fingerprint: &Fingerprint) -> bool {
        let first: Vec<&str> = self.fingerprint.split(' ').collect();
        first.len() == fingerprint.0.len()
            && first.iter().zip(&fingerprint.0).all(|(first, again)| {
                *first == REFUSED || again.as_deref().is_none_or(|again| again == *first)
            })
    }
}

const REFUSED: &str = "-";

impl Fingerprint {
    /// Adds a stored file.
    pub(super) fn push(&mut self, sha256: &[u8; 32]) {
        self.0.push(Some(digits(sha256)));
    }

    /// Adds a file that was refused.
    pub(super) fn push_refused(&mut self) {
        self.0.push(None);
    }

    /// Adds a file by reading over it.
    ///
    /// # Errors
    /// When its body breaks off.
    pub async fn read<S>(&mut self, mut body: S) -> Result<(), BodyError>
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin,
    {
        let mut digest = Digest::default();
        while let Some(frame) = body.next().await {
            digest.update(&frame?);
        }
        self.push(&digest.finish());
        Ok(())
    }

    pub(super) fn text(&self) -> String {
        let hashes: Vec<&str> = self
            .0
            .iter()
            .map(|hash| hash.as_deref().unwrap_or(REFUSED))
            .collect();
        hashes.join(" ")
    }
}

impl KeyHold {
    fn new(files: Files, request: RequestKey) -> Self {
        let (catalog, renewed) = (files.catalog.clone(), request.clone());
        let renewal = tokio::spawn(async move {
            loop {
                tokio::time::sleep(RENEWAL).await;
                // Whether it is still ours shows when the answer is written.
                if let Err(error) = catalog.renew(renewed.clone(), Utc::now() + LEASE).await {
                    tracing::warn!(
                        error = causes(&error),
                        "an idempotency key could not be held"
                    );
                }
            }
        });
        Self {
            files,
            request,
            renewal: renewal.abort_handle(),
            answered: false,
        }
    }

    pub(super) fn request(&self) -> RequestKey {
        self.request.clone()
    }

    /// The answer is written: there is nothing to give back.
    pub(super) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for KeyHold {
    fn drop(&mut self) {
        self.renewal.abort();
        if self.answered {
            return;
        }
        // Without a runtime the process is about to end, and so will the lease.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (catalog, request) = (self.files.catalog.clone(), self.request.clone());
            let release = async move {
                if let Err(error) = catalog.release(request).await {
                    tracing::warn!(
                        error = causes(&error),
                        "an idempotency key is left to its lease"
                    );
                }
            };
            self.files.background.spawn_on(release, &runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repetition_has_the_same_files() {
        let of = |hashes: &[Option<u8>]| {
            let mut fingerprint = Fingerprint::default();
            for hash in hashes {
                match hash {
                    Some(byte) => fingerprint.push(&[*byte; 32]),
                    None => fingerprint.push_refused(),
                }
            }
            fingerprint
        };
        let first = Earlier {
            answer: String::new(),
            fingerprint: of(&[Some(1), None, Some(3)]).text(),
        };
        assert!(first.is_repeated_by(&of(&[Some(1), Some(2), Some(3)])));
        assert!(!first.is_repeated_by(&of(&[Some(1), Some(2), Some(4)])));
        assert!(!first.is_repeated_by(&of(&[Some(1), Some(2)])));
    }
}
