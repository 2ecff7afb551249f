//! What becomes of database and roles when their gateway goes.

use crds::conditions::reason;
use crds::{ClassSnapshot, DatabaseStatus, DeletionPolicy};

use super::super::{Fate, StepError};
use super::owners::{marked, ours, second_role};
use crate::context::Context;
use crate::meta::Owner;
use crate::remote::postgres::Admin;

/// Whether two classes name one PostgreSQL server, at two addresses as it may be.
///
/// # Errors
/// When a server fails.
pub async fn is_same_server(
    context: &Context,
    class: &ClassSnapshot,
    former: &ClassSnapshot,
) -> Result<bool, StepError> {
    let logins = (
        context.postgres(class).await?,
        context.postgres(former).await?,
    );
    let (Some(login), Some(former)) = logins else {
        return Ok(false);
    };
    // Open all the while, so that its answer is not of a server that has been started anew meanwhile.
    let mut former = Admin::connect(&former, &context.metrics).await?;
    let mut admin = Admin::connect(&login, &context.metrics).await?;
    Ok(former.started().await? == admin.started().await?)
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
    let name = &status.name;
    let Some(login) = context.postgres(class).await? else {
        return Err(StepError::Unusable {
            reason: reason::INVALID_SPEC,
            message: format!(
                "FileGatewayClass {} names no PostgreSQL server, so the login of database {name} can't be \
                 revoked: give it spec.database again",
                class.name
            ),
        });
    };
    let mut admin = Admin::connect(&login, &context.metrics).await?;
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
