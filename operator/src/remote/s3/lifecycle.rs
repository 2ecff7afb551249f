//! The rules by which a server deletes by itself. Ours are known by their names; others stay.

use aws_sdk_s3::error::BuildError;
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, ExpirationStatus, LifecycleRule,
    LifecycleRuleFilter, NoncurrentVersionExpiration,
};
use crds::BucketLifecycle;

use super::S3;
use super::settings::Set;
use crate::remote::error::RemoteError;

const NONCURRENT: &str = "filegateway-noncurrent-versions";
const UPLOADS: &str = "filegateway-unfinished-uploads";

/// What became of both rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifecycle {
    /// That for former versions.
    pub noncurrent: Set,
    /// That for unfinished uploads.
    pub uploads: Set,
}

impl Lifecycle {
    fn both(set: Set) -> Self {
        Self {
            noncurrent: set.clone(),
            uploads: set,
        }
    }
}

impl S3 {
    /// Makes our rules those that `wanted` asks for, and leaves the others.
    ///
    /// # Errors
    /// Any failure but that the server can't do it.
    pub async fn set_lifecycle(
        &self,
        bucket: &str,
        wanted: &BucketLifecycle,
    ) -> Result<Lifecycle, RemoteError> {
        const NONE: &[&str] = &["NoSuchLifecycleConfiguration"];
        let call = self
            .client
            .get_bucket_lifecycle_configuration()
            .bucket(bucket);
        let live = self.read(call.send().await, NONE, "read the bucket's lifecycle rules")?;
        let Some(live) = live else {
            return Ok(Lifecycle::both(Set::Unsupported));
        };
        let live = live.and_then(|answer| answer.rules).unwrap_or_default();
        let noncurrent = wanted.expire_noncurrent_days.map(noncurrent_rule);
        let uploads = wanted.abort_uploads_days.map(uploads_rule);
        let noncurrent = self.built(noncurrent)?;
        let uploads = self.built(uploads)?;

        let both: Vec<_> = noncurrent.iter().chain(&uploads).cloned().collect();
        let at_once = self.replace(bucket, &live, &both).await?;
        let (Some(noncurrent), Some(uploads), Set::Refused(code)) = (noncurrent, uploads, &at_once)
        else {
            return Ok(Lifecycle::both(at_once));
        };
        // A server that has only one of them still does that one.
        match self.replace(bucket, &live, &[noncurrent]).await? {
            Set::Refused(_) => Ok(Lifecycle {
                uploads: self.replace(bucket, &live, &[uploads]).await?,
                noncurrent: Set::Refused(code.clone()),
            }),
            noncurrent => Ok(Lifecycle {
                noncurrent,
                uploads: Set::Refused(code.clone()),
            }),
        }
    }

    fn built(
        &self,
        rule: Option<Result<LifecycleRule, BuildError>>,
    ) -> Result<Option<LifecycleRule>, RemoteError> {
        rule.transpose()
            .map_err(|error| self.invalid(ACTION, &error))
    }

    /// Makes `ours` those of the rules `live` that are ours.
    async fn replace(
        &self,
        bucket: &str,
        live: &[LifecycleRule],
        ours: &[LifecycleRule],
    ) -> Result<Set, RemoteError> {
        let (known, others): (Vec<_>, Vec<_>) = live.iter().cloned().partition(is_ours);
        if facts(&known) == facts(ours) {
            return Ok(Set::Same);
        }
        let rules = [&others[..], ours].concat();
        if rules.is_empty() {
            let call = self.client.delete_bucket_lifecycle().bucket(bucket);
            return self.written(call.send().await, ACTION);
        }
        let configuration = BucketLifecycleConfiguration::builder()
            .set_rules(Some(rules))
            .build()
            .map_err(|error| self.invalid(ACTION, &error))?;
        let call = self
            .client
            .put_bucket_lifecycle_configuration()
            .bucket(bucket)
            .lifecycle_configuration(configuration);
        self.written(call.send().await, ACTION)
    }
}

const ACTION: &str = "set the bucket's lifecycle rules";

fn is_ours(rule: &LifecycleRule) -> bool {
    matches!(rule.id(), Some(NONCURRENT | UPLOADS))
}

fn noncurrent_rule(days: i32) -> Result<LifecycleRule, BuildError> {
    let expiration = NoncurrentVersionExpiration::builder()
        .noncurrent_days(days)
        .build();
    rule(NONCURRENT)
        .noncurrent_version_expiration(expiration)
        .build()
}

fn uploads_rule(days: i32) -> Result<LifecycleRule, BuildError> {
    let abort = AbortIncompleteMultipartUpload::builder()
        .days_after_initiation(days)
        .build();
    rule(UPLOADS)
        .abort_incomplete_multipart_upload(abort)
        .build()
}

/// A rule for the whole bucket.
fn rule(id: &str) -> aws_sdk_s3::types::builders::LifecycleRuleBuilder {
    LifecycleRule::builder()
        .id(id)
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
}

/// Name, whether it is on, days of former versions, days of unfinished uploads, prefix.
type Facts<'a> = (&'a str, bool, Option<i32>, Option<i32>, &'a str);

/// What matters of our rules, whatever a server adds to them.
fn facts(rules: &[LifecycleRule]) -> Vec<Facts<'_>> {
    let mut facts: Vec<_> = rules
        .iter()
        .map(|rule| {
            let expiration = rule.noncurrent_version_expiration();
            let abort = rule.abort_incomplete_multipart_upload();
            (
                rule.id().unwrap_or_default(),
                *rule.status() == ExpirationStatus::Enabled,
                expiration.and_then(|expiration| expiration.noncurrent_days()),
                abort.and_then(|abort| abort.days_after_initiation()),
                rule.filter()
                    .and_then(|filter| filter.prefix())
                    .unwrap_or_default(),
            )
        })
        .collect();
    facts.sort_unstable();
    facts
}
