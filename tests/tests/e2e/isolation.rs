//! One organization's bytes, keys and names stay its own.

use aws_sdk_s3::error::ProvideErrorMetadata;

use crate::support::{gateway, kubectl, object, s3};

#[tokio::test]
async fn a_gateways_key_opens_its_own_bucket_alone() {
    let (own, other) = (gateway("acme"), gateway("globex"));
    let key = s3("acme", "files-s3");
    key.list_objects_v2()
        .bucket(&own.bucket)
        .send()
        .await
        .unwrap();
    let listed = key
        .list_objects_v2()
        .bucket(&other.bucket)
        .send()
        .await
        .unwrap_err();
    assert_eq!(listed.code(), Some("AccessDenied"), "{listed:?}");
    let written = key
        .put_object()
        .bucket(&other.bucket)
        .key("intruder")
        .send()
        .await
        .unwrap_err();
    assert_eq!(written.code(), Some("AccessDenied"), "{written:?}");
    let made = key
        .create_bucket()
        .bucket("a-bucket-of-my-own")
        .send()
        .await
        .unwrap_err();
    assert_eq!(made.code(), Some("AccessDenied"), "{made:?}");
}

#[tokio::test]
async fn pods_run_under_the_restricted_profile_without_a_token() {
    for namespace in ["acme", "globex"] {
        let labels = object("namespace", "", namespace).unwrap()["metadata"]["labels"].clone();
        assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");
        let tokens = kubectl(&[
            "get",
            "pods",
            "-n",
            namespace,
            "-o",
            "jsonpath={.items[*].spec.automountServiceAccountToken}",
        ])
        .unwrap();
        assert!(
            !tokens.is_empty() && !tokens.contains("true"),
            "{namespace}: {tokens:?}"
        );
    }
}

#[tokio::test]
async fn no_secret_shows_in_logs_events_or_status() {
    let mut told = String::new();
    told += &kubectl(&["get", "fgw,events", "-A", "-o", "json"]).unwrap();
    told += &kubectl(&[
        "logs",
        "-n",
        "filegateway-system",
        "-l",
        "app.kubernetes.io/name=filegateway-operator",
        "--tail=-1",
    ])
    .unwrap();
    for namespace in ["acme", "globex"] {
        told += &kubectl(&[
            "logs",
            "-n",
            namespace,
            "-l",
            "app.kubernetes.io/name=filegateway",
            "--tail=-1",
        ])
        .unwrap();
    }
    assert!(told.contains("acme"), "there is something to look at");
    let secrets = [
        ("storage", "s3-root", "secret-access-key"),
        ("storage", "postgres-admin", "password"),
        ("acme", "files-s3", "secret-access-key"),
        ("acme", "files-database", "url"),
        ("acme", "identity", "secret"),
        ("globex", "files-s3", "secret-access-key"),
    ];
    for (namespace, name, key) in secrets {
        let value = crate::support::secret(namespace, name, key);
        assert!(!told.contains(&value), "{namespace}/{name} {key} shows");
    }
    for gateway in crate::support::run().gateways {
        assert!(
            !told.contains(&gateway.tokens.member),
            "a bearer token shows"
        );
    }
    assert!(!told.contains("token=ey"), "a file token shows");
}
