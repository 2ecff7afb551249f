//! What Prometheus is told.

use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::bed::{Bed, Operator};

async fn told(bed: &Bed, operator: &Operator, line: &str) {
    bed.until(line, async || {
        let (status, text) = operator.get("/metrics").await?;
        assert_eq!(status, 200);
        text.lines().any(|found| found == line).then_some(())
    })
    .await;
}

#[tokio::test]
async fn gateways_failures_and_leadership_are_counted() {
    let (bed, operator) = Bed::with_operator("metrics").await;
    bed.s3.cut();
    bed.create("files", json!({})).await.unwrap();
    told(&bed, &operator, "filegateway_operator_leader 1").await;
    let down = r#"filegateway_operator_gateways{ready="False",reason="BackendUnreachable"} 1"#;
    told(&bed, &operator, down).await;
    let (_, text) = operator.get("/metrics").await.unwrap();
    let failures = "filegateway_operator_step_failures_total\
                    {step=\"BucketReady\",reason=\"BackendUnreachable\"}";
    assert!(text.contains(failures), "{text}");

    bed.s3.mend();
    bed.ready("files").await;
    let up = r#"filegateway_operator_gateways{ready="True",reason="AllReady"} 1"#;
    told(&bed, &operator, up).await;
    told(&bed, &operator, "filegateway_operator_gateways_outdated 0").await;
    told(&bed, &operator, "filegateway_operator_gateways_waiting 0").await;
    // While one change follows the other, the gateway waits most of the time.
    let changes = async {
        for number in 0.. {
            let label = json!({"metadata": {"labels": {"number": format!("{number}")}}});
            let services = bed.api::<Service>();
            let params = PatchParams::default();
            let patched = services.patch("files", &params, &Patch::Merge(label)).await;
            patched.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = changes => {}
        () = told(&bed, &operator, "filegateway_operator_gateways_waiting 1") => {}
    }
    told(&bed, &operator, "filegateway_operator_gateways_waiting 0").await;
    let (_, text) = operator.get("/metrics").await.unwrap();
    let passes = r#"reconciles_total{kind="FileGateway",result="settled"}"#;
    assert!(text.contains(passes), "{text}");
    for verb in ["read", "watch", "create", "patch"] {
        let calls = format!("api_calls_total{{verb=\"{verb}\",status=\"2xx\"}}");
        assert!(text.contains(&calls), "{calls} in {text}");
    }
    for (system, operation) in [
        ("s3", "CreateBucket"),
        ("iam", "CreateAccessKey"),
        ("sql", "create the database"),
    ] {
        let labels = format!("{{system=\"{system}\",operation=\"{operation}\",result=\"ok\"}} 1");
        let calls = format!("remote_call_duration_seconds_count{labels}");
        assert!(text.contains(&calls), "{calls} in {text}");
    }
    let failed = r#"operation="GetBucketTagging",result="failed""#;
    assert!(text.contains(failed), "{failed} in {text}");
    assert!(
        !text.contains(&bed.namespace),
        "no label has the name of a gateway: {text}"
    );
    operator.stop().await;
}
