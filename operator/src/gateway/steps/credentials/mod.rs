//! The key to the gateway's bucket, in the way that the class chose. What another way has left is taken
//! away as soon as no pod uses it any more.

mod iam_user;
mod secret;
mod web_identity;

use std::time::Duration;

use crds::Delivery;
use crds::conditions::{CREDENTIALS_READY, Finding};

use super::rotation::Rotated;
use super::{Fate, Step, StepError};
use crate::events;
use crate::gateway::credentials::CredentialsPlan;

pub use iam_user::{is_in_use, key_id, remove};

const ID: &str = "access-key-id";
const SECRET: &str = "secret-access-key";
/// How long a URL is good that a gateway has signed with its key (`delivery: Redirect`).
const SIGNED_URL: Duration = Duration::from_secs(300);

/// Makes pods able to get at their bucket.
///
/// # Errors
/// When a server fails, or something belongs to somebody else or can't be used.
pub async fn ensure(step: &Step<'_>) -> Result<(Finding, Option<Rotated>), StepError> {
    match &step.plan.credentials {
        CredentialsPlan::IamUser => {
            let (finding, rotated) = iam_user::ensure(step).await?;
            Ok((finding, Some(rotated)))
        }
        CredentialsPlan::Secret { name } => {
            let (finding, rotated) = secret::ensure(step, name).await?;
            Ok((finding, Some(rotated)))
        }
        CredentialsPlan::WebIdentity(identity) => {
            Ok((web_identity::ensure(step, identity).await?, None))
        }
    }
}

/// How long after a Secret has changed its former content may still be in use.
pub fn spread(step: &Step<'_>) -> Duration {
    let delay = step.context.config.secret_delay;
    match step.plan.delivery {
        Delivery::Redirect => delay + SIGNED_URL,
        Delivery::Proxy => delay,
    }
}

/// The user that the operator made for this gateway when its class still wanted one.
async fn former_user(step: &Step<'_>) -> Option<String> {
    step.draft.read().await.bucket?.user
}

/// Deletes that user with its keys, at the server where it was made.
async fn retire(step: &Step<'_>, user: &str) -> Result<(), StepError> {
    let status = step.draft.read().await;
    let class = status.class.as_ref().unwrap_or(&step.plan.class);
    let fate = remove(step.context, class, &step.plan.owner, user).await?;
    step.draft
        .change(|status| {
            if let Some(bucket) = &mut status.bucket {
                bucket.user = None;
            }
            status.class = Some(step.plan.class.clone());
        })
        .await?;
    if let Fate::Deleted(what) = fate {
        let note = format!("deleted {what}, which no pod uses any more");
        let event = events::KEY_REVOKED;
        events::normal(step.context, step.gateway, CREDENTIALS_READY, event, note).await;
    }
    Ok(())
}
