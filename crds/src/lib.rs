//! The resources of `filegateway.dev/v1alpha1`.
//!
//! ```text
//! FileGatewayClass (cluster)      the platform team's S3, IAM, PostgreSQL, image, rules
//!        ▲ spec.className
//! FileGateway (namespace, fgw)    one organization: bucket, database, auth, limits
//! ```
//!
//! The field docs, defaults and CEL rules here become the OpenAPI schema that the API server
//! enforces. `crdgen` writes it as YAML; a test holds the checked-in files equal to it.

mod access;
mod auth;
mod bucket;
mod class;
pub mod conditions;
mod credentials;
mod exposure;
mod gateway;
mod limits;
mod monitoring;
mod network;
mod page;
mod reference;
mod scaling;
mod scheduling;
mod server;
mod shutdown;
mod status;
mod tracing;
mod values;
mod video;
mod webhooks;

pub use access::{AccessSpec, CorsSpec, Delivery, LocationAccess, Switch, TokensSpec};
pub use auth::{AuthSpec, ClaimNames};
pub use bucket::{
    BucketCorsRule, BucketDefaults, BucketEncryption, BucketLifecycle, BucketSpec,
    BucketVersioning, CorsMethod, EncryptionType, PublicAccess,
};
pub use class::{
    AllowedNamespaces, DatabaseServer, FileGatewayClass, FileGatewayClassSpec,
    FileGatewayClassStatus, GatewayImage, IamServer, ObjectStore, PullPolicy, Rotation,
};
pub use credentials::{
    ClassCredentials, CredentialsType, SecretCredentials, WebIdentityCredentials,
};
pub use exposure::{
    ExposureRules, ExposureSpec, ExposureType, HttpRouteRules, IngressRules, ParentReference,
};
pub use gateway::{
    DatabaseSpec, DatabaseType, DeletionPolicy, FileGateway, FileGatewaySpec, SqliteVolume,
};
pub use limits::{OwnerQuota, QuotaSpec, UploadsSpec};
pub use monitoring::{MonitoringRules, ServiceMonitorRules};
pub use network::{Destination, EgressRules, NetworkRules};
pub use reference::{DatabaseReference, SecretKeyReference, SecretReference};
pub use scaling::{AutoscalingSpec, ScalingSpec};
pub use scheduling::{SchedulingSpec, TopologySpread, WhenUnsatisfiable};
pub use server::ServerSpec;
pub use shutdown::ShutdownSpec;
pub use status::{
    BucketStatus, ClassSnapshot, DatabaseStatus, FileGatewayStatus, FormerServers, RotationStatus,
    RotationStatuses,
};
pub use tracing::TracingRules;
pub use video::{VideoOutput, VideoSpec, WorkerSpec};
pub use webhooks::{PrivateAddresses, WebhookEvent, WebhookRules, WebhooksSpec};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// The API group of every kind here.
pub const GROUP: &str = "filegateway.dev";

/// The version of every kind here.
pub const VERSION: &str = "v1alpha1";

/// `definition` as the YAML that is checked in: a note on where it comes from, then the document.
///
/// # Errors
/// When the definition can't be serialized; never seen with the definitions of this crate.
pub fn to_yaml(
    definition: &CustomResourceDefinition,
) -> Result<String, serde_saphyr::SerializeError> {
    let mut document = serde_saphyr::to_string(definition)?;
    document.insert_str(
        0,
        "# Generated from crds/src by `make generate`; change it there.\n",
    );
    Ok(document)
}

/// Every CustomResourceDefinition of this crate, with the name of the file that holds its YAML.
pub fn definitions() -> Vec<(&'static str, CustomResourceDefinition)> {
    vec![
        ("filegateways.yaml", FileGateway::crd()),
        ("filegatewayclasses.yaml", FileGatewayClass::crd()),
    ]
}

/// `charts/filegateway/README.md`, from the text of the chart's `values.yaml`.
pub fn values_page(values: &str) -> String {
    values::page(values)
}

/// `docs/reference.md`: every field of every resource, as one page of Markdown.
pub fn reference_page() -> String {
    page::page(&definitions())
}
