//! What a spec says reaches the pods.

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use crate::bed::Bed;

#[tokio::test]
async fn a_spec_reaches_the_pods() {
    let (bed, _operator) = Bed::with_operator("settings").await;
    let spec = json!({
        "database": {"maxConnections": 25},
        "tokens": {"lifetimeSeconds": 60, "playbackSeconds": 0},
        "access": {"locationStream": "Off"},
        "cors": {"origins": ["https://app.example.com", "https://other.example.com:8443"]},
        "uploads": {"maxFileSize": 1_000_000, "allowedTypes": ["image/*"], "memory": "64Mi"},
        "quota": {"size": "1.5Gi", "perOwner": {"files": 10}},
        "server": {"requestsPerMinute": 100},
    });
    bed.create("files", spec).await.unwrap();
    let maps = bed.api::<ConfigMap>();
    let found = bed
        .until("the settings", async || {
            maps.get_opt("files-gateway").await.unwrap()
        })
        .await;
    let set = found.data.unwrap();
    for (variable, expected) in [
        ("FILEGATEWAY_DATABASE_MAX_CONNECTIONS", "25"),
        ("FILEGATEWAY_TOKENS_PLAYBACK_SECONDS", "0"),
        ("FILEGATEWAY_ACCESS_LOCATION_STREAM", "Off"),
        (
            "FILEGATEWAY_CORS_ORIGINS",
            "https://app.example.com,https://other.example.com:8443",
        ),
        ("FILEGATEWAY_UPLOADS_MAX_FILE_BYTES", "1000000"),
        ("FILEGATEWAY_UPLOADS_ALLOWED_TYPES", "image/*"),
        ("FILEGATEWAY_UPLOADS_MEMORY_BYTES", "67108864"),
        ("FILEGATEWAY_QUOTA_BYTES", "1610612736"),
        ("FILEGATEWAY_QUOTA_OWNER_FILES", "10"),
        ("FILEGATEWAY_REQUESTS_PER_MINUTE", "100"),
    ] {
        assert_eq!(set[variable], expected, "{variable}");
    }
    assert!(!set.contains_key("FILEGATEWAY_QUOTA_FILES"));
    // Objects of the cluster do not wait for the status.
    bed.until("the version", async || {
        let gateway = bed.gateways().get("files").await.unwrap();
        (gateway.status?.version? == "test").then_some(())
    })
    .await;
}
