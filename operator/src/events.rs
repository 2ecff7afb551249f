//! Events: what happened to a gateway or a class, for `kubectl describe`. Published on transitions only.

use crds::FileGateway;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use kube::runtime::events::{Event, EventType};

use crate::context::Context;

/// The operator made the bucket.
pub const BUCKET_CREATED: &str = "BucketCreated";
/// The operator took over a bucket.
pub const BUCKET_ADOPTED: &str = "BucketAdopted";
/// How the bucket is set up was written, since it differed.
pub const BUCKET_CONFIGURED: &str = "BucketConfigured";
/// A credential was issued.
pub const KEY_ISSUED: &str = "KeyIssued";
/// A credential was replaced; the former is still good.
pub const KEY_ROTATED: &str = "KeyRotated";
/// A former credential is good no longer.
pub const KEY_REVOKED: &str = "KeyRevoked";
/// The operator made the database.
pub const DATABASE_CREATED: &str = "DatabaseCreated";
/// The class names other servers than before.
pub const MOVED: &str = "Moved";
/// The gateway answers requests.
pub const READY: &str = "Ready";
/// The bucket and the database outlive their gateway.
pub const RETAINED: &str = "Retained";
/// The bucket and the database are gone.
pub const DELETED: &str = "Deleted";
/// The operator leaves the gateway as it is.
pub const PAUSED: &str = "Paused";
/// The operator looks after the gateway again.
pub const RESUMED: &str = "Resumed";
/// Deletion was forced by an annotation and left something behind.
pub const RELEASED: &str = "Released";

/// What a condition said was wrong is right again.
pub const RECOVERED: &str = "Recovered";

/// Publishes a Normal event of `gateway` about the condition called `condition`.
pub async fn normal(
    context: &Context,
    gateway: &FileGateway,
    condition: &str,
    reason: &str,
    note: String,
) {
    let about = gateway.object_ref(&());
    publish(context, about, EventType::Normal, condition, reason, note).await;
}

/// Publishes a Warning of `gateway` about the condition called `condition`.
pub async fn warning(
    context: &Context,
    gateway: &FileGateway,
    condition: &str,
    reason: &str,
    note: String,
) {
    let about = gateway.object_ref(&());
    publish(context, about, EventType::Warning, condition, reason, note).await;
}

/// Publishes an event about any object. A failure is logged and no more: events are a courtesy, and a
/// namespace that is being deleted takes none. Those of a class go to the namespace `default`.
pub async fn publish(
    context: &Context,
    mut about: ObjectReference,
    type_: EventType,
    action: &str,
    reason: &str,
    mut note: String,
) {
    // The API server takes 1 kB.
    if note.len() > 1000 {
        let end = (0..=1000).rev().find(|end| note.is_char_boundary(*end));
        note.truncate(end.unwrap_or(0));
    }
    let event = Event {
        type_,
        reason: reason.into(),
        note: Some(note),
        action: action.into(),
        secondary: None,
    };
    // Repeats of one event are counted together, whatever the version.
    about.resource_version = None;
    if let Err(error) = context.recorder.publish(&event, &about).await {
        tracing::debug!(%error, reason, "event not published");
    }
}
