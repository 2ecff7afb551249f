//! Keys and passwords are replaced while requests are answered.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use testbed::run::workspace;

use crate::load::Load;
use crate::support::{eventually, gateway, kubectl, object, s3_with, samples, secret, upgrade};

/// The Secrets that hold what is replaced, and the key that changes with it.
const REPLACED: [(&str, &str); 3] = [
    ("files-s3", "access-key-id"),
    ("files-database", "url"),
    ("files-signing", "keys.json"),
];

fn held() -> [String; 3] {
    REPLACED.map(|(name, key)| secret("acme", name, key))
}

/// Name and restarts of each pod.
fn pods() -> String {
    let each = "jsonpath={range .items[*]}{.metadata.name} \
                {.status.containerStatuses[0].restartCount}{'\\n'}{end}";
    let selector = "-l=app.kubernetes.io/name=filegateway";
    kubectl(&["get", "pods", "-n", "acme", selector, "-o", each]).unwrap()
}

/// Whether the rotation of what a Secret holds has come to its end.
fn settled(name: &str) -> Option<()> {
    let secret = object("secret", "acme", name)?;
    let stage = &secret["metadata"]["annotations"]["filegateway.dev/rotation-stage"];
    (*stage == Value::Null).then_some(())
}

#[tokio::test]
async fn everything_is_replaced_and_no_request_fails() {
    let (gateway, samples) = (gateway("acme"), samples());
    // The cluster's kubelet tells pods of a changed Secret within 10 s.
    upgrade(
        &workspace().join("charts/filegateway"),
        &["secretDelaySeconds=20"],
    );
    let (before, pods_before) = (held(), pods());
    // On a cluster where this ran already, a former signing key is good for hours, and the next one has to
    // wait for its end.
    let at_rest = REPLACED.map(|(name, _)| settled(name).is_some());
    assert!(at_rest[0], "the S3 key is being replaced already");
    let former = s3_with(&before[0], &secret("acme", "files-s3", "secret-access-key"));
    former
        .head_bucket()
        .bucket(&gateway.bucket)
        .send()
        .await
        .unwrap();

    let load = Load::on(&gateway, &samples.document).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = now.as_millis();
    let annotations = ["access-key", "database-password", "signing-key"]
        .map(|what| format!("filegateway.dev/rotate-{what}={now}"));
    let [first, second, third] = annotations.each_ref().map(String::as_str);
    let annotate = [
        "annotate", "fgw", "files", "-n", "acme", first, second, third,
    ];
    kubectl(&[&annotate[..], &["--overwrite"]].concat()).unwrap();
    let limit = Duration::from_secs(180);
    eventually("all are new", limit, async || {
        let held = held();
        let mut all = held.iter().zip(&before).zip(at_rest);
        let new = all.all(|((new, old), at_rest)| new != old || !at_rest);
        new.then_some(())
    })
    .await;
    // Former signing keys and logins are accepted for as long as tokens and sessions live.
    eventually("the former S3 key is gone", limit, async || {
        settled("files-s3")
    })
    .await;
    let refused = former.head_bucket().bucket(&gateway.bucket).send().await;
    assert!(refused.is_err(), "the former key still opens the bucket");
    // Some time with nothing but the new ones.
    tokio::time::sleep(Duration::from_secs(5)).await;
    println!("{} requests", load.end().await);
    assert_eq!(
        pods(),
        pods_before,
        "pods read what is new without a restart"
    );
}
