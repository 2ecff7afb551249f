//! Rules that the API server enforces, with messages that say what to write instead.

use serde_json::{Value, json};

use crate::bed::Bed;

#[tokio::test]
async fn wrong_specs_are_refused_with_advice() {
    let bed = Bed::new("rules").await;
    let cases: [(&str, &str, Value, &str); 9] = [
        (
            "files",
            "SQLite with two replicas",
            json!({"database": {"type": "SQLite"}, "replicas": 2}),
            "SQLite lives on one pod's volume",
        ),
        (
            "files",
            "adopting without a name",
            json!({"bucket": {"adopt": true}}),
            "name the bucket that is to be adopted",
        ),
        (
            "files",
            "a key set and a shared secret",
            json!({"auth": {"jwksUrl": "https://id.example.com/keys"}}),
            "exclude each other",
        ),
        (
            "files",
            "an asymmetric algorithm with a shared secret",
            json!({"auth": {"algorithms": ["RS256"]}}),
            "a shared secret signs with",
        ),
        (
            "files",
            "a symmetric algorithm without one",
            json!({"auth": {"secretRef": null, "algorithms": ["HS256"]}}),
            "need spec.auth.secretRef",
        ),
        (
            "files",
            "no algorithm at all",
            json!({"auth": {"algorithms": ["none"]}}),
            "spec.auth.algorithms",
        ),
        (
            "files",
            "a bucket name that S3 refuses",
            json!({"bucket": {"name": "Not_A_Bucket"}}),
            "spec.bucket.name",
        ),
        (
            "with.dot",
            "a name that a Service can't have",
            json!({}),
            "letters, digits and hyphens",
        ),
        (
            &"n".repeat(51),
            "a name that is too long",
            json!({}),
            "at most 50 characters",
        ),
    ];
    for (name, what, changes, expected) in cases {
        let refused = bed.create(name, changes).await;
        let message = refused
            .err()
            .unwrap_or_else(|| panic!("{what} was accepted"));
        assert!(message.contains(expected), "{what}: {message}");
    }
}

#[tokio::test]
async fn what_must_not_change_can_not() {
    let bed = Bed::new("immutable").await;
    bed.create("files", json!({"bucket": {"name": "a-bucket"}}))
        .await
        .unwrap();
    bed.create("plain", json!({})).await.unwrap();
    let cases = [
        (
            "files",
            json!({"className": "other"}),
            "className can't be changed",
        ),
        (
            "files",
            json!({"organization": "other"}),
            "organization can't be changed",
        ),
        (
            "files",
            json!({"bucket": {"name": "b-bucket"}}),
            "bucket.name can't be changed",
        ),
        (
            "files",
            json!({"bucket": {"name": null}}),
            "neither added nor removed",
        ),
        (
            "files",
            json!({"bucket": {"adopt": true}}),
            "adopt can't be changed",
        ),
        (
            "plain",
            json!({"bucket": {"name": "b-bucket"}}),
            "neither added nor removed",
        ),
        (
            "plain",
            json!({"database": {"type": "SQLite"}}),
            "type can't be changed",
        ),
    ];
    for (name, change, expected) in cases {
        let refused = bed.patch(name, json!({"spec": change.clone()})).await;
        let message = refused
            .err()
            .unwrap_or_else(|| panic!("{change} was accepted"));
        assert!(
            message.to_string().contains(expected),
            "{change}: {message}"
        );
    }
    // These may change at any time.
    let allowed = json!({"spec": {"deletionPolicy": "Delete", "replicas": 5}});
    bed.patch("plain", allowed).await.unwrap();
}
