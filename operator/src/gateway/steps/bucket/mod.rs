//! The bucket: created, or adopted by an explicit field, and marked with the owner's UID in a tag.
//!
//! A bucket that exists proves nothing: "already owned by you" covers every bucket of the account.
//! So the tag decides, and the only bucket without one that is taken for ours is an empty one that status
//! says we were about to create. Whose namespace may adopt a bucket, another of its tags says.

mod settings;

use crds::conditions::{BUCKET_READY, Finding, reason};
use crds::{BucketStatus, ClassSnapshot, DeletionPolicy, FileGatewayStatus};

use tokio::sync::MutexGuard;

use super::{Fate, Step, StepError};
use crate::context::Context;
use crate::events;
use crate::gateway::draft::Draft;
use crate::meta::{NAME_MARK, NAMESPACE_MARK, OWNER_MARK, Owner};
use crate::remote::Kind;
use crate::remote::s3::{Created, S3, Tags};

pub use settings::configure;

/// Thousands of objects deleted in one pass; the rest waits for the next, so that one large bucket
/// does not hold a reconcile slot for long, and status says how far it is.
const BATCHES_PER_PASS: usize = 5;

/// Makes the bucket exist and be ours.
///
/// # Errors
/// When the server fails, or the bucket is not ours to use.
pub async fn ensure(step: &Step<'_>) -> Result<Finding, StepError> {
    // Whether the bucket is to be created goes into the same write as the rest of the intent.
    let more = step.draft.more_to_come().await;
    let s3 = step.context.s3(&step.plan.class).await?;
    let bucket = &step.plan.bucket;
    match s3.tags(bucket).await? {
        Some(tags) => {
            drop(more);
            existing(step, &s3, tags).await
        }
        None if step.plan.adopt => Err(not_adoptable(step)),
        None => create(step, &s3, more).await,
    }
}

async fn create(step: &Step<'_>, s3: &S3, more: MutexGuard<'_, ()>) -> Result<Finding, StepError> {
    // Two gateways that name the same bucket must not both find it absent.
    let _turn = step.context.creating(&step.plan.bucket).await;
    let bucket = &step.plan.bucket;
    if let Some(tags) = s3.tags(bucket).await? {
        drop(more);
        return existing(step, s3, tags).await;
    }
    remember(step, |status| status.creating = true).await?;
    drop(more);
    let created = match s3.create(bucket).await {
        Ok(created) => created,
        Err(error) => {
            // What the server refused to make is not ours, should it be there later.
            if error.kind == Kind::Denied {
                remember(step, |status| status.creating = false).await?;
            }
            return Err(error.into());
        }
    };
    match created {
        // Some servers say so of a bucket that is there, too.
        Created::New => match s3.tags(bucket).await? {
            Some(tags) if tags.contains_key(OWNER_MARK) => existing(step, s3, tags).await,
            tags => own(step, s3, tags.unwrap_or_default()).await,
        },
        Created::Existed => {
            remember(step, |status| status.creating = false).await?;
            let tags = s3.tags(bucket).await?.unwrap_or_default();
            existing(step, s3, tags).await
        }
        Created::Taken => {
            remember(step, |status| status.creating = false).await?;
            Err(StepError::Refused {
                reason: reason::NAME_TAKEN,
                message: format!(
                    "bucket {bucket} exists in another account: make this FileGateway anew with \
                     another spec.bucket.name"
                ),
            })
        }
    }
}

async fn existing(step: &Step<'_>, s3: &S3, tags: Tags) -> Result<Finding, StepError> {
    let plan = step.plan;
    let bucket = &plan.bucket;
    let known = step.draft.read().await.bucket;
    let known = known.as_ref();
    match tags.get(OWNER_MARK) {
        Some(uid) if *uid == plan.owner.uid => {
            let created = !plan.adopt;
            note(step, |status| {
                status.created = created;
                status.creating = false;
            })
            .await;
            Ok(ready(step))
        }
        // Nothing is told of another namespace's bucket, not even that there is one.
        _ if plan.adopt && tags.get(NAMESPACE_MARK) != Some(&plan.owner.namespace) => {
            Err(not_adoptable(step))
        }
        Some(_) => {
            remember(step, |status| status.creating = false).await?;
            Err(owned_by_other(format!(
                "bucket {bucket} belongs to another FileGateway, as its tag {OWNER_MARK} says: make \
                 this one anew with another spec.bucket.name"
            )))
        }
        None if plan.adopt => {
            step.intent_is_known().await?;
            s3.set_tags(bucket, &marked(tags, &plan.owner)).await?;
            let note = format!("took over bucket {bucket}; it will never be deleted");
            events::normal(
                step.context,
                step.gateway,
                BUCKET_READY,
                events::BUCKET_ADOPTED,
                note,
            )
            .await;
            Ok(ready(step))
        }
        // Nobody has a key to one that was just created, so there is nothing in it.
        None if known.is_some_and(|status| status.creating) && s3.is_empty(bucket).await? => {
            own(step, s3, tags).await
        }
        None if known.is_some_and(|status| status.created) => Err(owned_by_other(format!(
            "bucket {bucket} has lost the tag {OWNER_MARK}: if it is still the one made for this \
             FileGateway, tag it with {OWNER_MARK}={}",
            plan.owner.uid
        ))),
        None => Err(owned_by_other(format!(
            "bucket {bucket} exists and was not made by this operator: to take it over, make this \
             FileGateway anew with spec.bucket.adopt: true; otherwise with another spec.bucket.name"
        ))),
    }
}

