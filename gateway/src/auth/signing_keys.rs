//! The keys that file tokens are signed with, read from a file that may change under way.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::Deserialize;

use super::KeysTrouble;
use super::secret_file::{Secret, SecretFile};

/// The shortest accepted secret, in bytes: as long as the hash of HS256 (RFC 7518, 3.2).
const MIN_SECRET_BYTES: usize = 32;

/// A keys file that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeysError {
    /// It can't be read.
    #[error("failed to read the signing keys {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not JSON of the expected shape. The parser's own message would quote the file, and the
    /// file is a secret, so only the place is told.
    #[error(
        "the signing keys {path} are malformed at line {line}, column {column}: expected {{\"current\": {{\"kid\", \"secret\"}}, \"previous\": …}}"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where in it.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// A key of it is too weak or no base64.
    #[error(
        "the secret of the {which} signing key in {path} is not base64 of at least {MIN_SECRET_BYTES} bytes"
    )]
    Weak {
        /// The file.
        path: PathBuf,
        /// `current` or `previous`.
        which: &'static str,
    },
}

#[derive(Deserialize)]
struct KeysFile {
    current: KeyEntry,
    previous: Option<KeyEntry>,
}

#[derive(Deserialize)]
struct KeyEntry {
    kid: String,
    secret: String,
}

/// The pair of keys at one moment.
pub(super) struct KeyPair {
    /// Signs new tokens.
    pub(super) current: Key,
    /// Still accepted.
    pub(super) previous: Option<Key>,
}

/// One HMAC key and its name.
pub(super) struct Key {
    pub(super) id: String,
    pub(super) encoding: EncodingKey,
    pub(super) decoding: DecodingKey,
}

impl KeyPair {
    /// The key called `kid`.
    pub(super) fn find(&self, kid: &str) -> Option<&Key> {
        [Some(&self.current), self.previous.as_ref()]
            .into_iter()
            .flatten()
            .find(|key| key.id == kid)
    }
}

/// A file with the signing keys.
pub struct SigningKeys(SecretFile<KeyPair>);

impl SigningKeys {
    /// Reads the keys file at `path`.
    ///
    /// # Errors
    /// [`SigningKeysError`] when it can't be read or used.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, SigningKeysError> {
        Ok(Self(SecretFile::open(path.into()).await?))
    }

    /// Whether the file can be read and has a current key. The last good keys stay in use meanwhile,
    /// but a new process would have none.
    ///
    /// # Errors
    /// [`KeysTrouble`], without the path.
    pub(super) async fn check(&self) -> Result<(), KeysTrouble> {
        self.0.check().await.map_err(|error| match error {
            SigningKeysError::Read { .. } => KeysTrouble::SigningFileUnreadable,
            SigningKeysError::Malformed { .. } | SigningKeysError::Weak { .. } => {
                KeysTrouble::SigningFileMalformed
            }
        })
    }

    /// The keys as the file has them now.
    pub(super) async fn pair(&self) -> Arc<KeyPair> {
        self.0.current().await
    }
}

impl Secret for KeyPair {
    type Error = SigningKeysError;

    const NAME: &'static str = "the signing keys";

    fn parse(path: &Path, text: &[u8]) -> Result<Self, SigningKeysError> {
        let file: KeysFile =
            serde_json::from_slice(text).map_err(|error| SigningKeysError::Malformed {
                path: path.to_owned(),
                line: error.line(),
                column: error.column(),
            })?;
        Ok(Self {
            current: key(path, "current", file.current)?,
            previous: file
                .previous
                .map(|entry| key(path, "previous", entry))
                .transpose()?,
        })
    }

    fn unreadable(path: PathBuf, source: io::Error) -> SigningKeysError {
        SigningKeysError::Read { path, source }
    }
}

fn key(path: &Path, which: &'static str, entry: KeyEntry) -> Result<Key, SigningKeysError> {
    let secret = STANDARD
        .decode(entry.secret.trim())
        .ok()
        .filter(|secret| secret.len() >= MIN_SECRET_BYTES)
        .ok_or_else(|| SigningKeysError::Weak {
            path: path.to_owned(),
            which,
        })?;
    Ok(Key {
        id: entry.kid,
        encoding: EncodingKey::from_secret(&secret),
        decoding: DecodingKey::from_secret(&secret),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn errors_never_quote_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        for text in [
            r#"{"current": "c2VjcmV0LXNlY3JldA=="}"#,
            r#"{"current": {"kid": "a", "secret": "c2VjcmV0LXNlY3JldA=="}}"#,
            "c2VjcmV0LXNlY3JldA==",
        ] {
            std::fs::write(&path, text).unwrap();
            let error = SigningKeys::open(&path).await.err().unwrap();
            assert!(
                !format!("{error} {error:?}").contains("c2VjcmV0"),
                "{error}"
            );
        }
    }
}
