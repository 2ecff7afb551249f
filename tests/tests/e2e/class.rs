//! Classes go when nothing needs them, and not before.

use std::time::Duration;

use crate::support::{access, eventually, kubectl, object};

#[tokio::test]
async fn a_class_in_use_is_not_deleted() {
    let limit = Duration::from_secs(30);
    eventually("the class says that it is in use", limit, async || {
        let class = object("filegatewayclass", "", "default")?;
        let conditions = class["status"]["conditions"].as_array()?.clone();
        let in_use = |one: &serde_json::Value| one["type"] == "InUse" && one["status"] == "True";
        conditions.iter().any(in_use).then_some(())
    })
    .await;
    let refused = kubectl(&["delete", "filegatewayclass", "default"]).unwrap_err();
    println!("{refused}");
    let remedy = "delete the FileGateways that name it first";
    assert!(refused.contains(remedy), "{refused}");

    let mut spare = object("filegatewayclass", "", "default").unwrap();
    spare["metadata"] = serde_json::json!({"name": "spare"});
    spare["status"] = serde_json::Value::Null;
    access().apply(&spare.to_string()).unwrap();
    kubectl(&["delete", "filegatewayclass", "spare", "--timeout=30s"]).unwrap();
    assert!(object("filegatewayclass", "", "spare").is_none());
    assert!(object("filegatewayclass", "", "default").is_some());
}
