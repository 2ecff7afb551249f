//! The login in the Secret, as a connection URL.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::jiff::Timestamp;

use super::super::rotation::{Progress, Stage};
use super::super::{Step, StepError};
use crate::apply::hash;
use crate::meta::database_secret_name;
use crate::remote::postgres::Login;
use crate::secrets::{self, Owned};
use crate::sensitive::Sensitive;

const URL: &str = "url";
/// Annotation of the Secret: the role before this one.
const FORMER: &str = "filegateway.dev/former-database-role";

/// The login in the Secret, and how far its rotation is.
pub(super) struct Held {
    pub(super) user: String,
    pub(super) password: Sensitive,
    pub(super) progress: Progress,
    /// The role that pods may still log in with.
    pub(super) former: Option<String>,
}

impl Held {
    /// `None` when it is not a login of one of `roles`.
    pub(super) fn read(secret: &Owned, roles: &[&str; 2]) -> Option<Self> {
        let url = secret.data.get(URL)?;
        let (user, password) = roles
            .iter()
            .find_map(|role| Some(((*role).to_string(), password_of(role, url)?)))?;
        let mut progress = Progress::read(&secret.annotations, secret.created);
        let former = secret.annotations.get(FORMER).cloned();
        let former = former.filter(|former| roles.contains(&former.as_str()) && *former != user);
        match former {
            None => progress.stage = Stage::Settled,
            Some(_) => progress.stage = Stage::Spreading,
        }
        Some(Self {
            user,
            password,
            progress,
            former,
        })
    }

    pub(super) fn login(&self, admin: &Login) -> Login {
        Login {
            user: self.user.clone(),
            password: self.password.clone(),
            ..admin.clone()
        }
    }

    pub(super) async fn keep(
        &self,
        step: &Step<'_>,
        admin: &Login,
        name: &str,
    ) -> Result<(), StepError> {
        let owner = &step.plan.owner;
        let data = BTreeMap::from([(URL.to_string(), url(&self.login(admin), name))]);
        let mut annotations = self.progress.annotations();
        if let Some(former) = &self.former {
            annotations.insert(FORMER.into(), former.clone());
        }
        let secret = database_secret_name(&owner.name);
        secrets::keep(step.context.cluster(), owner, &secret, &data, annotations).await?;
        Ok(())
    }

    /// When this stage is over at the earliest; a settled login stays until a rotation is due.
    pub(super) fn ends(&self, step: &Step<'_>) -> Option<Timestamp> {
        let spread = step.context.config.secret_delay;
        (self.progress.stage != Stage::Settled).then(|| self.progress.end_of(spread))
    }
}

/// 256 random bits in characters that need no escape in a URL.
pub(super) fn new_password() -> Sensitive {
    Sensitive::new(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
}

/// A connection URL.
/// Source: <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>.
pub(super) fn url(login: &Login, database: &str) -> Sensitive {
    let host = if login.host.contains(':') {
        format!("[{}]", login.host)
    } else {
        login.host.clone()
    };
    Sensitive::new(format!(
        "postgres://{}:{}@{host}:{}/{database}?sslmode={}",
        login.user,
        login.password.expose(),
        login.port,
        login.ssl_mode
    ))
}

/// What tells the server apart, whoever logs in to it: pods are restarted when it changes.
pub fn server_of(secret: &Owned) -> Option<String> {
    secret.data.get(URL).map(server_hash)
}

/// The same of a URL.
pub fn server_hash(url: &Sensitive) -> String {
    let server = url.expose().rsplit_once('@').map(|(_, server)| server);
    hash(server.unwrap_or_default())
}

pub(super) fn password_of(user: &str, url: &Sensitive) -> Option<Sensitive> {
    let rest = url.expose().strip_prefix("postgres://")?;
    let (password, _) = rest
        .strip_prefix(user)?
        .strip_prefix(':')?
        .split_once('@')?;
    (!password.is_empty()).then(|| Sensitive::new(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_comes_back_out_of_the_url() {
        let login = Login {
            host: "::1".into(),
            port: 5432,
            ssl_mode: "prefer".into(),
            user: "fgw_a".into(),
            password: new_password(),
        };
        let url = url(&login, "fgw_a");
        assert!(url.expose().ends_with("@[::1]:5432/fgw_a?sslmode=prefer"));
        assert_eq!(password_of("fgw_a", &url), Some(login.password));
        assert_eq!(password_of("fgw_b", &url), None);
    }

    #[test]
    fn another_login_is_the_same_server() {
        let url = |user: &str, host: &str| {
            let login = Login {
                host: host.into(),
                port: 5432,
                ssl_mode: "prefer".into(),
                user: user.into(),
                password: new_password(),
            };
            server_hash(&super::url(&login, "fgw_a"))
        };
        assert_eq!(url("fgw_a", "one"), url("fgw2_a", "one"));
        assert_ne!(url("fgw_a", "one"), url("fgw_a", "two"));
    }
}
