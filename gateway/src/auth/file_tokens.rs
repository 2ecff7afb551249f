//! File tokens: short licences to read, for places where no header can be set (`<video src>`).
//!
//! A token is a JWS (HS256) of a type of its own, so that neither a caller's JWT passes for a file
//! token nor the other way round. It repeats who asked for it; the permission itself is checked at
//! each use, with the rules of [`super::policy`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AuthError, Caller, SigningKeys};

/// The header type (RFC 8725, 3.11) that only file tokens have.
const TYPE: &str = "filegateway-file+jwt";

/// The one thing that a file token is good for.
const PURPOSE: &str = "read";

/// Longer tokens are refused unread, in bytes.
const MAX_TOKEN_BYTES: usize = 4 * 1024;

/// Tokens of one caller that are minted within this many seconds are equal, so that a page that asks
/// for a token per video gets one URL per video, and the browser's cache can work. The window comes
/// off the lifetime, and is at most a tenth of it.
const WINDOW_SECONDS: u64 = 30;

#[derive(Serialize, Deserialize)]
struct Claims {
    purpose: String,
    sub: String,
    org: String,
    admin: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<Uuid>,
    iat: u64,
    exp: u64,
}

/// A token, and how long it is of use.
pub struct MintedToken {
    /// The token itself.
    pub token: String,
    /// When it ends.
    pub expires_at: SystemTime,
    /// When a client that wants no gap should ask for the next one.
    pub refresh_after: SystemTime,
}

/// What a valid file token allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadGrant {
    /// In whose name.
    pub caller: Caller,
    /// The only file that it is good for, when it was made for one.
    pub file: Option<Uuid>,
    /// How long it is still good.
    pub remaining: Duration,
}

/// Mints and checks the file tokens of one organization.
pub struct FileTokens {
    keys: SigningKeys,
    organization: String,
    lifetime: Duration,
}

impl FileTokens {
    /// Tokens of `organization`, signed with `keys`, good for at most `lifetime`.
    pub fn new(keys: SigningKeys, organization: String, lifetime: Duration) -> Self {
        Self {
            keys,
            organization,
            lifetime,
        }
    }

    /// A token with which `caller` may read `file`, or without one, any file that they may read.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] when the key can't sign, which no accepted key does.
    pub async fn mint(
        &self,
        caller: &Caller,
        file: Option<Uuid>,
    ) -> Result<MintedToken, AuthError> {
        self.mint_at(caller, file, SystemTime::now()).await
    }

    async fn mint_at(
        &self,
        caller: &Caller,
        file: Option<Uuid>,
        now: SystemTime,
    ) -> Result<MintedToken, AuthError> {
        let lifetime = self.lifetime.as_secs();
        let window = WINDOW_SECONDS.min(lifetime / 10).max(1);
        let now = seconds(now);
        let issued = now - now % window;
        let expires = issued + lifetime;
        let pair = self.keys.pair().await;
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(pair.current.id.clone());
        let claims = Claims {
            purpose: PURPOSE.to_owned(),
            sub: caller.subject.clone(),
            org: caller.organization.clone(),
            admin: caller.admin,
            file,
            iat: issued,
            exp: expires,
        };
        let token = encode(&header, &claims, &pair.current.encoding)
            .map_err(|_| AuthError::Invalid("it could not be signed"))?;
        Ok(MintedToken {
            token,
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
        if token.len() > MAX_TOKEN_BYTES {
            return Err(AuthError::Invalid("it is too long"));
        }
        let header = decode_header(token).map_err(|_| AuthError::Invalid("it is no file token"))?;
        if header.typ.as_deref() != Some(TYPE) || header.alg != Algorithm::HS256 {
            return Err(AuthError::Invalid("it is no file token"));
        }
        let pair = self.keys.pair().await;
        let key = header
            .kid
            .as_deref()
            .and_then(|kid| pair.find(kid))
            .ok_or(AuthError::Invalid("its key is not in use here"))?;
        let mut validation = Validation::new(Algorithm::HS256);
        // Signer and verifier are one and the same.
        validation.leeway = 0;
        validation.validate_aud = false;
        let claims = decode::<Claims>(token, &key.decoding, &validation)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => AuthError::Expired,
                ErrorKind::InvalidSignature => AuthError::Invalid("its signature is wrong"),
                _ => AuthError::Invalid("it is no file token"),
            })?
            .claims;
        if claims.purpose != PURPOSE || claims.org != self.organization {
            return Err(AuthError::Invalid("it is not for reading here"));
        }
        // The library takes the second in which a token ends as still good.
        let remaining = claims
            .exp
            .checked_sub(seconds(SystemTime::now()))
            .filter(|remaining| *remaining > 0)
            .ok_or(AuthError::Expired)?;
        Ok(ReadGrant {
            caller: Caller {
                subject: claims.sub,
                organization: claims.org,
                admin: claims.admin,
            },
            file: claims.file,
            remaining: Duration::from_secs(remaining),
        })
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use jsonwebtoken::EncodingKey;
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
        FileTokens::new(keys, "acme".into(), Duration::from_secs(lifetime))
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
        let minted = tokens.mint(&ana(), Some(file)).await.unwrap();
        let grant = tokens.check(&minted.token).await.unwrap();
        assert_eq!(grant.caller, ana());
        assert_eq!(grant.file, Some(file));
        assert!(grant.remaining <= Duration::from_secs(300));
        assert!(grant.remaining >= Duration::from_secs(269));
    }

    #[tokio::test]
    async fn tokens_of_one_window_are_equal() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = tokens(folder.path(), json!({"current": key("a", 1)}), 300).await;
        let at = |second: u64| UNIX_EPOCH + Duration::from_secs(3_000_000_000 + second);
        let first = tokens.mint_at(&ana(), None, at(0)).await.unwrap().token;
        let last = tokens.mint_at(&ana(), None, at(29)).await.unwrap().token;
        let next = tokens.mint_at(&ana(), None, at(30)).await.unwrap().token;
        assert_eq!(first, last);
        assert_ne!(first, next);
    }

    #[tokio::test]
    async fn a_token_ends() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = tokens(folder.path(), json!({"current": key("a", 1)}), 300).await;
        let past = SystemTime::now() - Duration::from_secs(301);
        let old = tokens.mint_at(&ana(), None, past).await.unwrap().token;
        assert!(matches!(tokens.check(&old).await, Err(AuthError::Expired)));
    }

    #[tokio::test]
    async fn the_previous_key_is_accepted_and_a_withdrawn_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let tokens = tokens(folder.path(), json!({"current": key("a", 1)}), 300).await;
        let old = tokens.mint(&ana(), None).await.unwrap().token;

        write(
            &path,
            &json!({"current": key("b", 2), "previous": key("a", 1)}),
        );
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert!(tokens.check(&old).await.is_ok());
        let new = tokens.mint(&ana(), None).await.unwrap().token;
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
        let good = tokens.mint(&ana(), None).await.unwrap().token;
        for end in 0..good.len() {
            assert!(tokens.check(&good[..end]).await.is_err(), "prefix of {end}");
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
        assert!(tokens.check(&sign(TYPE, "acme", "read")).await.is_ok());
        for foreign in [
            sign(TYPE, "globex", "read"),
            sign(TYPE, "acme", "write"),
            sign("JWT", "acme", "read"),
        ] {
            assert!(matches!(
                tokens.check(&foreign).await,
                Err(AuthError::Invalid(_))
            ));
        }
    }
}
