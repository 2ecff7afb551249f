//! How a bucket is set up: each setting is read, and written only where it differs.
//!
//! Servers leave out what they like. What can't be read is never written or removed: MinIO takes
//! `DELETE ?publicAccessBlock` for the deletion of the bucket itself.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{
    BucketVersioningStatus, CorsConfiguration, CorsRule, PublicAccessBlockConfiguration,
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
    ServerSideEncryptionRule, VersioningConfiguration,
};
use crds::{
    BucketCorsRule, BucketEncryption, BucketVersioning, CorsMethod, EncryptionType, PublicAccess,
};

use super::S3;
use crate::remote::error::{Kind, RemoteError};

/// What became of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Set {
    /// It was as it should be.
    Same,
    /// It was not, and is now.
    Written,
    /// The server can't do it.
    Unsupported,
    /// The server can do it, but not with this value; its code.
    Refused(String),
}

impl S3 {
    /// Whether former contents of objects are kept.
    ///
    /// # Errors
    /// Any failure but that the server can't do it.
    pub async fn set_versioning(
        &self,
        bucket: &str,
        wanted: BucketVersioning,
    ) -> Result<Set, RemoteError> {
        let call = self.client.get_bucket_versioning().bucket(bucket);
        let live = self.read(call.send().await, &[], "read the bucket's versioning")?;
        let Some(live) = live else {
            return Ok(Set::Unsupported);
        };
        let enabled =
            live.and_then(|answer| answer.status) == Some(BucketVersioningStatus::Enabled);
        // A bucket that never had versions is as good as one whose versioning is suspended.
        let status = match (wanted, enabled) {
            (BucketVersioning::Enabled, false) => BucketVersioningStatus::Enabled,
            (BucketVersioning::Suspended, true) => BucketVersioningStatus::Suspended,
            _ => return Ok(Set::Same),
        };
        let configuration = VersioningConfiguration::builder().status(status).build();
        let call = self
            .client
            .put_bucket_versioning()
            .bucket(bucket)
            .versioning_configuration(configuration);
        self.written(call.send().await, "set the bucket's versioning")
    }

    /// How the server encrypts what is put into the bucket.
    ///
    /// # Errors
    /// Any failure but that the server can't do it.
    pub async fn set_encryption(
        &self,
        bucket: &str,
        wanted: &BucketEncryption,
    ) -> Result<Set, RemoteError> {
        const ACTION: &str = "set the bucket's encryption";
        const NONE: &[&str] = &["ServerSideEncryptionConfigurationNotFoundError"];
        let call = self.client.get_bucket_encryption().bucket(bucket);
        let live = self.read(call.send().await, NONE, "read the bucket's encryption")?;
        let Some(live) = live else {
            return Ok(Set::Unsupported);
        };
        let live = live.and_then(|answer| answer.server_side_encryption_configuration);
        let rule = live.and_then(|configuration| configuration.rules.into_iter().next());
        let algorithm = match wanted.type_ {
            EncryptionType::SseS3 => ServerSideEncryption::Aes256,
            EncryptionType::SseKms => ServerSideEncryption::AwsKms,
        };
        let same = rule
            .as_ref()
            .and_then(|rule| rule.apply_server_side_encryption_by_default.as_ref())
            .is_some_and(|live| {
                // Without a key in the spec, whichever the server chose is right.
                let key_differs =
                    wanted.kms_key_id.is_some() && wanted.kms_key_id != live.kms_master_key_id;
                live.sse_algorithm == algorithm && !key_differs
            });
        if same {
            return Ok(Set::Same);
        }
        let default = ServerSideEncryptionByDefault::builder()
            .sse_algorithm(algorithm)
            .set_kms_master_key_id(wanted.kms_key_id.clone())
            .build()
            .map_err(|error| self.invalid(ACTION, &error))?;
        let rule = ServerSideEncryptionRule::builder()
            .apply_server_side_encryption_by_default(default)
            .set_bucket_key_enabled(rule.and_then(|rule| rule.bucket_key_enabled))
            .build();
        let configuration = ServerSideEncryptionConfiguration::builder()
            .rules(rule)
            .build()
            .map_err(|error| self.invalid(ACTION, &error))?;
        let call = self
            .client
            .put_bucket_encryption()
            .bucket(bucket)
            .server_side_encryption_configuration(configuration);
        self.written(call.send().await, ACTION)
    }

    /// Which web pages may read the bucket itself; no rule removes those that are there.
    ///
    /// # Errors
    /// Any failure but that the server can't do it.
    pub async fn set_cors(
        &self,
        bucket: &str,
        wanted: &[BucketCorsRule],
    ) -> Result<Set, RemoteError> {
        const ACTION: &str = "set the bucket's CORS rules";
        const NONE: &[&str] = &["NoSuchCORSConfiguration"];
        let call = self.client.get_bucket_cors().bucket(bucket);
        let live = self.read(call.send().await, NONE, "read the bucket's CORS rules")?;
        let Some(live) = live else {
            return Ok(Set::Unsupported);
        };
        let live = live
            .and_then(|answer| answer.cors_rules)
            .unwrap_or_default();
        let same = live.len() == wanted.len()
            && live
                .iter()
                .zip(wanted)
                .all(|(live, wanted)| same_cors(live, wanted));
        if same {
            return Ok(Set::Same);
        }
        if wanted.is_empty() {
            let call = self.client.delete_bucket_cors().bucket(bucket);
            return self.written(call.send().await, ACTION);
        }
        let rules = wanted
            .iter()
            .map(cors_rule)
            .collect::<Result<Vec<_>, _>>()
            .and_then(|rules| {
                CorsConfiguration::builder()
                    .set_cors_rules(Some(rules))
                    .build()
            })
            .map_err(|error| self.invalid(ACTION, &error))?;
        let call = self
            .client
            .put_bucket_cors()
            .bucket(bucket)
            .cors_configuration(rules);
        self.written(call.send().await, ACTION)
    }

