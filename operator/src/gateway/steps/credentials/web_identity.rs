//! No key at all: pods get temporary ones for their ServiceAccount's token. What is left to do is to take
//! away what another way has made.

use crds::WebIdentityCredentials;
use crds::conditions::{CREDENTIALS_READY, Finding, reason};

use super::{former_user, retire};
use crate::gateway::build::IDENTITY_VOLUME;
use crate::gateway::steps::{Step, StepError};
use crate::gateway::workload;
use crate::meta::s3_secret_name;
use crate::secrets;

/// Deletes user and Secret of before, once every pod has the token.
///
/// # Errors
/// When a server fails.
pub(super) async fn ensure(
    step: &Step<'_>,
    identity: &WebIdentityCredentials,
) -> Result<Finding, StepError> {
    let (client, owner) = (&step.context.client, &step.plan.owner);
    if workload::all_mount(client, owner, IDENTITY_VOLUME).await? {
        if let Some(user) = former_user(step).await {
            retire(step, &user).await?;
        }
        secrets::delete(client, owner, &s3_secret_name(&owner.name)).await?;
    }
    Ok(Finding::yes(
        CREDENTIALS_READY,
        reason::WEB_IDENTITY,
        format!(
            "pods get temporary keys of role {} for their ServiceAccount's token; no key is stored",
            identity.role_arn
        ),
    ))
}
