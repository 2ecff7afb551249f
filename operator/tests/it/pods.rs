//! Pods are let into a namespace that enforces the restricted Pod Security profile.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ObjectMeta, PostParams};
use serde_json::json;

use crate::bed::Bed;

#[tokio::test]
async fn pods_satisfy_the_restricted_profile() {
    let (bed, _operator) = Bed::with_operator("restricted").await;
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    bed.apply_namespace(&bed.namespace, labels).await;
    bed.create("files", json!({})).await.unwrap();
    bed.create("small", json!({"database": {"type": "SQLite"}}))
        .await
        .unwrap();
    bed.create("plain", json!({"video": {"enabled": false}}))
        .await
        .unwrap();
    let (deployments, pods) = (bed.api::<Deployment>(), bed.api::<Pod>());
    let try_out = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    for name in ["files", "files-worker", "small", "plain"] {
        let found = bed
            .until(name, async || deployments.get_opt(name).await.unwrap())
            .await;
        let template = found.spec.unwrap().template;
        let mut pod = Pod {
            metadata: ObjectMeta {
                name: Some(name.into()),
                ..template.metadata.unwrap()
            },
            spec: template.spec,
            status: None,
        };
        let admitted = pods.create(&try_out, &pod).await;
        assert!(admitted.is_ok(), "{name}: {admitted:?}");

        // The namespace does refuse others.
        pod.spec.as_mut().unwrap().containers[0].security_context = None;
        let refused = pods.create(&try_out, &pod).await.unwrap_err().to_string();
        assert!(refused.contains("PodSecurity"), "{refused}");
    }
}
