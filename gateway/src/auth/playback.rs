//! Playback: what carries a film over the end of the file token that it began with.
//!
//! A browser keeps asking for parts of a film under the URL that it was given, long after the token
//! in it is over. The first good request for a file is therefore answered with a second licence, in
//! a cookie: for this subject and this file alone, good for a configured while from then on, and
//! only beside the token that it continues. Permission and revocations are looked at each time.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::licences::{Kind, Licence, seconds};
use super::{AuthError, ReadGrant, SigningKeys};

const PLAYBACK: Kind = Kind {
    typ: "filegateway-playback+jwt",
    purpose: "playback",
};

/// Mints and checks the playback licences of one organization.
pub struct Playback {
    keys: Arc<SigningKeys>,
    organization: String,
    lifetime: Duration,
}

/// A licence, and how long it is good.
pub struct MintedPlayback {
    /// The licence itself.
    pub token: String,
    /// Its lifetime, from now.
    pub lifetime: Duration,
}

impl Playback {
    /// Licences of `organization`, signed with `keys`, good for `lifetime`; none at all when that is
    /// zero.
    pub fn new(keys: Arc<SigningKeys>, organization: String, lifetime: Duration) -> Self {
        Self {
            keys,
            organization,
            lifetime,
        }
    }

    /// Whether there are any.
    pub fn is_on(&self) -> bool {
        !self.lifetime.is_zero()
    }

    /// A licence to go on reading `file` as `grant` allows it now. It ends with the revocations that
    /// would have ended the token of `grant`.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] when the key can't sign, which no accepted key does.
    pub async fn mint(&self, grant: &ReadGrant, file: Uuid) -> Result<MintedPlayback, AuthError> {
        let issued = seconds(SystemTime::now());
        let licence = Licence {
            caller: grant.caller.clone(),
            file: Some(file),
            epoch: grant.epoch,
            issued,
            expires: issued + self.lifetime.as_secs(),
        };
        Ok(MintedPlayback {
            token: licence.sign(&PLAYBACK, &self.keys).await?,
            lifetime: self.lifetime,
        })
    }

    /// What `token` allows of `file`.
    ///
    /// # Errors
    /// [`AuthError::Expired`] when it is over, [`AuthError::Invalid`] when it is no playback licence
    /// of this gateway for this file, or there are none.
    pub async fn check(&self, token: &str, file: Uuid) -> Result<ReadGrant, AuthError> {
        if !self.is_on() {
            return Err(AuthError::Invalid("playback is off"));
        }
        let licence = Licence::verify(token, &PLAYBACK, &self.keys, &self.organization).await?;
        if licence.file != Some(file) {
            return Err(AuthError::Invalid("it is for another file"));
        }
        ReadGrant::from(licence).in_time()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::super::FileTokens;
    use super::*;
    use crate::auth::Caller;

    async fn both(lifetime: u64) -> (FileTokens, Playback, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let keys = json!({"current": {"kid": "a", "secret": STANDARD.encode([1; 32])}});
        std::fs::write(&path, keys.to_string()).unwrap();
        let keys = Arc::new(SigningKeys::open(path).await.unwrap());
        let tokens = FileTokens::new(keys.clone(), "acme".into(), Duration::from_secs(300));
        let playback = Playback::new(keys, "acme".into(), Duration::from_secs(lifetime));
        (tokens, playback, folder)
    }

    fn ana() -> Caller {
        Caller {
            subject: "ana".into(),
            organization: "acme".into(),
            admin: false,
        }
    }

    #[tokio::test]
    async fn a_licence_is_for_one_file_and_says_what_its_token_said() {
        let (tokens, playback, _folder) = both(60).await;
        let token = tokens.mint(&ana(), None, 7).await.unwrap().token;
        let grant = tokens.check(&token).await.unwrap();
        let (file, other) = (Uuid::new_v4(), Uuid::new_v4());
        let minted = playback.mint(&grant, file).await.unwrap();
        let held = playback.check(&minted.token, file).await.unwrap();
        assert_eq!(held.caller, ana());
        assert_eq!((held.file, held.epoch), (Some(file), 7));
        assert!(held.remaining <= Duration::from_secs(60));
        assert!(playback.check(&minted.token, other).await.is_err());
    }

    #[tokio::test]
    async fn neither_kind_passes_for_the_other() {
        let (tokens, playback, _folder) = both(60).await;
        let file = Uuid::new_v4();
        let token = tokens.mint(&ana(), Some(file), 0).await.unwrap().token;
        let grant = tokens.check(&token).await.unwrap();
        let licence = playback.mint(&grant, file).await.unwrap().token;
        assert!(tokens.check(&licence).await.is_err());
        assert!(playback.check(&token, file).await.is_err());
    }

    #[tokio::test]
    async fn none_is_accepted_while_playback_is_off() {
        let (tokens, playback, folder) = both(60).await;
        let file = Uuid::new_v4();
        let token = tokens.mint(&ana(), Some(file), 0).await.unwrap().token;
        let grant = tokens.check(&token).await.unwrap();
        let licence = playback.mint(&grant, file).await.unwrap().token;
        let keys = SigningKeys::open(folder.path().join("keys.json")).await;
        let off = Playback::new(Arc::new(keys.unwrap()), "acme".into(), Duration::ZERO);
        assert!(!off.is_on());
        assert!(off.check(&licence, file).await.is_err());
    }
}
