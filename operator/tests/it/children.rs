//! Children that somebody deletes or changes are put right.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::backends::{iam_admin, postgres, put, s3};
use crate::bed::Bed;

async fn delete_and_wait<K>(bed: &Bed, name: &str)
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let api: Api<K> = bed.api();
    let before = api.get(name).await.unwrap().uid();
    api.delete(name, &DeleteParams::background()).await.unwrap();
    bed.until(&format!("{} {name} again", K::kind(&())), async || {
        let found = api.get_opt(name).await.unwrap()?;
        (found.uid() != before).then_some(())
    })
    .await;
}

async fn change<K>(bed: &Bed, name: &str, patch: Value)
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let api: Api<K> = bed.api();
    api.patch(name, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
}

#[tokio::test]
async fn deleted_children_come_back() {
    let (bed, operator) = Bed::with_operator("deleted").await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    operator.quiet().await;
    delete_and_wait::<Deployment>(&bed, "files").await;
    delete_and_wait::<Deployment>(&bed, "files-worker").await;
    delete_and_wait::<Service>(&bed, "files").await;
    delete_and_wait::<ServiceAccount>(&bed, "files").await;
    delete_and_wait::<ConfigMap>(&bed, "files-gateway").await;
    delete_and_wait::<Secret>(&bed, "files-signing").await;
    delete_and_wait::<NetworkPolicy>(&bed, "files").await;
}

#[tokio::test]
async fn changed_children_are_changed_back() {
    let (bed, operator) = Bed::with_operator("changed").await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    operator.quiet().await;

    change::<Deployment>(&bed, "files", json!({"spec": {"replicas": 7}})).await;
    let deployments = bed.api::<Deployment>();
    bed.until("one replica again", async || {
        let replicas = deployments
            .get("files")
            .await
            .unwrap()
            .spec
            .unwrap()
            .replicas;
        (replicas == Some(1)).then_some(())
    })
    .await;

    let data = json!({"data": {"FILEGATEWAY_ORGANIZATION": "evil"}});
    change::<ConfigMap>(&bed, "files-gateway", data).await;
    let maps = bed.api::<ConfigMap>();
    bed.until("the organization again", async || {
        let data = maps.get("files-gateway").await.unwrap().data.unwrap();
        (data["FILEGATEWAY_ORGANIZATION"] == "acme").then_some(())
    })
    .await;

    let wrong = json!({"spec": {"selector": {"app.kubernetes.io/component": "other"}}});
    change::<Service>(&bed, "files", wrong).await;
    let services = bed.api::<Service>();
    bed.until("the selector again", async || {
        let selector = services
            .get("files")
            .await
            .unwrap()
            .spec
            .unwrap()
            .selector
            .unwrap();
        (selector["app.kubernetes.io/component"] == "gateway").then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_others_put_in_stays() {
    let (bed, operator) = Bed::with_operator("others").await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    operator.quiet().await;
    // A sidecar and its mark, as service meshes put them in.
    let sidecar = json!({"spec": {"template": {
        "metadata": {"annotations": {"mesh.example.com/injected": "true"}},
        "spec": {"containers": [{"name": "sidecar", "image": "mesh:1"}]},
    }}});
    let deployments = bed.api::<Deployment>();
    deployments
        .patch(
            "files",
            &PatchParams::default(),
            &Patch::Strategic(&sidecar),
        )
        .await
        .unwrap();
    operator.quiet().await;
    // A change of the spec writes the Deployment anew.
    let change = json!({"spec": {"scaling": {"replicas": 2}}});
    bed.patch("files", change).await.unwrap();
    let spec = bed
        .until("two replicas", async || {
            let spec = deployments.get("files").await.unwrap().spec?;
            (spec.replicas == Some(2)).then_some(spec)
        })
        .await;
    let names: Vec<_> = spec.template.spec.unwrap().containers;
    let names: Vec<_> = names.iter().map(|one| one.name.as_str()).collect();
    assert!(
        names.contains(&"sidecar") && names.contains(&"gateway"),
        "{names:?}"
    );
    let annotations = spec.template.metadata.unwrap().annotations.unwrap();
    assert_eq!(annotations["mesh.example.com/injected"], "true");
}

#[tokio::test]
async fn a_lost_key_is_replaced_and_the_old_one_revoked() {
    let (bed, operator) = Bed::with_operator("lostkey").await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    operator.quiet().await;
    let bucket = bed.status("files").await.bucket.unwrap();
    let old = bed.secret("files-s3").await;
    delete_and_wait::<Secret>(&bed, "files-s3").await;
    let new = bed.secret("files-s3").await;
    assert_ne!(old["access-key-id"], new["access-key-id"]);
    let works = s3(&new["access-key-id"], &new["secret-access-key"]);
    put(&works, &bucket.name, "a").await.unwrap();
    let revoked = s3(&old["access-key-id"], &old["secret-access-key"]);
    bed.until("the old key is revoked", async || {
        put(&revoked, &bucket.name, "a").await.err()
    })
    .await;
    let user = bucket.user.unwrap();
    let keys = iam_admin()
        .list_access_keys()
        .user_name(user)
        .send()
        .await
        .unwrap();
    assert_eq!(keys.access_key_metadata().len(), 1);

    // A Secret that somebody has changed is as good as lost.
    let wrong = json!({"stringData": {"secret-access-key": "wrong"}});
    change::<Secret>(&bed, "files-s3", wrong).await;
    bed.until("a key that works again", async || {
        let key = bed.secret("files-s3").await;
        let client = s3(&key["access-key-id"], &key["secret-access-key"]);
        put(&client, &bucket.name, "b").await.ok()
    })
    .await;
}

#[tokio::test]
async fn a_lost_database_password_is_replaced_and_pods_take_it_up_by_themselves() {
    let (bed, operator) = Bed::with_operator("lostpassword").await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    operator.quiet().await;
    let deployments = bed.api::<Deployment>();
    let pod = async || {
        let spec = deployments.get("files").await.unwrap().spec.unwrap();
        spec.template.metadata.unwrap().annotations.unwrap()["filegateway.dev/config"].clone()
    };
    let before = pod().await;
    let old = bed.secret("files-database").await["url"].clone();
    delete_and_wait::<Secret>(&bed, "files-database").await;
    let new = bed.secret("files-database").await["url"].clone();
    assert_ne!(old, new);
    bed.until("the new password works", async || {
        postgres(&new, None).await.ok()
    })
    .await;
    assert!(postgres(&old, None).await.is_err());
    operator.quiet().await;
    assert_eq!(pod().await, before, "no pod is restarted");
}

/// Patches the ConfigMap ten times a second for as long as it is polled.
async fn keep_changing(bed: &Bed) {
    for count in 0.. {
        let note = json!({"metadata": {"annotations": {"example.com/count": count.to_string()}}});
        change::<ConfigMap>(bed, "files-gateway", note).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_child_that_changes_all_the_time_hides_no_other() {
    let (bed, operator) = Bed::with_operator("restless").await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    operator.quiet().await;
    let came_back = async {
        // Changes are under way before and after.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        delete_and_wait::<Service>(&bed, "files").await;
    };
    tokio::select! {
        () = came_back => {}
        () = keep_changing(&bed) => unreachable!(),
    }
}
