//! The S3 user that can touch the gateway's bucket alone, and its access key.
//!
//! The user's path carries the owner's UID: it is given at creation, so no crash can leave a user
//! without it. The Secret is the only place where the secret half of a key is kept; a key that is
//! neither in it nor noted there as the former one is useless and goes.
//!
//! A rotation makes a second key and puts it into the Secret. The former one stays active until every
//! pod had time to see that, is deactivated then, and deleted after the same time again, in which a
//! person could still activate it.

use std::collections::BTreeMap;

use crds::ClassSnapshot;
use crds::conditions::{CREDENTIALS_READY, Finding, reason};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use serde_json::Value;

use super::{ID, SECRET, spread};
use crate::context::Context;
use crate::events;
use crate::gateway::steps::rotation::{Progress, Rotated, Stage, now};
use crate::gateway::steps::{Fate, Step, StepError};
use crate::gateway::workload;
use crate::meta::{Owner, s3_secret_name};
use crate::remote::iam::Iam;
use crate::remote::{AccessKey, policy};
use crate::secrets::{self, Owned};
use crate::sensitive::Sensitive;

/// Name of the inline policy.
const POLICY: &str = "bucket";
/// AWS allows two keys per user, and so do servers like it.
const MOST_KEYS: usize = 2;
/// Annotation of the Secret: the id of the key before this one.
const FORMER: &str = "filegateway.dev/former-access-key-id";

/// The key in the Secret, and how far its rotation is.
struct Held {
    key: AccessKey,
    progress: Progress,
    /// The id of the one before, until it is deleted.
    former: Option<String>,
}

impl Held {
    /// `None` when there is no key that one of `ids` names.
    fn read(secret: Owned, ids: &[String]) -> Option<Self> {
        let mut progress = Progress::read(&secret.annotations, secret.created);
        let mut data = secret.data;
        let key = AccessKey {
            id: data.remove(ID)?.expose().into(),
            secret: data.remove(SECRET)?,
        };
        let listed = |id: &String| ids.contains(id);
        let former = secret.annotations.get(FORMER).cloned().filter(listed);
        // Whoever has deleted the former key has ended the rotation.
        if former.is_none() {
            progress.stage = Stage::Settled;
        }
        listed(&key.id).then_some(Self {
            key,
            progress,
            former,
        })
    }

    async fn keep(&self, step: &Step<'_>, name: &str) -> Result<(), StepError> {
        let data = BTreeMap::from([
            (ID.to_string(), Sensitive::new(self.key.id.clone())),
            (SECRET.to_string(), self.key.secret.clone()),
        ]);
        let mut annotations = self.progress.annotations();
        if let Some(former) = &self.former {
            annotations.insert(FORMER.into(), former.clone());
        }
        let owner = &step.plan.owner;
        secrets::keep(step.context.cluster(), owner, name, &data, annotations).await?;
        Ok(())
    }

    /// When this stage is over; a settled key stays until a rotation is due.
    fn ends(&self, step: &Step<'_>) -> Option<Timestamp> {
        match self.progress.stage {
            Stage::Settled => None,
            Stage::Spreading => Some(self.progress.end_of(spread(step))),
            Stage::Retiring => Some(self.progress.end_of(step.context.config.secret_delay)),
        }
    }
}

