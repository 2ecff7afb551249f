//! What gateway pods mount: Secrets as files, a folder for temporary files, the SQLite volume.

use crds::WebIdentityCredentials;
use k8s_openapi::api::core::v1::{
    EmptyDirVolumeSource, KeyToPath, PersistentVolumeClaimVolumeSource, ProjectedVolumeSource,
    SecretVolumeSource, ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::config_map::{
    AUTH_FOLDER, DATA_FOLDER, DATABASE_FOLDER, IDENTITY_FOLDER, S3_FOLDER, SIGNING_FOLDER, TOKEN,
    WEBHOOK_FOLDER,
};
use crate::gateway::credentials::CredentialsPlan;
use crate::gateway::validate::{DatabasePlan, Plan};
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
    volumes.push(match &plan.database {
        DatabasePlan::PostgreSql { .. } => secret("database", database_secret_name(name)),
        DatabasePlan::Given { secret, .. } => one_key("database", &secret.name, &secret.key, "url"),
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
        volumes.push(one_key("auth", &reference.name, &reference.key, "secret"));
    }
    if let Some(webhook) = &plan.webhook {
        let reference = &webhook.spec.secret_ref;
        volumes.push(one_key(
            "webhook",
            &reference.name,
            &reference.key,
            "secret",
        ));
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
        DatabasePlan::PostgreSql { .. } | DatabasePlan::Given { .. } => {
            read_only("database", DATABASE_FOLDER)
        }
        DatabasePlan::Sqlite { .. } => mount("catalog", DATA_FOLDER),
    });
    if plan.auth.secret_ref.is_some() {
        mounts.push(read_only("auth", AUTH_FOLDER));
    }
    if plan.webhook.is_some() {
        mounts.push(read_only("webhook", WEBHOOK_FOLDER));
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

/// A Secret of the tenant's own, of which only the one key is mounted, as the file called `path`.
fn one_key(volume: &str, name: &str, key: &str, path: &str) -> Volume {
    let mut volume = secret(volume, name.into());
    if let Some(source) = &mut volume.secret {
        source.items = Some(vec![KeyToPath {
            key: key.into(),
            path: path.into(),
            mode: None,
        }]);
    }
    volume
}
