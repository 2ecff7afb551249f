//! File tokens: short licences to read, for places where no header can be set (`<video src>`).
//!
//! A token repeats who asked for it; the permission itself is checked at each use, with the rules of
//! [`super::policy`], and so are the revocations since.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use super::licences::{Kind, Licence, seconds};
use super::{AuthError, Caller, KeysTrouble, SigningKeys};

const FILE_TOKEN: Kind = Kind {
    typ: "filegateway-file+jwt",
    purpose: "read",
};

/// Tokens of one caller that are minted within this many seconds are equal, so that a page that asks
/// for a token per video gets one URL per video, and the browser's cache can work. The window comes
/// off the lifetime, and is at most a tenth of it.
const WINDOW_SECONDS: u64 = 30;

/// A token, and how long it is of use.
pub struct MintedToken {
    /// The token itself.
    pub token: String,
    /// When it ends.
    pub expires_at: SystemTime,
    /// When a client that wants no gap should ask for the next one.
    pub refresh_after: SystemTime,
}

/// What a genuine file token allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadGrant {
    /// In whose name.
    pub caller: Caller,
    /// The only file that it is good for, when it was made for one.
    pub file: Option<Uuid>,
    /// How many revocations the organization had seen when it was minted.
    pub epoch: i64,
    /// How long it is still good; zero when it is over.
    pub remaining: Duration,
}

impl From<Licence> for ReadGrant {
    fn from(licence: Licence) -> Self {
        Self {
            remaining: licence.remaining(SystemTime::now()),
            caller: licence.caller,
            file: licence.file,
            epoch: licence.epoch,
        }
    }
}

impl ReadGrant {
    /// The grant, unless it is over.
    ///
    /// # Errors
    /// [`AuthError::Expired`] if it is.
    pub fn in_time(self) -> Result<Self, AuthError> {
        if self.remaining.is_zero() {
            return Err(AuthError::Expired);
        }
        Ok(self)
    }
}

/// Mints and checks the file tokens of one organization.
pub struct FileTokens {
    keys: Arc<SigningKeys>,
    organization: String,
    lifetime: Duration,
}

impl FileTokens {
    /// Tokens of `organization`, signed with `keys`, good for at most `lifetime`.
    pub fn new(keys: Arc<SigningKeys>, organization: String, lifetime: Duration) -> Self {
        Self {
            keys,
            organization,
            lifetime,
        }
    }

    /// Whether the keys can be had.
    ///
    /// # Errors
    /// [`KeysTrouble`] when their file can't be used.
    pub async fn check_keys(&self) -> Result<(), KeysTrouble> {
        self.keys.check().await
    }

    /// How long a token is good at most.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// A token with which `caller` may read `file`, or without one, any file that they may read.
    /// `epoch` is how many revocations the organization has seen.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] when the key can't sign, which no accepted key does.
    pub async fn mint(
        &self,
        caller: &Caller,
        file: Option<Uuid>,
        epoch: i64,
    ) -> Result<MintedToken, AuthError> {
        self.mint_at(caller, file, epoch, SystemTime::now()).await
    }

    async fn mint_at(
        &self,
        caller: &Caller,
        file: Option<Uuid>,
        epoch: i64,
        now: SystemTime,
    ) -> Result<MintedToken, AuthError> {
        let lifetime = self.lifetime.as_secs();
        let window = WINDOW_SECONDS.min(lifetime / 10).max(1);
        let now = seconds(now);
        let issued = now - now % window;
        let expires = issued + lifetime;
        let licence = Licence {
            caller: caller.clone(),
            file,
            epoch,
            issued,
            expires,
        };
        Ok(MintedToken {
            token: licence.sign(&FILE_TOKEN, &self.keys).await?,
            expires_at: UNIX_EPOCH + Duration::from_secs(expires),
            refresh_after: UNIX_EPOCH + Duration::from_secs(issued + lifetime * 4 / 5),
        })
    }

