//! A role and a database of the gateway's own on the class's PostgreSQL server.
//!
//! The mark is a comment with the owner's UID. The role gets it in the transaction that creates it;
//! a database without one is ours when its owner is that role.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crds::conditions::{DATABASE_READY, Finding, reason};
use crds::{ClassSnapshot, DatabaseStatus, DeletionPolicy};

use super::{Fate, Step, StepError};
use crate::context::Context;
use crate::events;
use crate::meta::{OWNER_MARK, Owner, database_secret_name};
use crate::remote::postgres::{Admin, Database, Login, Role};
use crate::secrets;
use crate::sensitive::Sensitive;

const URL: &str = "url";

/// Makes role, database and Secret exist. The second value changes with the login, so that pods,
/// which read it only at start, can be restarted.
///
/// # Errors
/// When the server fails, or something of that name belongs to somebody else.
pub async fn ensure(step: &Step<'_>, name: &str) -> Result<(Finding, String), StepError> {
    let owner = &step.plan.owner;
    let client = &step.context.client;
    let Some(admin_login) = step.context.postgres(&step.plan.class).await? else {
        return Err(StepError::Refused {
            reason: reason::INVALID_SPEC,
            message: "the FileGatewayClass names no PostgreSQL server".into(),
        });
    };
    let secret_name = database_secret_name(&owner.name);
    // Read first: when this fails no password may be set.
    let kept = secrets::owned(client, owner, &secret_name).await?;

    let mut admin = Admin::connect(&admin_login).await?;
    let role = admin.role(name).await?;
    let database = admin.database(name).await?;
    refuse_foreign(owner, name, role.as_ref(), database.as_ref())?;

    let password = kept
        .as_ref()
        .and_then(|secret| password_of(name, secret.data.get(URL)?))
        .unwrap_or_else(new_password);
    let login = Login {
        user: name.into(),
        password,
        ..admin_login
    };
    let data = BTreeMap::from([(URL.to_string(), url(&login, name))]);
    // Before the role, so that a crash in between leaves a password that the next pass sets.
    secrets::keep(client, owner, &secret_name, &data, BTreeMap::new()).await?;

    if role.is_none() {
        admin
            .create_role(name, &login.password, &comment(owner))
            .await?;
    }
    if database.is_none() {
        admin.create_database(name, name).await?;
    }
    if database
        .as_ref()
        .is_none_or(|found| found.comment.is_none())
    {
        admin.comment_database(name, &comment(owner)).await?;
    }
    if database.as_ref().is_none_or(|found| found.open_to_public) {
        admin.close_to_public(name).await?;
    }
    let may_log_in = role.as_ref().is_none_or(|found| found.can_log_in);
    if !may_log_in || !login.works_for(name).await? {
        admin.set_password(name, &login.password).await?;
    }
    step.draft
        .change(|status| {
            if let Some(database) = &mut status.database {
                database.created = true;
            }
        })
        .await?;
    if database.is_none() {
        let note = format!("created database {name} and its role at {}", login.server());
        events::normal(
            step.context,
            step.gateway,
            DATABASE_READY,
            events::DATABASE_CREATED,
            note,
        )
        .await;
    }
    let finding = Finding::yes(
        DATABASE_READY,
        reason::CREATED,
        format!("database {name} exists; Secret {secret_name} holds its URL"),
    );
    Ok((finding, secrets::content_hash(&data)))
}

fn refuse_foreign(
    owner: &Owner,
    name: &str,
    role: Option<&Role>,
    database: Option<&Database>,
) -> Result<(), StepError> {
    let what = if role.is_some_and(|role| !marked(owner, role.comment.as_deref())) {
        "role"
    } else if database.is_some_and(|found| !ours(owner, name, role, found)) {
        "database"
    } else {
        return Ok(());
    };
    Err(StepError::Refused {
        reason: reason::DATABASE_OWNED_BY_OTHER,
        message: format!(
            "{what} {name} exists on the PostgreSQL server and its comment does not say \
             {OWNER_MARK}={}: rename or drop it, or make this FileGateway anew",
            owner.uid
        ),
    })
}

