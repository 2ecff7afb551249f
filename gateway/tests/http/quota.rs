//! Quotas of files: as many as they say, however many come at once.

use std::collections::HashMap;
use std::sync::Arc;

use reqwest::Method;
use serde_json::json;

use crate::forms::{content_type, file, form};
use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::support::Answer;
use crate::worlds::on_both;

impl Gateway {
    /// Stores a file, or only announces one that is to come in pieces; whether it was let in.
    async fn wants(&self, owner: &str, in_pieces: bool, limit: (&str, u64)) -> bool {
        let answer = if in_pieces {
            let request = self.tus(owner, Method::POST, "/v1/uploads");
            Answer::to(request.header("upload-length", 10)).await
        } else {
            let body = form(&[file("a.txt", "text/plain", b"ten bytes.")]);
            let request = self.post("/v1/files").bearer_auth(member(owner));
            Answer::to(request.header("content-type", content_type()).body(body)).await
        };
        if answer.status.is_success() {
            return true;
        }
        answer.assert_failure(507, "quota_exceeded");
        let limit = json!({"name": limit.0, "value": limit.1});
        assert_eq!(answer.json()["limit"], limit);
        false
    }
}

/// A hundred at once, of four owners, every other in pieces: how many of each owner were let in.
async fn a_hundred_at_once(
    gateway: &Arc<Gateway>,
    limit: (&'static str, u64),
) -> HashMap<String, usize> {
    let sent: Vec<_> = (0..100)
        .map(|n| {
            let (gateway, owner) = (gateway.clone(), format!("user-{}", n % 4));
            tokio::spawn(async move {
                let is_in = gateway.wants(&owner, n / 4 % 2 == 1, limit).await;
                (owner, is_in)
            })
        })
        .collect();
    let mut counts = HashMap::new();
    for one in sent {
        let (owner, is_in) = one.await.unwrap();
        *counts.entry(owner).or_default() += usize::from(is_in);
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_of_files_holds_exactly_under_100_uploads_at_once() {
    on_both(&[("QUOTA_FILES", "17")], |gateway| async move {
        let counts = a_hundred_at_once(&gateway, ("quota.files", 17)).await;
        assert_eq!(counts.values().sum::<usize>(), 17);
        assert_eq!(gateway.world.rows().await, 17);
        for in_pieces in [false, true] {
            assert!(!gateway.wants("ana", in_pieces, ("quota.files", 17)).await);
        }
        // Nothing of those that were refused stays behind.
        assert_eq!(gateway.world.rows().await, 17);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owners_quota_of_files_holds_exactly_under_100_uploads_at_once() {
    let quota = [("QUOTA_OWNER_FILES", "7")];
    on_both(&quota, |gateway| async move {
        let counts = a_hundred_at_once(&gateway, ("quota.ownerFiles", 7)).await;
        assert_eq!(counts.len(), 4);
        assert!(counts.values().all(|count| *count == 7), "{counts:?}");
        assert_eq!(gateway.world.rows().await, 28);
        assert!(gateway.wants("ana", true, ("quota.ownerFiles", 7)).await);
    })
    .await;
}
