//! A gateway's life: made, all its keys replaced, deleted. After each part, what there is of it.

use std::collections::BTreeSet;
use std::fmt::Debug;

use crds::FileGateway;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::ListParams;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::bed::Bed;
use crate::life::{Inventory, ask_for_rotation, complete, inventory, rotated};

/// Lives it to its end.
pub async fn live(bed: &Bed) {
    let spec = json!({"deletionPolicy": "Delete", "scaling": {"autoscaling": {"maxReplicas": 3}}});
    let made = bed.create("files", spec).await.unwrap();
    bed.ready("files").await;
    let owner = made.uid().unwrap();
    let first = inventory(bed, "files", &owner).await;
    let logins: Vec<bool> = first.roles.values().copied().collect();
    assert_eq!(logins, [true], "{:?}", first.roles);
    complete(bed, "files", &first).await;

    let signing = bed.secret("files-signing").await;
    ask_for_rotation(bed, "files", "now").await;
    rotated(bed, "files", "now").await;
    bed.condition("files", "Ready", "True", "AllReady").await;
    assert_ne!(bed.secret("files-signing").await, signing);
    let second = inventory(bed, "files", &owner).await;
    assert_eq!(second.buckets, first.buckets);
    assert_eq!(second.users, first.users);
    assert_eq!(second.databases, first.databases);
    assert!(first.keys.keys().all(|key| !second.keys.contains_key(key)));
    let logins: BTreeSet<bool> = second.roles.values().copied().collect();
    assert_eq!(second.roles.len(), 2, "{:?}", second.roles);
    assert_eq!(logins.len(), 2, "one of them: {:?}", second.roles);
    complete(bed, "files", &second).await;

    bed.delete("files").await;
    bed.gone("files").await;
    assert_eq!(inventory(bed, "files", &owner).await, Inventory::default());
    // The collector that deletes them by their owner does not run here.
    all_owned::<ConfigMap>(bed, &owner).await;
    all_owned::<Secret>(bed, &owner).await;
    all_owned::<Service>(bed, &owner).await;
    all_owned::<ServiceAccount>(bed, &owner).await;
    all_owned::<NetworkPolicy>(bed, &owner).await;
    all_owned::<PodDisruptionBudget>(bed, &owner).await;
    all_owned::<HorizontalPodAutoscaler>(bed, &owner).await;
    let pods = bed.versions::<Deployment>().await;
    assert!(pods.is_empty(), "{pods:?}");
}

/// Kubernetes deletes what is left of this kind after its owner.
async fn all_owned<K>(bed: &Bed, owner: &str)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let managed = ListParams::default().labels("app.kubernetes.io/managed-by=filegateway-operator");
    for object in bed.api::<K>().list(&managed).await.unwrap() {
        let owners = object.owner_references();
        let ours = owners
            .iter()
            .any(|o| o.uid == owner && o.kind == FileGateway::kind(&()));
        assert!(ours, "{} {}", K::kind(&()), object.name_any());
    }
}
