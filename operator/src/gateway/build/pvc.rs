//! The volume claim of a SQLite database.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::ObjectMeta;

use super::CATALOG;
use crate::meta::{OWNER_MARK, Owner, volume_claim_name};

/// PersistentVolumeClaim `NAME-catalog`, marked by an annotation instead of an owner reference, so
/// that the API server does not remove it with its gateway.
pub fn volume_claim(
    owner: &Owner,
    size: &str,
    storage_class: Option<&str>,
) -> PersistentVolumeClaim {
    let metadata = ObjectMeta {
        owner_references: None,
        annotations: Some(BTreeMap::from([(
            OWNER_MARK.to_string(),
            owner.uid.clone(),
        )])),
        ..owner.child(volume_claim_name(&owner.name), CATALOG)
    };
    PersistentVolumeClaim {
        metadata,
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".into()]),
            storage_class_name: storage_class.map(str::to_string),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([(
                    "storage".to_string(),
                    Quantity(size.into()),
                )])),
                limits: None,
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}
