//! The access key: fixed, two files in a folder that is watched, or got for a token.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use std::{fmt, fs, io};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};

use super::web_identity::{WebIdentity, WebIdentityKeys};

const ID_FILE: &str = "access-key-id";
const SECRET_FILE: &str = "secret-access-key";
/// How old the last look at the files may be.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often a pair is read again that was swapped while it was read.
const READ_ATTEMPTS: usize = 5;

/// Where the access key comes from.
#[derive(Clone)]
pub enum Keys {
    /// A folder with the files `access-key-id` and `secret-access-key`, as Kubernetes mounts a
    /// Secret. They are read again within two seconds of a change.
    Folder(PathBuf),
    /// Temporary keys that a token is exchanged for, renewed before they end.
    WebIdentity(WebIdentity),
    /// A pair that never changes; for the store that lives in the process.
    Fixed {
        /// The access key's id.
        access_key_id: String,
        /// Its secret.
        secret_access_key: String,
    },
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => f.debug_tuple("Folder").field(folder).finish(),
            Self::WebIdentity(settings) => f.debug_tuple("WebIdentity").field(settings).finish(),
            Self::Fixed { access_key_id, .. } => f
                .debug_struct("Fixed")
                .field("access_key_id", access_key_id)
                .finish_non_exhaustive(),
        }
    }
}

impl Keys {
    /// Where requests get their keys from.
    ///
    /// # Errors
    /// When a server has to be asked for them, and the system has no certificates to check it with.
    pub(super) fn provider(self, region: &str) -> io::Result<SharedCredentialsProvider> {
        Ok(match self {
            Self::Folder(folder) => SharedCredentialsProvider::new(FolderKeys {
                folder,
                seen: Mutex::new(None),
            }),
            Self::WebIdentity(settings) => {
                SharedCredentialsProvider::new(WebIdentityKeys::new(settings, region.to_owned())?)
            }
            Self::Fixed {
                access_key_id,
                secret_access_key,
            } => SharedCredentialsProvider::new(credentials(access_key_id, secret_access_key)),
        })
    }
}

fn credentials(id: String, secret: String) -> Credentials {
    Credentials::new(id, secret, None, None, "filegateway")
}

struct FolderKeys {
    folder: PathBuf,
    seen: Mutex<Option<Seen>>,
}

struct Seen {
    looked: Instant,
    changed: [Option<SystemTime>; 2],
    credentials: Credentials,
}

impl fmt::Debug for FolderKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FolderKeys")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl FolderKeys {
    fn current(&self) -> Result<Credentials, CredentialsError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = seen.as_mut() {
            if seen.looked.elapsed() < LOOK_EVERY {
                return Ok(seen.credentials.clone());
            }
            seen.looked = Instant::now();
            if seen.changed == changed(&self.folder) {
                return Ok(seen.credentials.clone());
            }
        }
        let changed = changed(&self.folder);
        match (read_pair(&self.folder), seen.as_ref()) {
            (Ok(credentials), _) => {
                *seen = Some(Seen {
                    looked: Instant::now(),
                    changed,
                    credentials: credentials.clone(),
                });
                Ok(credentials)
            }
            // The files are missing for a moment while some tools replace them.
            (Err(error), Some(old)) => {
                tracing::warn!(%error, "the S3 access key could not be read again; using the old one");
                Ok(old.credentials.clone())
            }
            (Err(error), None) => Err(CredentialsError::provider_error(error)),
        }
    }
}

impl ProvideCredentials for FolderKeys {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        Provided::ready(self.current())
    }
}

fn changed(folder: &Path) -> [Option<SystemTime>; 2] {
    [ID_FILE, SECRET_FILE].map(|file| {
        let metadata = fs::metadata(folder.join(file)).ok()?;
        metadata.modified().ok()
    })
}

/// Reads both files, the id twice: a pair that was replaced in between does not belong together.
fn read_pair(folder: &Path) -> io::Result<Credentials> {
    let read = |file: &str| {
        let text = fs::read_to_string(folder.join(file))?;
        Ok::<_, io::Error>(text.trim().to_owned())
    };
    for _ in 0..READ_ATTEMPTS {
        let id = read(ID_FILE)?;
        let secret = read(SECRET_FILE)?;
        if id.is_empty() || secret.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the access key is empty",
            ));
        }
        if id == read(ID_FILE)? {
            return Ok(credentials(id, secret));
        }
    }
    Err(io::Error::other("the access key keeps changing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, id: &str, secret: &str) {
        fs::write(folder.join(ID_FILE), id).unwrap();
        fs::write(folder.join(SECRET_FILE), secret).unwrap();
    }

    #[test]
    fn a_changed_pair_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "first\n", "one\n");
        let keys = FolderKeys {
            folder: folder.path().into(),
            seen: Mutex::new(None),
        };
        assert_eq!(keys.current().unwrap().access_key_id(), "first");
        std::thread::sleep(Duration::from_millis(20));
        write(folder.path(), "second", "two");
        keys.seen.lock().unwrap().as_mut().unwrap().looked = Instant::now() - LOOK_EVERY;
        let current = keys.current().unwrap();
        assert_eq!(current.access_key_id(), "second");
        assert_eq!(current.secret_access_key(), "two");
    }

    #[test]
    fn a_missing_or_empty_pair_is_an_error_that_holds_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_pair(folder.path()).is_err());
        write(folder.path(), "id", " \n");
        let error = read_pair(folder.path()).unwrap_err();
        assert_eq!(error.to_string(), "the access key is empty");
    }

    #[test]
    fn debug_shows_no_secret() {
        let keys = Keys::Fixed {
            access_key_id: "id".into(),
            secret_access_key: "hunter2".into(),
        };
        assert!(!format!("{keys:?}").contains("hunter2"));
    }
}
