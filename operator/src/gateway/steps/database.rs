//! A database of the gateway's own on the class's PostgreSQL server, and the role that owns it.
//!
//! The mark is a comment with the owner's UID. Roles get it in the transaction that creates them; a
//! database without one is ours when its owner is that role.
//!
//! A role has one password, so a rotation needs two roles, used by turns: the database's owner, and a
//! second one that acts as the owner once it has logged in. The Secret is changed to the other role;
//! the former one is locked when every pod had time to see that and none of its sessions is left.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crds::conditions::{DATABASE_READY, Finding, reason};
use crds::{ClassSnapshot, DatabaseStatus, DeletionPolicy};
use k8s_openapi::jiff::Timestamp;

use super::rotation::{Progress, Rotated, Stage, now};
use super::{Fate, Step, StepError};
use crate::apply::hash;
use crate::context::Context;
use crate::events;
use crate::gateway::workload;
use crate::meta::{OWNER_MARK, Owner, database_secret_name};
use crate::names;
use crate::remote::postgres::{Admin, Database, Login, Role};
use crate::secrets::{self, Owned};
use crate::sensitive::Sensitive;

const URL: &str = "url";
/// Annotation of the Secret: the role before this one.
const FORMER: &str = "filegateway.dev/former-database-role";
/// Gateways renew their sessions every half an hour; one that is older than this was forgotten, and is
/// ended.
const LONGEST_SESSION: Duration = Duration::from_secs(60 * 60);

/// The login in the Secret, and how far its rotation is.
struct Held {
    user: String,
    password: Sensitive,
    progress: Progress,
    /// The role that pods may still log in with.
    former: Option<String>,
}

