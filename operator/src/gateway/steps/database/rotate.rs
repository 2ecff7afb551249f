//! One login gives way to the other.

use std::time::Duration;

use crds::conditions::DATABASE_READY;

use super::super::rotation::{Progress, Stage, now};
use super::super::{Step, StepError};
use super::login::{Held, new_password};
use super::owners::{Roles, comment, role_of};
use crate::events;
use crate::gateway::workload;
use crate::meta::database_secret_name;
use crate::remote::postgres::{Admin, Login};

/// Gateways renew their sessions every half an hour; one that is older than this was forgotten, and is
/// ended.
const LONGEST_SESSION: Duration = Duration::from_secs(60 * 60);

/// Whether it is time for [`advance`].
pub(super) async fn is_over(
    step: &Step<'_>,
    admin: &mut Admin,
    held: &Held,
) -> Result<bool, StepError> {
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
pub(super) async fn advance(
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
