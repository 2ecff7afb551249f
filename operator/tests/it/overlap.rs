//! All three rotations at once, and pods that see a changed Secret late, each with a delay of its own:
//! whatever they do with what they have succeeds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::Connection;
use tokio::sync::Mutex;

use crate::backends::{postgres, put, s3};
use crate::bed::{Bed, Start};

/// Shorter than the operator is told that it takes at most.
const DELAYS: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(1500),
    Duration::from_millis(3000),
];
const SECRETS: [&str; 3] = ["files-s3", "files-database", "files-signing"];

type Files = BTreeMap<String, String>;

/// What a pod has mounted, and what is on its way to it.
#[derive(Default)]
struct Pod {
    seen: Files,
    coming: Vec<(Instant, Files)>,
}

impl Pod {
    fn look(&mut self, delay: Duration, now: &Files) {
        let newest = self.coming.last().map_or(&self.seen, |(_, files)| files);
        if newest != now {
            self.coming.push((Instant::now() + delay, now.clone()));
        }
        while let Some((due, _)) = self.coming.first()
            && *due <= Instant::now()
        {
            self.seen = self.coming.remove(0).1;
        }
    }

    fn kid(&self, which: &str) -> Option<String> {
        let keys: Value = serde_json::from_str(&self.seen["keys.json"]).unwrap();
        keys[which]["kid"].as_str().map(str::to_string)
    }
}

async fn mounted(bed: &Bed) -> Files {
    let mut all = Files::new();
    for name in SECRETS {
        all.extend(bed.secret(name).await);
    }
    all
}

/// What a request needs: the bucket, a new session, and tokens of any pod accepted by any other.
async fn work(pods: &[Pod], bucket: &str) {
    for pod in pods {
        let client = s3(&pod.seen["access-key-id"], &pod.seen["secret-access-key"]);
        put(&client, bucket, "a").await.unwrap();
        let session = postgres(&pod.seen["url"], None).await.unwrap();
        session.close().await.unwrap();
        let accepted = [pod.kid("current"), pod.kid("previous")];
        for other in pods {
            let signs = other.kid("current");
            assert!(accepted.contains(&signs), "{signs:?} {accepted:?}");
        }
    }
}

#[tokio::test]
async fn nothing_fails_while_everything_is_rotated() {
    let bed = Arc::new(Bed::new("overlap").await);
    bed.apply_class(json!({})).await;
    let start = bed.start().await;
    let operator = bed.operator_as(Start {
        secret_delay: Duration::from_secs(5),
        ..start
    });
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    let bucket = bed.status("files").await.bucket.unwrap().name;
    let before = mounted(&bed).await;

    let pods = Arc::new(Mutex::new(DELAYS.map(|_| Pod {
        seen: before.clone(),
        ..Pod::default()
    })));
    let (stop, requests) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let load = tokio::spawn({
        let (bed, pods, stop, requests) =
            (bed.clone(), pods.clone(), stop.clone(), requests.clone());
        async move {
            while !stop.load(Ordering::SeqCst) {
                let now = mounted(&bed).await;
                let mut pods = pods.lock().await;
                for (pod, delay) in pods.iter_mut().zip(DELAYS) {
                    pod.look(delay, &now);
                }
                work(&*pods, &bucket).await;
                requests.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let all = json!({"metadata": {"annotations": {
        "filegateway.dev/rotate-access-key": "one",
        "filegateway.dev/rotate-database-password": "one",
        "filegateway.dev/rotate-signing-key": "one",
    }}});
    bed.patch("files", all).await.unwrap();
    bed.condition("files", "CredentialsReady", "True", "RotationInProgress")
        .await;
    bed.condition("files", "CredentialsReady", "True", "Issued")
        .await;
    bed.condition("files", "DatabaseReady", "True", "Created")
        .await;
    let first: Value = serde_json::from_str(&before["keys.json"]).unwrap();
    bed.until("another key signs in every pod", async || {
        let pods = pods.lock().await;
        let changed = |pod: &Pod| pod.kid("current").as_deref() != first["current"]["kid"].as_str();
        pods.iter().all(changed).then_some(())
    })
    .await;
    stop.store(true, Ordering::SeqCst);
    load.await.expect("no request fails");
    println!("{} rounds of requests", requests.load(Ordering::SeqCst));
    let after = mounted(&bed).await;
    for key in ["access-key-id", "url", "keys.json"] {
        assert_ne!(before[key], after[key], "{key}");
    }
    operator.stop().await;
}