/// Makes user, policy, key and Secret exist, and rotates the key when that is due.
///
/// # Errors
/// When the server fails, or user or Secret belong to somebody else.
pub async fn ensure(step: &Step<'_>) -> Result<(Finding, Rotated), StepError> {
    let plan = step.plan;
    let owner = &plan.owner;
    let user = &plan.user;
    let schedule = &plan.rotations.access_key;
    let iam = step.context.iam(&plan.class).await?;
    let iam = iam.ok_or_else(|| StepError::Unusable {
        reason: reason::INVALID_SPEC,
        message: "the FileGatewayClass names no IAM server: give it spec.iam".into(),
    })?;
    let name = s3_secret_name(&owner.name);
    // Read first: when this fails nothing may be issued.
    let kept = secrets::owned(&step.context.client, owner, &name).await?;

    step.intent_is_known().await?;
    let ids = if kept.is_none() && iam.create_user(user, &path(owner)).await? {
        // It has neither a policy nor keys yet.
        set_policy(&iam, user, &plan.bucket).await?;
        Vec::new()
    } else {
        ensure_user(&iam, user, owner).await?;
        ensure_policy(&iam, user, &plan.bucket).await?;
        iam.key_ids(user).await?
    };
    let held = match kept.and_then(|secret| Held::read(secret, &ids)) {
        Some(mut held) => {
            // Of a crash, or by somebody who has no business here; also to have room for another.
            delete_others(&iam, user, &ids, &held).await?;
            if is_over(step, &held).await? {
                advance(step, &iam, &mut held, &name).await?;
            } else {
                held.keep(step, &name).await?;
            }
            held
        }
        None => {
            let held = issue(step, &iam, &ids, &name).await?;
            delete_others(&iam, user, &ids, &held).await?;
            held
        }
    };
    let look_at = held.ends(step).or_else(|| held.progress.due_at(schedule));
    let rotated = Rotated {
        status: held.progress.status(schedule),
        look_at,
    };
    Ok((finding(step, &held, &name), rotated))
}

async fn is_over(step: &Step<'_>, held: &Held) -> Result<bool, StepError> {
    let now = now();
    match held.ends(step) {
        None => Ok(held.progress.due(&step.plan.rotations.access_key, now)),
        // A pod that is not ready may not have seen what the others have.
        Some(end) => {
            Ok(end <= now && workload::all_ready(&step.context.client, &step.plan.owner).await?)
        }
    }
}

/// One step further. Each can be done again after a crash.
async fn advance(step: &Step<'_>, iam: &Iam, held: &mut Held, name: &str) -> Result<(), StepError> {
    let user = &step.plan.user;
    let now = now();
    let announcement = match (held.progress.stage, held.former.take()) {
        (Stage::Spreading, Some(former)) => {
            iam.deactivate_key(user, &former).await?;
            held.former = Some(former);
            held.progress.enter(Stage::Retiring, now);
            None
        }
        (Stage::Retiring, Some(former)) => {
            iam.delete_key(user, &former).await?;
            held.progress.enter(Stage::Settled, now);
            let note = format!("deleted the former access key of S3 user {user}");
            Some((events::KEY_REVOKED, note))
        }
        _ => {
            let key = iam.create_key(user).await?;
            held.former = Some(std::mem::replace(&mut held.key, key).id);
            held.progress = Progress::new(&step.plan.rotations.access_key, now);
            held.progress.enter(Stage::Spreading, now);
            let note = format!(
                "put a new access key of S3 user {user} into Secret {name}; the former is good until \
                 every pod uses the new one"
            );
            Some((events::KEY_ROTATED, note))
        }
    };
    held.keep(step, name).await?;
    if let Some((event, note)) = announcement {
        events::normal(step.context, step.gateway, CREDENTIALS_READY, event, note).await;
    }
    Ok(())
}

async fn delete_others(
    iam: &Iam,
    user: &str,
    ids: &[String],
    held: &Held,
) -> Result<(), StepError> {
    let known = [Some(&held.key.id), held.former.as_ref()];
    for id in ids.iter().filter(|id| !known.contains(&Some(*id))) {
        iam.delete_key(user, id).await?;
    }
    Ok(())
}

fn finding(step: &Step<'_>, held: &Held, name: &str) -> Finding {
    let (user, bucket) = (&step.plan.user, &step.plan.bucket);
    let (reason, message) = match (held.progress.stage, held.ends(step)) {
        (Stage::Spreading, Some(end)) => (
            reason::ROTATION_IN_PROGRESS,
            format!(
                "S3 user {user} has a new key in Secret {name}; the former is deactivated at {end} if \
                 all pods are ready then"
            ),
        ),
        (Stage::Retiring, Some(end)) => (
            reason::ROTATION_IN_PROGRESS,
            format!(
                "S3 user {user} has a new key in Secret {name}; the former is inactive, and deleted at \
                 {end}"
            ),
        ),
        _ => (
            reason::ISSUED,
            format!("S3 user {user} has a key in Secret {name}, for bucket {bucket} alone"),
        ),
    };
    Finding::yes(CREDENTIALS_READY, reason, message)
}

