//! How file tokens are made.

use std::path::PathBuf;
use std::time::Duration;

use super::reader::Reader;

/// The file tokens' settings.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// `FILEGATEWAY_TOKENS_KEYS_FILE`: the signing keys, read again when the file changes;
    /// `/etc/filegateway/signing/keys.json` by default.
    pub keys_file: PathBuf,
    /// `FILEGATEWAY_TOKENS_LIFETIME_SECONDS`: how long a token is good; 300 by default, at most a
    /// day.
    pub lifetime: Duration,
    /// `FILEGATEWAY_TOKENS_PLAYBACK_SECONDS`: for how long playback that began with a token goes on
    /// after its end; four hours by default, at most a day, 0 for not at all.
    pub playback: Duration,
}

impl Tokens {
    pub(super) fn from(reader: &mut Reader<'_>) -> Self {
        Self {
            keys_file: reader.path(
                "FILEGATEWAY_TOKENS_KEYS_FILE",
                "/etc/filegateway/signing/keys.json",
            ),
            lifetime: Duration::from_secs(reader.number(
                "FILEGATEWAY_TOKENS_LIFETIME_SECONDS",
                300,
                1..=86_400,
            )),
            playback: Duration::from_secs(reader.number(
                "FILEGATEWAY_TOKENS_PLAYBACK_SECONDS",
                4 * 60 * 60,
                0..=86_400,
            )),
        }
    }
}