    /// Whether objects can be made public. Never removed, only set either way.
    ///
    /// # Errors
    /// Any failure but that the server can't do it.
    pub async fn set_public_access(
        &self,
        bucket: &str,
        wanted: PublicAccess,
    ) -> Result<Set, RemoteError> {
        const NONE: &[&str] = &["NoSuchPublicAccessBlockConfiguration"];
        let call = self.client.get_public_access_block().bucket(bucket);
        let live = self.read(
            call.send().await,
            NONE,
            "read the bucket's public access block",
        )?;
        let Some(live) = live else {
            return Ok(Set::Unsupported);
        };
        let live = live.and_then(|answer| answer.public_access_block_configuration);
        let blocked = wanted == PublicAccess::Blocked;
        let configuration = PublicAccessBlockConfiguration::builder()
            .block_public_acls(blocked)
            .ignore_public_acls(blocked)
            .block_public_policy(blocked)
            .restrict_public_buckets(blocked)
            .build();
        // Nothing set is nothing blocked.
        if live.map_or(!blocked, |live| live == configuration) {
            return Ok(Set::Same);
        }
        let call = self
            .client
            .put_public_access_block()
            .bucket(bucket)
            .public_access_block_configuration(configuration);
        self.written(call.send().await, "set the bucket's public access block")
    }

    /// What a setting is: outer `None` when the server has no such setting, inner `None` when it is
    /// not set, as one of the codes `none` says.
    pub(super) fn read<T, E>(
        &self,
        answer: Result<T, SdkError<E, HttpResponse>>,
        none: &[&str],
        action: &'static str,
    ) -> Result<Option<Option<T>>, RemoteError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match answer {
            Ok(answer) => Ok(Some(Some(answer))),
            Err(error) if error.code().is_some_and(|code| none.contains(&code)) => Ok(Some(None)),
            Err(error) if unsupported(&error) => Ok(None),
            Err(error) => Err(self.failure(action, &error)),
        }
    }

    /// What became of a write.
    pub(super) fn written<T, E>(
        &self,
        answer: Result<T, SdkError<E, HttpResponse>>,
        action: &'static str,
    ) -> Result<Set, RemoteError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let error = match answer {
            Ok(_) => return Ok(Set::Written),
            Err(error) if unsupported(&error) => return Ok(Set::Unsupported),
            Err(error) => error,
        };
        let failure = self.failure(action, &error);
        let status = error
            .raw_response()
            .map(|response| response.status().as_u16());
        // Of a key that is not there AWS says `KMS.NotFoundException`, MinIO 404 and `kms:KeyNotFound`.
        let of_key = failure.code.to_ascii_lowercase().starts_with("kms");
        let refused = status == Some(400) || of_key;
        match failure.kind {
            Kind::Other if refused => Ok(Set::Refused(failure.code)),
            _ => Err(failure),
        }
    }
}

fn unsupported<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    const CODES: [&str; 3] = ["NotImplemented", "MethodNotAllowed", "XNotImplemented"];
    let status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    error.code().is_some_and(|code| CODES.contains(&code)) || matches!(status, Some(405 | 501))
}

fn cors_rule(wanted: &BucketCorsRule) -> Result<CorsRule, BuildError> {
    let some = |values: &[String]| (!values.is_empty()).then(|| values.to_vec());
    CorsRule::builder()
        .set_allowed_origins(Some(wanted.allowed_origins.clone()))
        .set_allowed_methods(Some(methods(wanted)))
        .set_allowed_headers(some(&wanted.allowed_headers))
        .set_expose_headers(some(&wanted.expose_headers))
        .max_age_seconds(wanted.max_age_seconds)
        .build()
}

fn methods(wanted: &BucketCorsRule) -> Vec<String> {
    let names = wanted
        .allowed_methods
        .iter()
        .copied()
        .map(CorsMethod::as_str);
    names.map(str::to_string).collect()
}

fn same_cors(live: &CorsRule, wanted: &BucketCorsRule) -> bool {
    fn sorted(values: &[String]) -> Vec<String> {
        let mut values = values.to_vec();
        values.sort();
        values.dedup();
        values
    }
    sorted(live.allowed_origins()) == sorted(&wanted.allowed_origins)
        && sorted(live.allowed_methods()) == sorted(&methods(wanted))
        && sorted(live.allowed_headers()) == sorted(&wanted.allowed_headers)
        && sorted(live.expose_headers()) == sorted(&wanted.expose_headers)
        && live.max_age_seconds().unwrap_or_default() == wanted.max_age_seconds
}