async fn ensure_user(iam: &Iam, user: &str, owner: &Owner) -> Result<(), StepError> {
    let path = path(owner);
    match iam.user_path(user).await? {
        None if iam.create_user(user, &path).await? => Ok(()),
        Some(found) if found == path => Ok(()),
        _ => Err(StepError::Refused {
            reason: reason::USER_CONFLICT,
            message: format!(
                "S3 user {user} exists and was not made for this FileGateway: delete it, or make \
                 this FileGateway anew"
            ),
        }),
    }
}

async fn ensure_policy(iam: &Iam, user: &str, bucket: &str) -> Result<(), StepError> {
    let wanted = policy::of_bucket(bucket);
    let found = iam.policy(user, POLICY).await?;
    let found = found.and_then(|text| serde_json::from_str::<Value>(&text).ok());
    if found.as_ref() != Some(&wanted) {
        set_policy(iam, user, bucket).await?;
    }
    Ok(())
}

async fn set_policy(iam: &Iam, user: &str, bucket: &str) -> Result<(), StepError> {
    let policy = policy::of_bucket(bucket).to_string();
    Ok(iam.set_policy(user, POLICY, &policy).await?)
}

async fn issue(step: &Step<'_>, iam: &Iam, ids: &[String], name: &str) -> Result<Held, StepError> {
    let plan = step.plan;
    // Keys of an earlier crash, or of a Secret that is lost: nobody knows their secret half.
    if ids.len() >= MOST_KEYS {
        for id in ids {
            iam.delete_key(&plan.user, id).await?;
        }
    }
    let held = Held {
        key: iam.create_key(&plan.user).await?,
        progress: Progress::new(&plan.rotations.access_key, now()),
        former: None,
    };
    held.keep(step, name).await?;
    let user = &plan.user;
    let note = format!("issued an access key of S3 user {user} into Secret {name}");
    let event = events::KEY_ISSUED;
    events::normal(step.context, step.gateway, CREDENTIALS_READY, event, note).await;
    Ok(held)
}

fn path(owner: &Owner) -> String {
    format!("/filegateway/{}/", owner.uid)
}

/// Id of the key in the gateway's Secret; `None` when there is none.
///
/// # Errors
/// When the API server fails.
pub async fn key_id(client: &Client, owner: &Owner) -> Result<Option<String>, StepError> {
    let secret = secrets::owned(client, owner, &s3_secret_name(&owner.name)).await?;
    let id = secret.and_then(|mut secret| secret.data.remove(ID));
    Ok(id.map(|id| id.expose().into()))
}

/// Whether the IAM server of `class` knows `key` as one of `user`: then it is the one that the gateway uses,
/// whatever its address.
///
/// # Errors
/// When the server fails.
pub async fn is_in_use(
    context: &Context,
    class: &ClassSnapshot,
    user: &str,
    key: &str,
) -> Result<bool, StepError> {
    let Some(iam) = context.iam(class).await? else {
        return Ok(false);
    };
    Ok(iam.key_ids(user).await?.iter().any(|id| id == key))
}

/// Deletes the user with its keys, if it is ours.
///
/// # Errors
/// When the server fails.
pub async fn remove(
    context: &Context,
    class: &ClassSnapshot,
    owner: &Owner,
    user: &str,
) -> Result<Fate, StepError> {
    let Some(iam) = context.iam(class).await? else {
        return Ok(Fate::Retained(format!(
            "S3 user {user}, since its FileGatewayClass names no IAM server"
        )));
    };
    match iam.user_path(user).await? {
        Some(found) if found == path(owner) => {
            iam.delete_user(user).await?;
            Ok(Fate::Deleted(format!("S3 user {user}")))
        }
        _ => Ok(Fate::Nothing),
    }
}
