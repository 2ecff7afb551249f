//! Condition types and reasons, each string once, and the merge that keeps transition times.
//!
//! Conventions: <https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties>.
//! All types have positive polarity. [`PAUSED`], [`DELETION_BLOCKED`] and [`IN_USE`] are present only when
//! true.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Everything below is true: the gateway answers requests.
pub const READY: &str = "Ready";
/// The spec and its class fit together.
pub const ACCEPTED: &str = "Accepted";
/// The bucket exists and is ours to use.
pub const BUCKET_READY: &str = "BucketReady";
/// The bucket is set up as the spec and its class say. Not part of [`READY`]: what a server can't do keeps
/// no gateway from running.
pub const BUCKET_CONFIGURED: &str = "BucketConfigured";
/// The S3 user and key exist and can touch the bucket alone.
pub const CREDENTIALS_READY: &str = "CredentialsReady";
/// The database and its role exist.
pub const DATABASE_READY: &str = "DatabaseReady";
/// The keys that sign file tokens exist.
pub const SIGNING_KEY_READY: &str = "SigningKeyReady";
/// Enough gateway pods are available.
pub const WORKLOAD_AVAILABLE: &str = "WorkloadAvailable";
/// What was asked for to reach the gateway from outside of the cluster leads there.
pub const ROUTE_READY: &str = "RouteReady";
/// The operator leaves the gateway as it is. Present only when true.
pub const PAUSED: &str = "Paused";
/// Deletion waits for something outside the cluster. Present only when true.
pub const DELETION_BLOCKED: &str = "DeletionBlocked";

/// FileGateways name the class. Present only when true.
pub const IN_USE: &str = "InUse";

/// Reasons: stable PascalCase words for programs; the message is for people.
pub mod reason {
    /// `Ready`: every other condition is true.
    pub const ALL_READY: &str = "AllReady";
    /// `Ready`: the resource is being deleted.
    pub const TERMINATING: &str = "Terminating";
    /// `Accepted`: nothing speaks against the spec.
    pub const ACCEPTED: &str = "Accepted";
    /// `Accepted`: the class that the spec names does not exist.
    pub const CLASS_NOT_FOUND: &str = "ClassNotFound";
    /// `Accepted`: the spec contradicts itself or its class.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// `Accepted`: the class does not allow this namespace.
    pub const NOT_ALLOWED_BY_CLASS: &str = "NotAllowedByClass";
    /// `Accepted`: another FileGateway has the host.
    pub const HOST_CONFLICT: &str = "HostConflict";
    /// `Accepted` of a class: a Secret that it names is missing or incomplete.
    pub const CREDENTIALS_NOT_FOUND: &str = "CredentialsNotFound";
    /// `InUse` of a class: FileGateways name it.
    pub const NAMED_BY_FILE_GATEWAYS: &str = "NamedByFileGateways";
    /// `Paused`: the annotation says so. `Ready`: it said so before anything was made.
    pub const PAUSED_BY_ANNOTATION: &str = "PausedByAnnotation";
    /// Made by us.
    pub const CREATED: &str = "Created";
    /// Existed before and taken over by an explicit field.
    pub const ADOPTED: &str = "Adopted";
    /// Another gateway's mark is on it, or nobody's: not ours to use.
    pub const BUCKET_OWNED_BY_OTHER: &str = "BucketOwnedByOther";
    /// The bucket that is to be adopted does not exist.
    pub const BUCKET_NOT_FOUND: &str = "BucketNotFound";
    /// A bucket of that name exists in an account that is not ours.
    pub const NAME_TAKEN: &str = "NameTaken";
    /// The bucket is set up as asked.
    pub const IN_SYNC: &str = "InSync";
    /// The server can't keep former contents of objects.
    pub const VERSIONING_UNSUPPORTED: &str = "VersioningUnsupported";
    /// The server can't encrypt in the way that is asked for.
    pub const ENCRYPTION_UNSUPPORTED: &str = "EncryptionUnsupported";
    /// The server has no CORS rules.
    pub const CORS_UNSUPPORTED: &str = "CORSUnsupported";
    /// The server can't delete by itself what is asked for.
    pub const LIFECYCLE_UNSUPPORTED: &str = "LifecycleUnsupported";
    /// The server can't keep objects from being made public.
    pub const PUBLIC_ACCESS_BLOCK_UNSUPPORTED: &str = "PublicAccessBlockUnsupported";
    /// The server knows the setting and refused its value.
    pub const SETTING_REFUSED: &str = "SettingRefused";
    /// The server refused the operator's own credentials.
    pub const ACCESS_DENIED: &str = "AccessDenied";
    /// The server could not be reached or answered that it can't serve.
    pub const BACKEND_UNREACHABLE: &str = "BackendUnreachable";
    /// The server answered with an error that a retry may or may not mend.
    pub const BACKEND_ERROR: &str = "BackendError";
    /// An earlier step has to succeed first.
    pub const WAITING: &str = "Waiting";
    /// A user and a key were issued.
    pub const ISSUED: &str = "Issued";
    /// The key of the class's Secret for this gateway works, and is copied to where pods read it.
    pub const COPIED: &str = "Copied";
    /// Pods get temporary keys by themselves.
    pub const WEB_IDENTITY: &str = "WebIdentity";
    /// Nobody has said that the key of the class's Secret is for a gateway.
    pub const SECRET_NOT_LABELLED: &str = "SecretNotLabelled";
    /// The key of the class's Secret can't do with the bucket what gateways do.
    pub const KEY_REFUSED: &str = "KeyRefused";
    /// The key of the class's Secret opens another gateway's bucket, too.
    pub const KEY_TOO_WIDE: &str = "KeyTooWide";
    /// A user of that name exists and is not ours.
    pub const USER_CONFLICT: &str = "UserConflict";
    /// The database is the one that a Secret names.
    pub const GIVEN: &str = "Given";
    /// A database of that name exists and is not ours.
    pub const DATABASE_OWNED_BY_OTHER: &str = "DatabaseOwnedByOther";
    /// PostgreSQL refused the operator's own credentials.
    pub const AUTHENTICATION_FAILED: &str = "AuthenticationFailed";
    /// A Secret of that name exists and is not ours.
    pub const SECRET_NOT_OWNED: &str = "SecretNotOwned";
    /// An object of that name exists in the namespace and is not ours.
    pub const OBJECT_NOT_OWNED: &str = "ObjectNotOwned";
    /// The API server refused a write.
    pub const API_SERVER_ERROR: &str = "ApiServerError";
    /// Pods can't be created, by a quota or an admission rule for instance.
    pub const REPLICA_FAILURE: &str = "ReplicaFailure";
    /// A Secret that the spec names is missing, or lacks the key.
    pub const SECRET_MISSING: &str = "SecretMissing";
    /// A Secret that the spec names holds a value that can't be used.
    pub const SECRET_INVALID: &str = "SecretInvalid";
    /// A new key or password is in use, or about to be, and the former is still good.
    pub const ROTATION_IN_PROGRESS: &str = "RotationInProgress";
    /// The signing key is the current one.
    pub const CURRENT: &str = "Current";
    /// The Deployment has its minimum of replicas.
    pub const MINIMUM_REPLICAS_AVAILABLE: &str = "MinimumReplicasAvailable";
    /// The Deployment is on its way.
    pub const ROLLOUT_IN_PROGRESS: &str = "RolloutInProgress";
    /// The Deployment made no progress for its deadline.
    pub const PROGRESS_DEADLINE_EXCEEDED: &str = "ProgressDeadlineExceeded";
    /// `RouteReady`: the gateway is not to be reached from outside of the cluster. `BucketConfigured`: the
    /// bucket is left as it is.
    pub const NOT_REQUESTED: &str = "NotRequested";
    /// The Ingress is written, or the HTTPRoute accepted by its Gateway.
    pub const ROUTE_ACCEPTED: &str = "RouteAccepted";
    /// The cluster has no HTTPRoutes.
    pub const GATEWAY_API_MISSING: &str = "GatewayAPIMissing";
    /// No Gateway that the HTTPRoute names takes it.
    pub const PARENT_NOT_FOUND: &str = "ParentNotFound";
    /// A Gateway refused the HTTPRoute.
    pub const ROUTE_REJECTED: &str = "RouteRejected";
}

