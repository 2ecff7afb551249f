//! The secret that issuer and gateway share, read from a file that may change under way.

use std::io;
use std::path::{Path, PathBuf};

use jsonwebtoken::DecodingKey;

use super::secret_file::{Secret, SecretFile};

/// The shortest accepted secret, in bytes: as long as the hash of HS256 (RFC 7518, 3.2).
const MIN_SECRET_BYTES: usize = 32;

/// A secret that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SharedSecretError {
    /// It can't be read.
    #[error("failed to read the shared secret {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is shorter than its hash, so it could be guessed.
    #[error("the shared secret in {path} is shorter than {MIN_SECRET_BYTES} bytes")]
    Short {
        /// The file.
        path: PathBuf,
    },
}

/// A file with the shared secret. One that is replaced ends at once: who knows the old one must not
/// be able to sign any longer.
pub struct SharedSecret(SecretFile<Key>);

struct Key(DecodingKey);

impl Secret for Key {
    type Error = SharedSecretError;

    const NAME: &'static str = "the shared secret";

    fn parse(path: &Path, text: &[u8]) -> Result<Self, SharedSecretError> {
        // Without the newline that editors put at the end.
        let end = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'));
        let secret = end.map_or(&text[..0], |end| &text[..=end]);
        if secret.len() < MIN_SECRET_BYTES {
            return Err(SharedSecretError::Short { path: path.into() });
        }
        Ok(Self(DecodingKey::from_secret(secret)))
    }

    fn unreadable(path: PathBuf, source: io::Error) -> SharedSecretError {
        SharedSecretError::Read { path, source }
    }
}

impl SharedSecret {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`SharedSecretError`] when it can't be read or used.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, SharedSecretError> {
        Ok(Self(SecretFile::open(path.into()).await?))
    }

    pub(super) async fn key(&self) -> DecodingKey {
        self.0.current().await.0.clone()
    }
}
