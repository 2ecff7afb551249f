//! The worker's pods: apart from those that serve, and gone when videos are not worked on.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use crate::bed::Bed;

async fn spec(bed: &Bed, name: &str) -> DeploymentSpec {
    let deployment = bed.api::<Deployment>().get(name).await.unwrap();
    deployment.spec.unwrap()
}

#[tokio::test]
async fn workers_are_scaled_apart_and_go_with_the_videos() {
    let (bed, operator) = Bed::with_operator("video").await;
    let video = json!({"scaling": {"replicas": 2}, "video": {"worker": {
        "replicas": 3, "scratchSize": "20Gi", "resources": {"limits": {"memory": "4Gi"}}}}});
    bed.create("files", video).await.unwrap();
    bed.ready("files").await;
    let worker = spec(&bed, "files-worker").await;
    assert_eq!(worker.replicas, Some(3));
    assert_eq!(spec(&bed, "files").await.replicas, Some(2));
    let pod = worker.template.spec.unwrap();
    let volumes = pod.volumes.unwrap();
    let tmp = volumes.iter().find(|volume| volume.name == "tmp").unwrap();
    let limit = tmp.empty_dir.clone().unwrap().size_limit.unwrap();
    // One video may take 20 GiB, and there is 256 MiB to spare.
    assert_eq!(limit.0, (20_736_u64 << 20).to_string());
    let limits = pod.containers[0].resources.clone().unwrap().limits.unwrap();
    assert_eq!(limits["memory"].0, "4Gi");

    operator.quiet().await;
    let off = json!({"spec": {"video": {"enabled": false}}});
    bed.patch("files", off).await.unwrap();
    let deployments = bed.api::<Deployment>();
    bed.none_left::<Deployment>("files-worker").await;
    let settings = bed.api::<ConfigMap>().get("files-gateway").await.unwrap();
    assert_eq!(
        settings.data.unwrap()["FILEGATEWAY_WORKER_EMBEDDED"],
        "true",
        "somebody has to run the janitor"
    );
    bed.pods_available("files").await;
    bed.condition("files", "Ready", "True", "AllReady").await;

    let on = json!({"spec": {"video": {"enabled": true}}});
    bed.patch("files", on).await.unwrap();
    bed.until("the workers are back", async || {
        deployments.get_opt("files-worker").await.unwrap()
    })
    .await;
}