/// What a step found out, before it has a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The condition type, one of this module's constants.
    pub type_: &'static str,
    /// `None` is `Unknown`.
    pub status: Option<bool>,
    /// One of [`reason`].
    pub reason: &'static str,
    /// What is the matter and what to do about it. Never a credential.
    pub message: String,
}

impl Finding {
    /// The condition is true.
    pub fn yes(type_: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            type_,
            status: Some(true),
            reason,
            message: message.into(),
        }
    }

    /// The condition is false.
    pub fn no(type_: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            type_,
            status: Some(false),
            reason,
            message: message.into(),
        }
    }

    /// Nothing is known yet.
    pub fn unknown(type_: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            type_,
            status: None,
            reason,
            message: message.into(),
        }
    }
}

/// Conditions for `findings`, in their order.
///
/// `lastTransitionTime` is taken over from `previous` while the status stays, so that the same
/// findings always give the same conditions and a settled object is never written again.
pub fn merge(
    previous: &[Condition],
    findings: &[Finding],
    generation: Option<i64>,
    now: &Time,
) -> Vec<Condition> {
    findings
        .iter()
        .map(|finding| {
            let status = match finding.status {
                Some(true) => "True",
                Some(false) => "False",
                None => "Unknown",
            };
            let since = previous
                .iter()
                .find(|old| old.type_ == finding.type_ && old.status == status)
                .map_or_else(|| now.clone(), |old| old.last_transition_time.clone());
            Condition {
                type_: finding.type_.into(),
                status: status.into(),
                reason: finding.reason.into(),
                message: finding.message.clone(),
                observed_generation: generation,
                last_transition_time: since,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        serde_json::from_value(serde_json::json!(text)).unwrap()
    }

    #[test]
    fn transition_time_moves_only_with_the_status() {
        let (early, late) = (at("2026-01-01T00:00:00Z"), at("2026-01-02T00:00:00Z"));
        let first = merge(
            &[],
            &[Finding::no(READY, reason::WAITING, "one")],
            Some(1),
            &early,
        );
        let same = merge(
            &first,
            &[Finding::no(READY, reason::WAITING, "two")],
            Some(2),
            &late,
        );
        assert_eq!(same[0].last_transition_time, early);
        assert_eq!(
            (same[0].message.as_str(), same[0].observed_generation),
            ("two", Some(2))
        );
        let flipped = merge(
            &same,
            &[Finding::yes(READY, reason::ALL_READY, "")],
            Some(2),
            &late,
        );
        assert_eq!(flipped[0].last_transition_time, late);
    }
}
