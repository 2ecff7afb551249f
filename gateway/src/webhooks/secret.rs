//! What events are signed with.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::auth::secret_file::{Secret, SecretFile};

const PREFIX: &str = "whsec_";

/// How many secrets a file may hold: the new one and the one that it replaces.
const MOST: usize = 2;

/// A secret file that can't be used. No message holds a part of it.
#[derive(Debug, thiserror::Error)]
pub enum WebhookSecretError {
    /// It can't be read.
    #[error("failed to read the webhook's secret {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It has no line, or too many.
    #[error("the webhook's secret {path} must have one line, or two while one is replaced")]
    Lines {
        /// The file.
        path: PathBuf,
    },
    /// A line is no secret.
    #[error(
        "line {line} of the webhook's secret {path} is not {PREFIX} and base64 of 24 to 64 bytes"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
}

struct Keys(Vec<hmac::Key>);

/// A file with the secret, or with two while one replaces the other.
pub struct WebhookSecret(SecretFile<Keys>);

impl WebhookSecret {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`WebhookSecretError`] when it can't be read or used.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, WebhookSecretError> {
        Ok(Self(SecretFile::open(path.into()).await?))
    }

    /// The header `webhook-signature`: one signature by each secret that the file has now.
    pub(super) async fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let keys: Arc<Keys> = self.0.current().await;
        keys.sign(id, timestamp, body)
    }
}

impl Keys {
    fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let signed = format!("{id}.{timestamp}.{body}");
        let signatures = self.0.iter().map(|key| {
            let signature = hmac::sign(key, signed.as_bytes());
            format!("v1,{}", STANDARD.encode(signature))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

impl Secret for Keys {
    type Error = WebhookSecretError;

    const NAME: &'static str = "the webhook's secret";

    fn parse(path: &Path, text: &[u8]) -> Result<Self, WebhookSecretError> {
        let text = String::from_utf8_lossy(text);
        let lines: Vec<_> = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
            .collect();
        if lines.is_empty() || lines.len() > MOST {
            return Err(WebhookSecretError::Lines {
                path: path.to_owned(),
            });
        }
        let keys = lines.into_iter().map(|(at, line)| {
            key(line.trim()).ok_or_else(|| WebhookSecretError::Malformed {
                path: path.to_owned(),
                line: at + 1,
            })
        });
        keys.collect::<Result<_, _>>().map(Self)
    }

    fn unreadable(path: PathBuf, source: io::Error) -> WebhookSecretError {
        WebhookSecretError::Read { path, source }
    }
}

fn key(text: &str) -> Option<hmac::Key> {
    let secret = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
    (24..=64)
        .contains(&secret.len())
        .then(|| hmac::Key::new(hmac::HMAC_SHA256, &secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn parse(text: &str) -> Result<Keys, WebhookSecretError> {
        Keys::parse(Path::new("secret"), text.as_bytes())
    }

    fn sign(text: &str) -> String {
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", r#"{"test": 2432232314}"#);
        parse(text).unwrap().sign(id, 1_614_265_330, body)
    }

    #[test]
    fn the_known_example_is_signed_as_known() {
        let known = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(sign(SECRET), known);
        assert_eq!(sign(&format!("{SECRET}\n")), known);
    }

    #[test]
    fn two_secrets_make_two_signatures() {
        let other = format!("whsec_{}", STANDARD.encode([7; 32]));
        let both = sign(&format!("{other}\n{SECRET}\n"));
        assert_eq!(both, format!("{} {}", sign(&other), sign(SECRET)));
    }

    #[test]
    fn what_is_no_secret_is_refused_and_never_quoted() {
        let of = |length| format!("whsec_{}", STANDARD.encode(vec![7; length]));
        assert!(parse(&of(24)).is_ok() && parse(&of(64)).is_ok());
        let (short, long) = (of(23), of(65));
        let three = [SECRET, SECRET, SECRET].join("\n");
        for text in ["", "\n", &short, &long, &SECRET[6..], "whsec_?", &three] {
            let error = parse(text).err().unwrap();
            let told = format!("{error} {error:?}");
            assert!(!told.contains("BwcH") && !told.contains("MfKQ"), "{told}");
        }
    }
}
