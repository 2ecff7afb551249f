//! How the bucket is set up: what the server can, and a word on what it can't.

use crds::conditions::{BUCKET_CONFIGURED, Finding, reason};

use super::{Step, StepError};
use crate::events;
use crate::gateway::bucket::BucketSettings;
use crate::remote::RemoteError;
use crate::remote::s3::{S3, Set};

/// One setting of a bucket, for people and programs.
struct Setting {
    /// What it is.
    name: &'static str,
    /// The field that asks for it.
    field: &'static str,
    /// What the condition says where a server lacks it.
    unsupported: &'static str,
    /// What to do then.
    advice: &'static str,
}

const VERSIONING: Setting = Setting {
    name: "versioning",
    field: "bucket.versioning",
    unsupported: reason::VERSIONING_UNSUPPORTED,
    advice: "what is overwritten or deleted is gone",
};

const ENCRYPTION: Setting = Setting {
    name: "encryption",
    field: "bucket.encryption",
    unsupported: reason::ENCRYPTION_UNSUPPORTED,
    advice: "encrypt the server's disks, or give the server a key management service",
};

const CORS: Setting = Setting {
    name: "CORS",
    field: "bucket.cors",
    unsupported: reason::CORS_UNSUPPORTED,
    advice: "set it for the whole server where that is possible, or let bytes pass through the gateway \
             with spec.delivery: Proxy",
};

const NONCURRENT: Setting = Setting {
    name: "expiry of former versions",
    field: "bucket.lifecycle.expireNoncurrentDays",
    unsupported: reason::LIFECYCLE_UNSUPPORTED,
    advice: "former versions stay until somebody deletes them",
};

const UPLOADS: Setting = Setting {
    name: "expiry of unfinished uploads",
    field: "bucket.lifecycle.abortUploadsDays",
    unsupported: reason::LIFECYCLE_UNSUPPORTED,
    advice: "the gateway ends its own after spec.uploads.expireSeconds all the same",
};

const PUBLIC_ACCESS: Setting = Setting {
    name: "public access block",
    field: "bucket.publicAccess",
    unsupported: reason::PUBLIC_ACCESS_BLOCK_UNSUPPORTED,
    advice: "the gateway's key may set neither ACLs nor policies, so only administrators could make \
             objects public",
};

/// Makes the settings of the bucket those of the plan, as far as the server can.
///
/// # Errors
/// When the server fails; a setting that it lacks is a false condition.
pub async fn configure(step: &Step<'_>) -> Result<Finding, StepError> {
    let plan = step.plan;
    if plan.bucket_settings == BucketSettings::default() {
        return Ok(Finding::yes(
            BUCKET_CONFIGURED,
            reason::NOT_REQUESTED,
            "neither spec.bucket nor the class says how the bucket is set up",
        ));
    }
    let s3 = step.context.s3(&plan.class).await?;
    let mut outcome = Outcome::default();
    let result = apply(&s3, &plan.bucket, &plan.bucket_settings, &mut outcome).await;
    // What was written before a failure is told as well.
    if !outcome.written.is_empty() {
        let note = format!(
            "set {} of bucket {}",
            outcome.written.join(", "),
            plan.bucket
        );
        events::normal(
            step.context,
            step.gateway,
            BUCKET_CONFIGURED,
            events::BUCKET_CONFIGURED,
            note,
        )
        .await;
    }
    result?;
    Ok(outcome.finding(&plan.bucket, &plan.class.object_store.endpoint))
}

async fn apply(
    s3: &S3,
    bucket: &str,
    settings: &BucketSettings,
    outcome: &mut Outcome,
) -> Result<(), RemoteError> {
    let BucketSettings {
        versioning,
        encryption,
        cors,
        lifecycle,
        public_access,
    } = settings;
    // First what protects, so that a failure later on leaves the least open.
    if let Some(wanted) = public_access {
        outcome.note(&PUBLIC_ACCESS, s3.set_public_access(bucket, *wanted).await?);
    }
    if let Some(wanted) = encryption {
        let set = s3.set_encryption(bucket, wanted).await?;
        outcome.note(&ENCRYPTION, set);
    }
    if let Some(wanted) = versioning {
        outcome.note(&VERSIONING, s3.set_versioning(bucket, *wanted).await?);
    }
    if let Some(wanted) = lifecycle {
        let set = s3.set_lifecycle(bucket, wanted).await?;
        if wanted.expire_noncurrent_days.is_some() {
            outcome.note(&NONCURRENT, lacking_if_refused(set.noncurrent));
        }
        if wanted.abort_uploads_days.is_some() {
            outcome.note(&UPLOADS, lacking_if_refused(set.uploads));
        }
    }
    if let Some(wanted) = cors {
        outcome.note(&CORS, s3.set_cors(bucket, wanted).await?);
    }
    Ok(())
}

/// The schema leaves no wrong value for days, so a server that refuses a rule does not know its kind.
fn lacking_if_refused(set: Set) -> Set {
    match set {
        Set::Refused(_) => Set::Unsupported,
        other => other,
    }
}

#[derive(Default)]
struct Outcome {
    written: Vec<&'static str>,
    reason: Option<&'static str>,
    complaints: Vec<String>,
}

impl Outcome {
    fn note(&mut self, setting: &Setting, set: Set) {
        let Setting {
            name,
            field,
            unsupported,
            advice,
        } = setting;
        let (reason, complaint) = match set {
            Set::Same => return,
            Set::Written => return self.written.push(name),
            Set::Unsupported => (
                *unsupported,
                format!("it has no {name} ({advice}; leave {field} out to be rid of this message)"),
            ),
            Set::Refused(code) => (
                reason::SETTING_REFUSED,
                format!("it refused the {name} ({code}; write another value in {field})"),
            ),
        };
        self.reason.get_or_insert(reason);
        self.complaints.push(complaint);
    }

    fn finding(self, bucket: &str, endpoint: &str) -> Finding {
        match self.reason {
            None => Finding::yes(
                BUCKET_CONFIGURED,
                reason::IN_SYNC,
                format!("bucket {bucket} is set up as asked"),
            ),
            Some(reason) => Finding::no(
                BUCKET_CONFIGURED,
                reason,
                format!(
                    "the S3 server at {endpoint} can't set up bucket {bucket} as asked: {}",
                    self.complaints.join("; ")
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_complaint_is_the_reason_and_all_are_told() {
        let mut outcome = Outcome::default();
        outcome.note(&VERSIONING, Set::Same);
        outcome.note(&CORS, Set::Written);
        outcome.note(&ENCRYPTION, Set::Refused("KMS.NotFoundException".into()));
        outcome.note(&PUBLIC_ACCESS, Set::Unsupported);
        let finding = outcome.finding("b", "http://s3:7070");
        assert_eq!(finding.reason, reason::SETTING_REFUSED);
        assert_eq!(finding.status, Some(false));
        for part in [
            "KMS.NotFoundException",
            "bucket.encryption",
            "public access block",
        ] {
            assert!(finding.message.contains(part), "{}", finding.message);
        }
    }
}
