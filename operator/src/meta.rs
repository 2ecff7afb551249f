//! Labels, annotations and names inside the cluster: each string once.

use std::collections::BTreeMap;

use crds::FileGateway;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource, ResourceExt};

/// Field manager of every server-side apply, and the reporter of events.
pub const MANAGER: &str = "filegateway-operator";
/// Holds a FileGateway until what it made outside the cluster is dealt with.
pub const FINALIZER: &str = "filegateway.dev/finalizer";
/// `true` on a FileGateway that is being deleted: let go of what can't be cleaned up.
pub const RELEASE_ANNOTATION: &str = "filegateway.dev/release-external";
/// On a FileGateway, an endpoint or `host:port` that its status has under `former`: what may still be at that
/// server is left there, and the server not asked any more.
pub const FORGET_ANNOTATION: &str = "filegateway.dev/forget-server";
/// `true` on a FileGateway: the operator leaves it as it is.
pub const PAUSED_ANNOTATION: &str = "filegateway.dev/paused";
/// On a FileGateway, with a new value: replace the key that signs file tokens.
pub const ROTATE_SIGNING_KEY: &str = "filegateway.dev/rotate-signing-key";
/// On a FileGateway, with a new value: replace the S3 access key.
pub const ROTATE_ACCESS_KEY: &str = "filegateway.dev/rotate-access-key";
/// On a FileGateway, with a new value: replace the database password.
pub const ROTATE_DATABASE_PASSWORD: &str = "filegateway.dev/rotate-database-password";
/// The owner's UID: a tag on buckets, an annotation on volume claims, a word in PostgreSQL comments.
pub const OWNER_MARK: &str = "filegateway.dev/owner";
/// Namespace of the owner: a tag on buckets and users, for people.
pub const NAMESPACE_MARK: &str = "filegateway.dev/namespace";
/// Name of the owner: a tag on buckets and users, for people.
pub const NAME_MARK: &str = "filegateway.dev/name";
/// `true` on a Secret in the operator's namespace: the key in it is for the FileGateway that its name tells.
pub const CREDENTIALS_LABEL: &str = "filegateway.dev/credentials";
/// SHA-256 of what was last applied to an object.
pub const APPLIED_ANNOTATION: &str = "filegateway.dev/applied";
/// SHA-256 of a Secret's data as we wrote it.
pub const CONTENT_ANNOTATION: &str = "filegateway.dev/content";
/// On pods: changes when something changes that they read only at start.
pub const CONFIG_ANNOTATION: &str = "filegateway.dev/config";

const NAME_LABEL: &str = "app.kubernetes.io/name";
const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";

/// Label selector of every object that the operator makes.
pub fn managed_selector() -> String {
    format!("{MANAGED_BY_LABEL}={MANAGER}")
}

/// Label selector of every object that the operator makes for the gateway called `name`.
pub fn children_selector(name: &str) -> String {
    format!("{},{INSTANCE_LABEL}={name}", managed_selector())
}

/// Labels that select the pods of one component of the gateway called `name`. Never changed: a
/// Deployment's selector is immutable.
pub fn pod_selector(name: &str, component: &str) -> BTreeMap<String, String> {
    let mut labels = instance_selector(name);
    labels.insert(COMPONENT_LABEL.into(), component.into());
    labels
}

/// Labels that select all pods of the gateway called `name`.
pub fn instance_selector(name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (NAME_LABEL.into(), "filegateway".into()),
        (INSTANCE_LABEL.into(), name.into()),
    ])
}

/// [`pod_selector`] as the text that the scale subresource and `kubectl -l` take.
pub fn selector_text(name: &str, component: &str) -> String {
    pod_selector(name, component)
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect::<Vec<_>>()
        .join(",")
}

/// Labels of a child of the gateway called `name`.
pub fn labels(name: &str, component: &str) -> BTreeMap<String, String> {
    let mut labels = pod_selector(name, component);
    labels.insert(MANAGED_BY_LABEL.into(), MANAGER.into());
    labels
}

/// The gateway that a labelled child belongs to.
pub fn instance_of(child: &ObjectMeta) -> Option<&str> {
    let labels = child.labels.as_ref()?;
    (labels.get(MANAGED_BY_LABEL)? == MANAGER)
        .then(|| labels.get(INSTANCE_LABEL).map(String::as_str))?
}

/// Who a child belongs to: enough of a FileGateway to make its children.
#[derive(Clone, Debug, PartialEq)]
pub struct Owner {
    /// Namespace of the gateway.
    pub namespace: String,
    /// Name of the gateway.
    pub name: String,
    /// UID of the gateway.
    pub uid: String,
}

impl Owner {
    /// `None` for an object that never was on an API server.
    pub fn of(gateway: &FileGateway) -> Option<Self> {
        Some(Self {
            namespace: gateway.namespace()?,
            name: gateway.name_any(),
            uid: gateway.uid()?,
        })
    }

    /// The reference that makes the API server remove a child with its owner.
    pub fn reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: FileGateway::api_version(&()).into_owned(),
            kind: FileGateway::kind(&()).into_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }

    /// Metadata of the child called `name`.
    pub fn child(&self, name: String, component: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name),
            namespace: Some(self.namespace.clone()),
            labels: Some(labels(&self.name, component)),
            owner_references: Some(vec![self.reference()]),
            ..ObjectMeta::default()
        }
    }

    /// Whether `child` names this owner by its UID.
    pub fn owns(&self, child: &ObjectMeta) -> bool {
        child
            .owner_references
            .iter()
            .flatten()
            .any(|reference| reference.uid == self.uid)
    }

    /// Whether `child` carries this owner's annotation, as volume claims do: they have no owner
    /// reference since `Retain` keeps them.
    pub fn marked(&self, child: &ObjectMeta) -> bool {
        child
            .annotations
            .as_ref()
            .and_then(|annotations| annotations.get(OWNER_MARK))
            .is_some_and(|uid| *uid == self.uid)
    }
}

/// Host of the Service of a gateway, inside of the cluster.
pub fn service_host(namespace: &str, name: &str) -> String {
    format!("{name}.{namespace}.svc")
}

/// Name of the ConfigMap.
pub fn config_map_name(name: &str) -> String {
    format!("{name}-gateway")
}

/// Name of the worker's Deployment.
pub fn worker_name(name: &str) -> String {
    format!("{name}-worker")
}

/// Name of the Service that metrics are read by.
pub fn metrics_name(name: &str) -> String {
    format!("{name}-metrics")
}

/// Name of the Secret with the certificate that cert-manager makes.
pub fn tls_secret_name(name: &str) -> String {
    format!("{name}-tls")
}

/// Name of the Secret with the S3 key.
pub fn s3_secret_name(name: &str) -> String {
    format!("{name}-s3")
}

/// Name of the Secret with the signing keys.
pub fn signing_secret_name(name: &str) -> String {
    format!("{name}-signing")
}

/// Name of the Secret with the database URL.
pub fn database_secret_name(name: &str) -> String {
    format!("{name}-database")
}

/// Name of the volume claim of a SQLite database.
pub fn volume_claim_name(name: &str) -> String {
    format!("{name}-catalog")
}
