//! A database of the gateway's own on the class's PostgreSQL server, and the role that owns it.
//!
//! The mark is a comment with the owner's UID. Roles get it in the transaction that creates them; a
//! database without one is ours when its owner is that role.
//!
//! A role has one password, so a rotation needs two roles, used by turns: the database's owner, and a
//! second one that acts as the owner once it has logged in. The Secret is changed to the other role;
//! the former one is locked when every pod had time to see that and none of its sessions is left.

mod login;
mod owners;
mod remove;
mod rotate;

use crds::conditions::{DATABASE_READY, Finding, reason};

use super::rotation::{Progress, Rotated, now};
use super::{Step, StepError};
use crate::events;
use crate::meta::{Owner, database_secret_name};
use crate::remote::postgres::{Admin, Database, Login};
use crate::secrets;

use login::{Held, new_password, url};
pub use login::{server_hash, server_of};
use owners::{Roles, comment, refuse_foreign, role_of, second_role};
pub use remove::{is_same_server, remove};
use rotate::{advance, is_over};

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
    let mut admin = Admin::connect(&admin_login, &step.context.metrics).await?;
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
    step.intent_is_known().await?;
    // Before the role, so that a crash in between leaves a password that the next pass sets.
    held.keep(step, &admin_login, name).await?;
    ensure_database(&mut admin, owner, name, &roles, &held, database.as_ref()).await?;
    ensure_login(&mut admin, owner, name, &roles, &held, &admin_login).await?;
    lock_others(&mut admin, &roles, &held).await?;
    // Comments on the server say it too, so it may be forgotten.
    step.draft
        .note(|status| {
            if let Some(database) = &mut status.database {
                database.created = true;
            }
        })
        .await;
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
    if !may_log_in || !admin.accepts(&held.login(admin_login), name).await? {
        admin.set_password(&held.user, &held.password).await?;
    }
    Ok(())
}

/// Only those logins are left that pods may have. Others are of a crash, or of a Secret that is lost.
async fn lock_others(admin: &mut Admin, roles: &Roles<'_>, held: &Held) -> Result<(), StepError> {
    for (name, role) in roles {
        let in_use = *name == held.user || held.former.as_deref() == Some(*name);
        let Some(role) = role.as_ref().filter(|_| !in_use) else {
            continue;
        };
        // A crash may have come between the lock and the end of the sessions.
        if role.can_log_in || admin.sessions(name).await? > 0 {
            admin.lock_role(name).await?;
        }
    }
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