    /// What `token` allows.
    ///
    /// # Errors
    /// [`AuthError::Expired`] when it is over, [`AuthError::Invalid`] when this gateway did not make
    /// it for reading.
    pub async fn check(&self, token: &str) -> Result<ReadGrant, AuthError> {
        self.read(token).await?.in_time()
    }

    /// What `token` allows, or allowed before it was over.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] when this gateway did not make it for reading.
    pub async fn read(&self, token: &str) -> Result<ReadGrant, AuthError> {
        let licence = Licence::verify(token, &FILE_TOKEN, &self.keys, &self.organization).await?;
        Ok(licence.into())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use jsonwebtoken::{Algorithm, EncodingKey, Header, decode_header, encode};
    use serde_json::{Value, json};

    use super::*;

    fn key(id: &str, byte: u8) -> Value {
        json!({"kid": id, "secret": STANDARD.encode([byte; 32])})
    }

    fn write(path: &Path, keys: &Value) {
        std::fs::write(path, keys.to_string()).unwrap();
    }

    async fn tokens(folder: &Path, keys: Value, lifetime: u64) -> FileTokens {
        let path = folder.join("keys.json");
        write(&path, &keys);
        let keys = SigningKeys::open(path).await.unwrap();
        FileTokens::new(Arc::new(keys), "acme".into(), Duration::from_secs(lifetime))
    }

    fn ana() -> Caller {
        Caller {
            subject: "ana".into(),
            organization: "acme".into(),
            admin: false,
        }
    }

    #[tokio::test]
    async fn a_token_says_who_asked_for_it_and_for_what() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = tokens(folder.path(), json!({"current": key("a", 1)}), 300).await;
        let file = Uuid::new_v4();
        let minted = tokens.mint(&ana(), Some(file), 3).await.unwrap();
        let grant = tokens.check(&minted.token).await.unwrap();
        assert_eq!(grant.caller, ana());
        assert_eq!((grant.file, grant.epoch), (Some(file), 3));
        assert!(grant.remaining <= Duration::from_secs(300));
        assert!(grant.remaining >= Duration::from_secs(269));
    }