fn ours(owner: &Owner, name: &str, role: Option<&Role>, database: &Database) -> bool {
    let role_is_ours = role.is_some_and(|role| marked(owner, role.comment.as_deref()));
    match &database.comment {
        Some(comment) => marked(owner, Some(comment)),
        None => role_is_ours && database.owner == name,
    }
}

fn marked(owner: &Owner, comment: Option<&str>) -> bool {
    comment
        .and_then(|text| text.split_whitespace().next())
        .and_then(|word| word.strip_prefix(OWNER_MARK)?.strip_prefix('='))
        .is_some_and(|uid| uid == owner.uid)
}

fn comment(owner: &Owner) -> String {
    format!(
        "{OWNER_MARK}={} FileGateway {}/{}",
        owner.uid, owner.namespace, owner.name
    )
}

/// 256 random bits in characters that need no escape in a URL.
fn new_password() -> Sensitive {
    Sensitive::new(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
}

/// A connection URL.
/// Source: <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>.
fn url(login: &Login, database: &str) -> Sensitive {
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

fn password_of(user: &str, url: &Sensitive) -> Option<Sensitive> {
    let rest = url.expose().strip_prefix("postgres://")?;
    let (password, _) = rest
        .strip_prefix(user)?
        .strip_prefix(':')?
        .split_once('@')?;
    (!password.is_empty()).then(|| Sensitive::new(password))
}

/// Drops database and role when `policy`, status and comment all allow it; else keeps the database
/// and locks the role, so that no old password works any more.
///
/// # Errors
/// When the server fails.
pub async fn remove(
    context: &Context,
    class: &ClassSnapshot,
    owner: &Owner,
    status: &DatabaseStatus,
    policy: DeletionPolicy,
) -> Result<Fate, StepError> {
    let Some(login) = context.postgres(class).await? else {
        return Ok(Fate::Nothing);
    };
    let name = &status.name;
    let mut admin = Admin::connect(&login).await?;
    let role = admin.role(name).await?;
    let database = admin
        .database(name)
        .await?
        .filter(|found| ours(owner, name, role.as_ref(), found));
    let role = role.filter(|found| marked(owner, found.comment.as_deref()));
    if role.is_some() {
        admin.lock_role(name).await?;
    }
    if policy == DeletionPolicy::Retain {
        return Ok(match database {
            Some(_) => Fate::Retained(format!("database {name} at {}", login.server())),
            None => Fate::Nothing,
        });
    }
    if database.is_some() {
        admin.drop_database(name).await?;
    }
    if role.is_some() {
        admin.drop_role(name).await?;
    }
    Ok(match (database, role) {
        (None, None) => Fate::Nothing,
        _ => Fate::Deleted(format!("database {name}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(uid: &str) -> Owner {
        Owner {
            namespace: "acme".into(),
            name: "files".into(),
            uid: uid.into(),
        }
    }

    #[test]
    fn only_the_own_mark_counts() {
        let comment = comment(&owner("u-1"));
        assert!(marked(&owner("u-1"), Some(&comment)));
        assert!(!marked(&owner("u-10"), Some(&comment)));
        assert!(!marked(&owner("u"), Some(&comment)));
        assert!(!marked(&owner("u-1"), Some("")));
        assert!(!marked(&owner("u-1"), None));
    }

    #[test]
    fn an_unmarked_database_is_ours_only_with_our_role() {
        let found = Database {
            comment: None,
            owner: "db".into(),
            open_to_public: true,
        };
        let role = |uid: &str| Role {
            comment: Some(comment(&owner(uid))),
            can_log_in: true,
        };
        assert!(ours(&owner("u"), "db", Some(&role("u")), &found));
        assert!(!ours(&owner("u"), "db", Some(&role("other")), &found));
        assert!(!ours(&owner("u"), "db", None, &found));
    }

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
}
