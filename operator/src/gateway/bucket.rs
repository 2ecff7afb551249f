//! How a bucket is to be set up: what the spec says, else what its class does. Pure.

use crds::conditions::reason;
use crds::{
    BucketCorsRule, BucketDefaults, BucketEncryption, BucketLifecycle, BucketSpec,
    BucketVersioning, EncryptionType, PublicAccess,
};

/// What is not set here is left as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketSettings {
    /// Whether former contents are kept.
    pub versioning: Option<BucketVersioning>,
    /// How the server encrypts.
    pub encryption: Option<BucketEncryption>,
    /// Whose pages may read the bucket itself.
    pub cors: Option<Vec<BucketCorsRule>>,
    /// What the server deletes by itself.
    pub lifecycle: Option<BucketLifecycle>,
    /// Whether objects can be made public.
    pub public_access: Option<PublicAccess>,
}

/// The settings, or the reason and what is wrong with the spec.
pub fn bucket_settings(
    spec: &BucketSpec,
    class: &BucketDefaults,
    class_name: &str,
    upload_expire_seconds: i32,
) -> Result<BucketSettings, (&'static str, String)> {
    let lifecycle = spec.lifecycle.clone().or_else(|| class.lifecycle.clone());
    let abort_days = lifecycle.as_ref().and_then(|all| all.abort_uploads_days);
    if abort_days.is_some_and(|days| i64::from(days) * 86400 <= i64::from(upload_expire_seconds)) {
        return Err((
            reason::INVALID_SPEC,
            format!(
                "spec.uploads.expireSeconds is {upload_expire_seconds}, and bucket.lifecycle.abortUploadsDays \
                 of FileGatewayClass {class_name} would end uploads before: write fewer seconds, or more \
                 days in spec.bucket.lifecycle.abortUploadsDays"
            ),
        ));
    }
    if spec.public_access == Some(PublicAccess::Allowed)
        && class.public_access == Some(PublicAccess::Blocked)
    {
        return Err((
            reason::NOT_ALLOWED_BY_CLASS,
            format!(
                "FileGatewayClass {class_name} blocks public access: leave spec.bucket.publicAccess \
                 out, or use another class"
            ),
        ));
    }
    Ok(BucketSettings {
        versioning: spec.versioning.or(class.versioning),
        encryption: encryption(spec, class, class_name)?,
        cors: spec.cors.clone(),
        lifecycle,
        public_access: spec.public_access.or(class.public_access),
    })
}

/// Keys of others are on the same server, so the class says which may be named.
fn encryption(
    spec: &BucketSpec,
    class: &BucketDefaults,
    class_name: &str,
) -> Result<Option<BucketEncryption>, (&'static str, String)> {
    let Some(wanted) = &spec.encryption else {
        return Ok(class.encryption.clone());
    };
    let own = class
        .encryption
        .as_ref()
        .and_then(|encryption| encryption.kms_key_id.as_ref());
    match &wanted.kms_key_id {
        Some(key) if own != Some(key) && !class.kms_key_ids.contains(key) => Err((
            reason::NOT_ALLOWED_BY_CLASS,
            format!(
                "FileGatewayClass {class_name} does not allow the key of \
                 spec.bucket.encryption.kmsKeyId: ask for it in the class's bucket.kmsKeyIds, or leave it \
                 out"
            ),
        )),
        None if wanted.type_ == EncryptionType::SseKms => Ok(Some(BucketEncryption {
            kms_key_id: own.cloned(),
            ..wanted.clone()
        })),
        _ => Ok(Some(wanted.clone())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn merged(spec: Value, class: Value) -> Result<BucketSettings, (&'static str, String)> {
        let spec = serde_json::from_value(spec).unwrap();
        let class = serde_json::from_value(class).unwrap();
        bucket_settings(&spec, &class, "default", 24 * 60 * 60)
    }

    #[test]
    fn nothing_said_is_nothing_set() {
        let nothing = merged(json!({}), json!({})).unwrap();
        assert_eq!(nothing, BucketSettings::default());
    }

    #[test]
    fn the_spec_goes_before_its_class() {
        let class = json!({"versioning": "Enabled", "lifecycle": {"expireNoncurrentDays": 30}});
        let spec = json!({"versioning": "Suspended", "cors": []});
        let settings = merged(spec, class).unwrap();
        assert_eq!(settings.versioning, Some(BucketVersioning::Suspended));
        assert_eq!(settings.cors, Some(Vec::new()));
        let days = settings.lifecycle.unwrap().expire_noncurrent_days;
        assert_eq!(days, Some(30));
    }

    #[test]
    fn only_keys_of_the_class_can_be_named() {
        let class = json!({
            "encryption": {"type": "SSE-KMS", "kmsKeyId": "first"}, "kmsKeyIds": ["second"]});
        let key = |spec: Value| {
            merged(json!({"encryption": spec}), class.clone())
                .map(|settings| settings.encryption.unwrap().kms_key_id)
        };
        for allowed in ["first", "second"] {
            let spec = json!({"type": "SSE-KMS", "kmsKeyId": allowed});
            assert_eq!(key(spec).unwrap().as_deref(), Some(allowed));
        }
        let own = key(json!({"type": "SSE-KMS"})).unwrap();
        assert_eq!(own.as_deref(), Some("first"));
        assert_eq!(key(json!({"type": "SSE-S3"})).unwrap(), None);
        let (reason, message) =
            key(json!({"type": "SSE-KMS", "kmsKeyId": "of-another-tenant"})).unwrap_err();
        assert_eq!(reason, reason::NOT_ALLOWED_BY_CLASS);
        assert!(message.contains("bucket.kmsKeyIds"), "{message}");
        assert!(!message.contains("first"), "{message}");
    }

    #[test]
    fn what_a_class_blocks_stays_blocked() {
        let class = json!({"publicAccess": "Blocked"});
        let (reason, _) = merged(json!({"publicAccess": "Allowed"}), class.clone()).unwrap_err();
        assert_eq!(reason, reason::NOT_ALLOWED_BY_CLASS);
        let settings = merged(json!({}), class).unwrap();
        assert_eq!(settings.public_access, Some(PublicAccess::Blocked));
    }

    #[test]
    fn uploads_that_may_go_on_are_not_ended() {
        let class = json!({"lifecycle": {"abortUploadsDays": 1}});
        let (reason, message) = merged(json!({}), class).unwrap_err();
        assert_eq!(reason, reason::INVALID_SPEC);
        assert!(message.contains("spec.uploads.expireSeconds"), "{message}");
    }
}