impl Held {
    /// `None` when it is not a login of one of `roles`.
    fn read(secret: &Owned, roles: &[&str; 2]) -> Option<Self> {
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

    fn login(&self, admin: &Login) -> Login {
        Login {
            user: self.user.clone(),
            password: self.password.clone(),
            ..admin.clone()
        }
    }

    async fn keep(&self, step: &Step<'_>, admin: &Login, name: &str) -> Result<(), StepError> {
        let owner = &step.plan.owner;
        let data = BTreeMap::from([(URL.to_string(), url(&self.login(admin), name))]);
        let mut annotations = self.progress.annotations();
        if let Some(former) = &self.former {
            annotations.insert(FORMER.into(), former.clone());
        }
        let secret = database_secret_name(&owner.name);
        secrets::keep(&step.context.client, owner, &secret, &data, annotations).await?;
        Ok(())
    }

    /// When this stage is over at the earliest; a settled login stays until a rotation is due.
    fn ends(&self, step: &Step<'_>) -> Option<Timestamp> {
        let spread = step.context.config.secret_delay;
        (self.progress.stage != Stage::Settled).then(|| self.progress.end_of(spread))
    }
}

/// What the step found out.
pub struct Catalog {
    /// How the rotation of the password is.
    pub rotated: Rotated,
    /// Changes with the server: what pods hold open to the former one has to end.
    pub server: String,
}

/// Makes roles, database and Secret exist, and rotates the login when that is due.
///
/// # Errors
/// When the server fails, or something of that name belongs to somebody else.
pub async fn ensure(step: &Step<'_>, name: &str) -> Result<(Finding, Catalog), StepError> {
    let owner = &step.plan.owner;
    let schedule = &step.plan.rotations.database_password;
    let Some(admin_login) = step.context.postgres(&step.plan.class).await? else {
        return Err(StepError::Refused {
            reason: reason::INVALID_SPEC,
            message: "the FileGatewayClass names no PostgreSQL server".into(),
        });
    };
    let secret_name = database_secret_name(&owner.name);
    // Read first: when this fails no password may be set.
    let kept = secrets::owned(&step.context.client, owner, &secret_name).await?;

    let second = second_role(owner);
    let mut admin = Admin::connect(&admin_login).await?;
    let roles = [
        (name, admin.role(name).await?),
        (&*second, admin.role(&second).await?),
    ];
    let database = admin.database(name).await?;
    refuse_foreign(owner, name, &roles, database.as_ref())?;

    let mut held = kept
        .and_then(|secret| Held::read(&secret, &[name, &second]))
        .unwrap_or_else(|| Held {
            user: name.into(),
            password: new_password(),
            progress: Progress::new(schedule, now()),
            former: None,
        });
    // Before the role, so that a crash in between leaves a password that the next pass sets.
    held.keep(step, &admin_login, name).await?;
    ensure_database(&mut admin, owner, name, &roles, &held, database.as_ref()).await?;
    ensure_login(&mut admin, owner, name, &roles, &held, &admin_login).await?;
    lock_others(&mut admin, &roles, &held).await?;
    step.draft
        .change(|status| {
            if let Some(database) = &mut status.database {
                database.created = true;
            }
        })
        .await?;
    if database.is_none() {
        let server = admin_login.server();
        let note = format!("created database {name} and its role at {server}");
        let event = events::DATABASE_CREATED;
        events::normal(step.context, step.gateway, DATABASE_READY, event, note).await;
    }
    if is_over(step, &mut admin, &held).await? {
        advance(step, &mut admin, &roles, &mut held, &admin_login).await?;
    }
    let look_at = held.ends(step).or_else(|| held.progress.due_at(schedule));
    let rotated = Rotated {
        status: held.progress.status(schedule),
        look_at,
    };
    let catalog = Catalog {
        rotated,
        server: server_hash(&url(&held.login(&admin_login), name)),
    };
    Ok((finding(step, name, &held), catalog))
}

fn second_role(owner: &Owner) -> String {
    names::second_role(&owner.namespace, &owner.name, &owner.uid)
}

async fn ensure_database(
    admin: &mut Admin,
    owner: &Owner,
    name: &str,
    roles: &Roles<'_>,
    held: &Held,
    database: Option<&Database>,
) -> Result<(), StepError> {
    if roles[0].1.is_none() {
        // Its password is not the one in use when the other role is.
        let unused = new_password();
        let password = if held.user == name {
            &held.password
        } else {
            &unused
        };
        admin.create_role(name, password, &comment(owner)).await?;
    }
    if database.is_none() {
        admin.create_database(name, name).await?;
    }
    if database.is_none_or(|found| found.comment.is_none()) {
        admin.comment_database(name, &comment(owner)).await?;
    }
    if database.is_none_or(|found| found.open_to_public) {
        admin.close_to_public(name).await?;
    }
    Ok(())
}

/// Makes the login in the Secret work.
async fn ensure_login(
    admin: &mut Admin,
    owner: &Owner,
    name: &str,
    roles: &Roles<'_>,
    held: &Held,
    admin_login: &Login,
) -> Result<(), StepError> {
    let role = role_of(roles, &held.user);
    if role.is_none() && held.user != name {
        let comment = comment(owner);
        admin
            .create_login(&held.user, name, &held.password, &comment)
            .await?;
    }
    let may_log_in = role.is_none_or(|found| found.can_log_in);
    if !may_log_in || !held.login(admin_login).works_for(name).await? {
        admin.set_password(&held.user, &held.password).await?;
    }
    Ok(())
}

/// Only those logins are left that pods may have. Others are of a crash, or of a Secret that is lost.
async fn lock_others(admin: &mut Admin, roles: &Roles<'_>, held: &Held) -> Result<(), StepError> {
    for (name, role) in roles {
        let in_use = *name == held.user || held.former.as_deref() == Some(*name);
        if !in_use && role.as_ref().is_some_and(|role| role.can_log_in) {
            admin.lock_role(name).await?;
        }
    }
    Ok(())
}

async fn is_over(step: &Step<'_>, admin: &mut Admin, held: &Held) -> Result<bool, StepError> {
    let now = now();
    let (Some(end), Some(former)) = (held.ends(step), &held.former) else {
        return Ok(held
            .progress
            .due(&step.plan.rotations.database_password, now));
    };
    // A pod that is not ready may not have seen what the others have.
    if end > now || !workload::all_ready(&step.context.client, &step.plan.owner).await? {
        return Ok(false);
    }
    Ok(held.progress.end_of(LONGEST_SESSION) <= now || admin.sessions(former).await? == 0)
}

/// One step further. Each can be done again after a crash.
async fn advance(
    step: &Step<'_>,
    admin: &mut Admin,
    roles: &Roles<'_>,
    held: &mut Held,
    admin_login: &Login,
) -> Result<(), StepError> {
    let owner = &step.plan.owner;
    let (name, second) = (roles[0].0, roles[1].0);
    let (event, note) = if let Some(former) = held.former.take() {
        admin.lock_role(&former).await?;
        held.progress.enter(Stage::Settled, now());
        (
            events::KEY_REVOKED,
            format!("locked the former login {former} of database {name}"),
        )
    } else {
        let next = if held.user == name { second } else { name };
        held.former = Some(std::mem::replace(&mut held.user, next.into()));
        held.password = new_password();
        held.progress = Progress::new(&step.plan.rotations.database_password, now());
        held.progress.enter(Stage::Spreading, now());
        if role_of(roles, next).is_none() && next != name {
            let comment = comment(owner);
            admin
                .create_login(next, name, &held.password, &comment)
                .await?;
        } else {
            admin.set_password(next, &held.password).await?;
        }
        let secret = database_secret_name(&owner.name);
        (
            events::KEY_ROTATED,
            format!(
                "put another login of database {name} into Secret {secret}; the former is good until \
                 every pod uses the new one"
            ),
        )
    };
    held.keep(step, admin_login, name).await?;
    events::normal(step.context, step.gateway, DATABASE_READY, event, note).await;
    Ok(())
}

fn finding(step: &Step<'_>, name: &str, held: &Held) -> Finding {
    let secret = database_secret_name(&step.plan.owner.name);
    let (reason, message) = match held.ends(step) {
        Some(end) => (
            reason::ROTATION_IN_PROGRESS,
            format!(
                "Secret {secret} holds another login of database {name}; the former is locked after {end}, \
                 when all pods are ready and none of its sessions is left"
            ),
        ),
        None => (
            reason::CREATED,
            format!("database {name} exists; Secret {secret} holds its URL"),
        ),
    };
    Finding::yes(DATABASE_READY, reason, message)
}

/// The database's owner and the second role, as found.
type Roles<'a> = [(&'a str, Option<Role>); 2];

