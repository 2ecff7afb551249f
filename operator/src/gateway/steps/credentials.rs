//! The S3 user that can touch the gateway's bucket alone, and its one access key.
//!
//! The user's path carries the owner's UID: it is given at creation, so no crash can leave a user
//! without it. The Secret is the only place where the secret half of a key is kept; a key that is
//! not in it is useless and goes.

use std::collections::BTreeMap;

use crds::ClassSnapshot;
use crds::conditions::{CREDENTIALS_READY, Finding, reason};
use serde_json::{Value, json};

use super::{Fate, Step, StepError};
use crate::context::Context;
use crate::events;
use crate::meta::{Owner, s3_secret_name};
use crate::remote::iam::Iam;
use crate::secrets;
use crate::sensitive::Sensitive;

/// Name of the inline policy.
const POLICY: &str = "bucket";
/// AWS allows two keys per user, and so do servers like it.
const MOST_KEYS: usize = 2;
const ID: &str = "access-key-id";
const SECRET: &str = "secret-access-key";

/// Makes user, policy, key and Secret exist.
///
/// # Errors
/// When the server fails, or user or Secret belong to somebody else.
pub async fn ensure(step: &Step<'_>) -> Result<Finding, StepError> {
    let plan = step.plan;
    let owner = &plan.owner;
    let user = &plan.user;
    let iam = step.context.iam(&plan.class).await?;
    let secret_name = s3_secret_name(&owner.name);
    // Read first: when this fails nothing may be issued.
    let kept = secrets::owned(&step.context.client, owner, &secret_name).await?;

    ensure_user(&iam, user, owner).await?;
    ensure_policy(&iam, user, &plan.bucket).await?;

    let ids = iam.key_ids(user).await?;
    let kept = kept.filter(|data| {
        let id = data.get(ID).map(Sensitive::expose);
        data.contains_key(SECRET) && ids.iter().any(|known| Some(known.as_str()) == id)
    });
    let current = match kept {
        Some(data) => {
            secrets::keep(&step.context.client, owner, &secret_name, &data).await?;
            data.get(ID).map(|id| id.expose().to_string())
        }
        None => Some(issue(step, &iam, &ids, &secret_name).await?),
    };
    for id in ids.iter().filter(|id| Some(*id) != current.as_ref()) {
        iam.delete_key(user, id).await?;
    }
    Ok(Finding::yes(
        CREDENTIALS_READY,
        reason::ISSUED,
        format!(
            "S3 user {user} has a key in Secret {secret_name}, for bucket {} alone",
            plan.bucket
        ),
    ))
}

async fn ensure_user(iam: &Iam, user: &str, owner: &Owner) -> Result<(), StepError> {
    let path = path(owner);
    match iam.user_path(user).await? {
        None => Ok(iam.create_user(user, &path).await?),
        Some(found) if found == path => Ok(()),
        Some(_) => Err(StepError::Refused {
            reason: reason::USER_CONFLICT,
            message: format!(
                "S3 user {user} exists and was not made for this FileGateway: delete it, or make \
                 this FileGateway anew"
            ),
        }),
    }
}

async fn ensure_policy(iam: &Iam, user: &str, bucket: &str) -> Result<(), StepError> {
    let wanted = policy(bucket);
    let found = iam.policy(user, POLICY).await?;
    let found = found.and_then(|text| serde_json::from_str::<Value>(&text).ok());
    if found.as_ref() != Some(&wanted) {
        iam.set_policy(user, POLICY, &wanted.to_string()).await?;
    }
    Ok(())
}

async fn issue(
    step: &Step<'_>,
    iam: &Iam,
    ids: &[String],
    secret_name: &str,
) -> Result<String, StepError> {
    let plan = step.plan;
    // Keys of an earlier crash, or of a Secret that is lost: nobody knows their secret half.
    if ids.len() >= MOST_KEYS {
        for id in ids {
            iam.delete_key(&plan.user, id).await?;
        }
    }
    let key = iam.create_key(&plan.user).await?;
    let data = BTreeMap::from([
        (ID.to_string(), Sensitive::new(key.id.clone())),
        (SECRET.to_string(), key.secret),
    ]);
    secrets::keep(&step.context.client, &plan.owner, secret_name, &data).await?;
    let note = format!(
        "issued an access key of S3 user {} into Secret {secret_name}",
        plan.user
    );
    events::normal(
        step.context,
        step.gateway,
        CREDENTIALS_READY,
        events::KEY_ISSUED,
        note,
    )
    .await;
    Ok(key.id)
}

/// Everything in the bucket, nothing outside it, and neither the bucket's existence nor what says
/// whose it is.
fn policy(bucket: &str) -> Value {
    let arn = format!("arn:aws:s3:::{bucket}");
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "s3:*",
                "Resource": [arn, format!("{arn}/*")],
            },
            {
                "Effect": "Deny",
                "Action": [
                    "s3:DeleteBucket",
                    "s3:DeleteBucketPolicy",
                    "s3:PutBucketAcl",
                    "s3:PutBucketPolicy",
                    "s3:PutBucketTagging",
                ],
                "Resource": arn,
            },
        ],
    })
}

fn path(owner: &Owner) -> String {
    format!("/filegateway/{}/", owner.uid)
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
    let iam = context.iam(class).await?;
    match iam.user_path(user).await? {
        Some(found) if found == path(owner) => {
            iam.delete_user(user).await?;
            Ok(Fate::Deleted(format!("S3 user {user}")))
        }
        _ => Ok(Fate::Nothing),
    }
}