/// Marks a bucket that was just created.
async fn own(step: &Step<'_>, s3: &S3, tags: Tags) -> Result<Finding, StepError> {
    let bucket = &step.plan.bucket;
    s3.set_tags(bucket, &marked(tags, &step.plan.owner)).await?;
    note(step, |status| {
        status.created = true;
        status.creating = false;
    })
    .await;
    let note = format!(
        "created bucket {bucket} at {}",
        step.plan.class.object_store.endpoint
    );
    events::normal(
        step.context,
        step.gateway,
        BUCKET_READY,
        events::BUCKET_CREATED,
        note,
    )
    .await;
    Ok(ready(step))
}

fn ready(step: &Step<'_>) -> Finding {
    let bucket = &step.plan.bucket;
    if step.plan.adopt {
        Finding::yes(
            BUCKET_READY,
            reason::ADOPTED,
            format!("bucket {bucket} is adopted"),
        )
    } else {
        Finding::yes(
            BUCKET_READY,
            reason::CREATED,
            format!("bucket {bucket} exists"),
        )
    }
}

fn not_adoptable(step: &Step<'_>) -> StepError {
    let (bucket, namespace) = (&step.plan.bucket, &step.plan.owner.namespace);
    StepError::Refused {
        reason: reason::BUCKET_NOT_FOUND,
        message: format!(
            "there is no bucket {bucket} that namespace {namespace} may adopt: whoever runs the store can \
             create it, and tag it with {NAMESPACE_MARK}={namespace}; or make this FileGateway anew \
             without spec.bucket.adopt"
        ),
    }
}

fn owned_by_other(message: String) -> StepError {
    StepError::Refused {
        reason: reason::BUCKET_OWNED_BY_OTHER,
        message,
    }
}

fn marked(mut tags: Tags, owner: &Owner) -> Tags {
    tags.insert(OWNER_MARK.into(), owner.uid.clone());
    tags.insert(NAMESPACE_MARK.into(), owner.namespace.clone());
    tags.insert(NAME_MARK.into(), owner.name.clone());
    tags
}

/// Writes down what must be known before what comes next is done.
async fn remember(
    step: &Step<'_>,
    change: impl FnOnce(&mut BucketStatus),
) -> Result<(), StepError> {
    step.draft.change(of_bucket(change)).await?;
    Ok(())
}

/// Notes what the bucket's tag says as well, so that it may be forgotten.
async fn note(step: &Step<'_>, change: impl FnOnce(&mut BucketStatus)) {
    step.draft.note(of_bucket(change)).await;
}

fn of_bucket(change: impl FnOnce(&mut BucketStatus)) -> impl FnOnce(&mut FileGatewayStatus) {
    |status| {
        if let Some(bucket) = &mut status.bucket {
            change(bucket);
        }
    }
}

/// Deletes the bucket when `policy`, status and tag all allow it; else takes our mark off, so that
/// another gateway can adopt it.
///
/// # Errors
/// When the server fails.
pub async fn remove(
    context: &Context,
    draft: &Draft<'_>,
    class: &ClassSnapshot,
    owner: &Owner,
    status: &BucketStatus,
    policy: DeletionPolicy,
) -> Result<Fate, StepError> {
    let s3 = context.s3(class).await?;
    let name = &status.name;
    let Some(mut tags) = s3.tags(name).await? else {
        return Ok(Fate::Nothing);
    };
    let delete = policy == DeletionPolicy::Delete;
    match tags.get(OWNER_MARK) {
        Some(uid) if *uid == owner.uid => {}
        // A crash between creation and mark. Deleting works only while it is empty, and nobody was
        // given a key to it.
        None if status.creating && delete => {
            return match s3.delete(name).await {
                Ok(()) => Ok(Fate::Deleted(format!("bucket {name}"))),
                Err(error) if error.code == "BucketNotEmpty" => Ok(Fate::Nothing),
                Err(error) => Err(error.into()),
            };
        }
        _ if status.created => {
            return Ok(Fate::Retained(format!(
                "bucket {name}, whose tag {OWNER_MARK} does not say any more that it is this FileGateway's"
            )));
        }
        _ => return Ok(Fate::Nothing),
    }
    if delete && (status.created || status.creating) {
        let emptied = s3.empty(name, BATCHES_PER_PASS).await?;
        if !emptied.finished {
            let before = status.emptied.unwrap_or_default();
            let count = before.saturating_add(i64::try_from(emptied.count).unwrap_or(i64::MAX));
            draft
                .change(|status| {
                    if let Some(bucket) = &mut status.bucket {
                        bucket.emptied = Some(count);
                    }
                })
                .await?;
            return Ok(Fate::Unfinished(format!(
                "bucket {name} is being emptied: {count} objects, versions and unfinished uploads are \
                 gone so far"
            )));
        }
        s3.delete(name).await?;
        return Ok(Fate::Deleted(format!("bucket {name}")));
    }
    tags.remove(OWNER_MARK);
    s3.set_tags(name, &tags).await?;
    Ok(Fate::Retained(format!(
        "bucket {name} at {}",
        status.endpoint
    )))
}