    #[tokio::test]
    async fn tokens_of_one_window_are_equal() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = tokens(folder.path(), json!({"current": key("a", 1)}), 300).await;
        let at = |second: u64| UNIX_EPOCH + Duration::from_secs(3_000_000_000 + second);
        let first = tokens.mint_at(&ana(), None, 0, at(0)).await.unwrap().token;
        let last = tokens.mint_at(&ana(), None, 0, at(29)).await.unwrap().token;
        let next = tokens.mint_at(&ana(), None, 0, at(30)).await.unwrap().token;
        assert_eq!(first, last);
        assert_ne!(first, next);
    }

    #[tokio::test]
    async fn a_token_ends() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = tokens(folder.path(), json!({"current": key("a", 1)}), 300).await;
        let past = SystemTime::now() - Duration::from_secs(301);
        let old = tokens.mint_at(&ana(), None, 0, past).await.unwrap().token;
        assert!(matches!(tokens.check(&old).await, Err(AuthError::Expired)));
    }

    #[tokio::test]
    async fn a_token_is_over_in_the_second_in_which_it_ends() {
        let licence = Licence {
            caller: ana(),
            file: None,
            epoch: 0,
            issued: 100,
            expires: 400,
        };
        let remaining = |second: u64| licence.remaining(UNIX_EPOCH + Duration::from_secs(second));
        assert_eq!(remaining(399), Duration::from_secs(1));
        let almost = UNIX_EPOCH + Duration::from_millis(399_700);
        // What a browser is told in whole seconds ends before the token does.
        assert_eq!(licence.remaining(almost), Duration::from_millis(300));
        assert_eq!(remaining(400), Duration::ZERO);
        assert_eq!(remaining(401), Duration::ZERO);
        // A clock that was set back does not end a token early.
        assert_eq!(remaining(99), Duration::from_secs(301));
    }

    #[tokio::test]
    async fn an_old_token_is_genuine_but_over() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = tokens(folder.path(), json!({"current": key("a", 1)}), 300).await;
        let past = SystemTime::now() - Duration::from_secs(301);
        let old = tokens.mint_at(&ana(), None, 0, past).await.unwrap().token;
        let grant = tokens.read(&old).await.unwrap();
        assert_eq!((grant.caller, grant.remaining), (ana(), Duration::ZERO));
    }

    #[tokio::test]
    async fn the_previous_key_is_accepted_and_a_withdrawn_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let tokens = tokens(folder.path(), json!({"current": key("a", 1)}), 300).await;
        let old = tokens.mint(&ana(), None, 0).await.unwrap().token;

        write(
            &path,
            &json!({"current": key("b", 2), "previous": key("a", 1)}),
        );
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert!(tokens.check(&old).await.is_ok());
        let new = tokens.mint(&ana(), None, 0).await.unwrap().token;
        assert_eq!(decode_header(&new).unwrap().kid.as_deref(), Some("b"));

        write(&path, &json!({"current": key("b", 2)}));
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert!(matches!(
            tokens.check(&old).await,
            Err(AuthError::Invalid(_))
        ));
        assert!(tokens.check(&new).await.is_ok());

        std::fs::write(&path, "half a fi").unwrap();
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert!(tokens.check(&new).await.is_ok());
    }

    #[tokio::test]
    async fn no_prefix_and_no_changed_byte_of_a_token_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = tokens(folder.path(), json!({"current": key("a", 1)}), 300).await;
        let good = tokens.mint(&ana(), None, 0).await.unwrap().token;
        for end in 0..good.len() {
            assert!(tokens.check(&good[..end]).await.is_err(), "prefix of {end}");
        }
        // The last character of a signature of 32 bytes has two bits that mean nothing.
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=";
        for last in alphabet.chars().filter(|last| !good.ends_with(*last)) {
            let changed = format!("{}{last}", &good[..good.len() - 1]);
            assert!(tokens.check(&changed).await.is_err(), "{last} at the end");
        }
        for (at, byte) in good.bytes().enumerate().filter(|(_, byte)| *byte != b'.') {
            let flipped = if byte == b'A' { "B" } else { "A" };
            let mut changed = good.clone();
            changed.replace_range(at..=at, flipped);
            assert!(tokens.check(&changed).await.is_err(), "changed at {at}");
        }
        let payload = good.split('.').nth(1).unwrap();
        let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        let forged = URL_SAFE_NO_PAD.encode(claims.replace("false", "true"));
        let forged = good.replace(payload, &forged);
        assert!(matches!(
            tokens.check(&forged).await,
            Err(AuthError::Invalid(_))
        ));
    }

    #[tokio::test]
    async fn tokens_of_another_organization_or_purpose_are_foreign() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = tokens(folder.path(), json!({"current": key("a", 1)}), 300).await;
        let sign = |typ: &str, org: &str, purpose: &str| {
            let mut header = Header::new(Algorithm::HS256);
            header.typ = Some(typ.into());
            header.kid = Some("a".into());
            let claims = json!({"purpose": purpose, "sub": "ana", "org": org, "admin": true,
                "iat": 0, "exp": seconds(SystemTime::now()) + 60});
            encode(&header, &claims, &EncodingKey::from_secret(&[1; 32])).unwrap()
        };
        assert!(
            tokens
                .check(&sign(FILE_TOKEN.typ, "acme", "read"))
                .await
                .is_ok()
        );
        for foreign in [
            sign(FILE_TOKEN.typ, "globex", "read"),
            sign(FILE_TOKEN.typ, "acme", "write"),
            sign("JWT", "acme", "read"),
        ] {
            assert!(matches!(
                tokens.check(&foreign).await,
                Err(AuthError::Invalid(_))
            ));
        }
    }
}
