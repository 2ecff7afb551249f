//! What gateway pods mount: Secrets as files, a folder for temporary files, the SQLite volume.

use crds::{SecretKeyReference, WebIdentityCredentials};
use k8s_openapi::api::core::v1::{
    EmptyDirVolumeSource, KeyToPath, PersistentVolumeClaimVolumeSource, ProjectedVolumeSource,
    SecretVolumeSource, ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::config_map::{
    AUTH_FOLDER, DATA_FOLDER, DATABASE_FOLDER, IDENTITY_FOLDER, S3_FOLDER, SIGNING_FOLDER, TOKEN,
};
use crate::gateway::validate::{CredentialsPlan, DatabasePlan, Plan};
use crate::meta::{database_secret_name, s3_secret_name, signing_secret_name, volume_claim_name};

/// The volume with the ServiceAccount's token for the STS server.
pub const IDENTITY_VOLUME: &str = "identity";

/// The pod's volumes; the folder for temporary files grows to `scratch` at most, if that says any.
pub(super) fn volumes(plan: &Plan, scratch: Option<&Quantity>) -> Vec<Volume> {
    let name = &plan.owner.name;
    let mut volumes = vec![
        Volume {
            name: "tmp".into(),
            empty_dir: Some(EmptyDirVolumeSource {
                size_limit: scratch.cloned(),
                ..EmptyDirVolumeSource::default()
            }),
            ..Volume::default()
        },
        match &plan.credentials {
            CredentialsPlan::WebIdentity(identity) => token(identity),
            _ => secret("s3", s3_secret_name(name)),
        },
        secret("signing", signing_secret_name(name)),
    ];
    volumes.push(match plan.database {
        DatabasePlan::PostgreSql { .. } => secret("database", database_secret_name(name)),
        DatabasePlan::Sqlite { .. } => Volume {
            name: "catalog".into(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: volume_claim_name(name),
                ..PersistentVolumeClaimVolumeSource::default()
            }),
            ..Volume::default()
        },
    });
    if let Some(reference) = &plan.auth.secret_ref {
        volumes.push(shared_secret(reference));
    }
    volumes
}

/// The container's mounts, one per volume.
pub(super) fn mounts(plan: &Plan) -> Vec<VolumeMount> {
    let read_only = |name: &str, path: &str| VolumeMount {
        read_only: Some(true),
        ..mount(name, path)
    };
    let mut mounts = vec![
        mount("tmp", "/tmp"),
        match &plan.credentials {
            CredentialsPlan::WebIdentity(_) => read_only(IDENTITY_VOLUME, IDENTITY_FOLDER),
            _ => read_only("s3", S3_FOLDER),
        },
        read_only("signing", SIGNING_FOLDER),
    ];
    mounts.push(match plan.database {
        DatabasePlan::PostgreSql { .. } => read_only("database", DATABASE_FOLDER),
        DatabasePlan::Sqlite { .. } => mount("catalog", DATA_FOLDER),
    });
    if plan.auth.secret_ref.is_some() {
        mounts.push(read_only("auth", AUTH_FOLDER));
    }
    mounts
}

fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: name.into(),
        mount_path: path.into(),
        ..VolumeMount::default()
    }
}

fn secret(volume: &str, secret: String) -> Volume {
    Volume {
        name: volume.into(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret),
            default_mode: Some(0o440),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// A token for the STS server and nobody else, which the kubelet replaces before its end.
fn token(identity: &WebIdentityCredentials) -> Volume {
    Volume {
        name: IDENTITY_VOLUME.into(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(vec![VolumeProjection {
                service_account_token: Some(ServiceAccountTokenProjection {
                    audience: Some(identity.audience.clone()),
                    expiration_seconds: Some(identity.token_seconds.into()),
                    path: TOKEN.into(),
                }),
                ..VolumeProjection::default()
            }]),
            default_mode: Some(0o440),
        }),
        ..Volume::default()
    }
}

/// The tenant's own Secret, of which only the one key is mounted.
fn shared_secret(reference: &SecretKeyReference) -> Volume {
    let mut volume = secret("auth", reference.name.clone());
    if let Some(source) = &mut volume.secret {
        source.items = Some(vec![KeyToPath {
            key: reference.key.clone(),
            path: "secret".into(),
            mode: None,
        }]);
    }
    volume
}