fn role_of<'a>(roles: &'a Roles<'_>, name: &str) -> Option<&'a Role> {
    let mut all = roles.iter();
    all.find(|(role, _)| *role == name)?.1.as_ref()
}

fn refuse_foreign(
    owner: &Owner,
    name: &str,
    roles: &Roles<'_>,
    database: Option<&Database>,
) -> Result<(), StepError> {
    let foreign = |role: &Option<Role>| {
        let mut role = role.iter();
        role.any(|role| !marked(owner, role.comment.as_deref()))
    };
    let role = roles[0].1.as_ref();
    let (what, name) = if let Some((name, _)) = roles.iter().find(|(_, role)| foreign(role)) {
        ("role", *name)
    } else if database.is_some_and(|found| !ours(owner, name, role, found)) {
        ("database", name)
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

/// What tells the server apart, whoever logs in to it: pods are restarted when it changes.
pub fn server_of(secret: &Owned) -> Option<String> {
    secret.data.get(URL).map(server_hash)
}

fn server_hash(url: &Sensitive) -> String {
    let server = url.expose().rsplit_once('@').map(|(_, server)| server);
    hash(server.unwrap_or_default())
}

fn password_of(user: &str, url: &Sensitive) -> Option<Sensitive> {
    let rest = url.expose().strip_prefix("postgres://")?;
    let (password, _) = rest
        .strip_prefix(user)?
        .strip_prefix(':')?
        .split_once('@')?;
    (!password.is_empty()).then(|| Sensitive::new(password))
}

/// Drops database and roles when `policy`, status and comment all allow it; else keeps the database
/// and locks the roles, so that no old password works any more.
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
    let second = second_role(owner);
    let second_role = admin.role(&second).await?;
    let database = admin
        .database(name)
        .await?
        .filter(|found| ours(owner, name, role.as_ref(), found));
    // The owner last: the second role is a member of it.
    let found = [(&*second, second_role), (name.as_str(), role)];
    let roles: Vec<&str> = found
        .iter()
        .filter(|(_, role)| {
            let mut role = role.iter();
            role.any(|role| marked(owner, role.comment.as_deref()))
        })
        .map(|(name, _)| *name)
        .collect();
    for role in &roles {
        admin.lock_role(role).await?;
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
    for role in &roles {
        admin.drop_role(role).await?;
    }
    Ok(if database.is_none() && roles.is_empty() {
        Fate::Nothing
    } else {
        Fate::Deleted(format!("database {name}"))
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
