//! Quotas and the limits of unfinished uploads hold for uploads in pieces as they do for forms.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::client::{MIB, pattern};
use crate::forms::{content_type, file, form};
use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::support::Answer;
use crate::worlds::{Variables, on_both};

impl Gateway {
    /// Asks for an upload of `length` bytes, or one whose length is told later.
    async fn ask_for(&self, owner: &str, length: Option<usize>) -> Answer {
        let request = self.tus(owner, Method::POST, "/v1/uploads");
        let request = match length {
            Some(length) => request.header("upload-length", length),
            None => request.header("upload-defer-length", 1),
        };
        Answer::to(request).await
    }

    /// Sends bytes of `owner`'s, and the length if it is told only now.
    async fn append_as(
        &self,
        owner: &str,
        path: &str,
        (offset, length): (usize, Option<usize>),
        bytes: Vec<u8>,
    ) -> Answer {
        let mut request = self.tus(owner, Method::PATCH, path);
        if let Some(length) = length {
            request = request.header("upload-length", length);
        }
        let request = request
            .header("content-type", super::client::PIECE)
            .header("upload-offset", offset);
        Answer::to(request.body(bytes)).await
    }

    async fn send_form(&self, owner: &str, length: usize) -> Answer {
        let part = file("a.bin", "application/octet-stream", &vec![7; length]);
        let request = self.post("/v1/files").bearer_auth(member(owner));
        let request = request.header("content-type", content_type());
        Answer::to(request.body(form(&[part]))).await
    }

    async fn end(&self, owner: &str, path: &str) {
        let answer = Answer::to(self.tus(owner, Method::DELETE, path)).await;
        assert_eq!(answer.status, 204);
    }
}

fn location(answer: &Answer) -> String {
    assert_eq!(answer.status, 201);
    answer.header("location").unwrap().to_owned()
}

/// That this is what forms are told too.
#[track_caller]
fn assert_over(answer: &Answer, name: &str, value: u64) {
    answer.assert_failure(507, "quota_exceeded");
    let body = answer.json();
    assert_eq!(body["limit"], json!({"name": name, "value": value}));
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.contains("delete something first"), "{detail}");
}

/// The answers to `count` requests that are made at once, with who made them.
async fn at_once<F>(
    gateway: &Arc<Gateway>,
    count: usize,
    ask: impl Fn(Arc<Gateway>, usize) -> F,
) -> Vec<(usize, Answer)>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let asked: Vec<_> = (0..count)
        .map(|n| tokio::spawn(ask(gateway.clone(), n)))
        .collect();
    let mut answers = Vec::new();
    for (n, answer) in asked.into_iter().enumerate() {
        answers.push((n, answer.await.unwrap()));
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn announced_lengths_count_however_many_come_at_once() {
    // Twenty of a thousand bytes fit, and not a byte more.
    on_both(&[("QUOTA_BYTES", "20999")], |gateway| async move {
        let owner = |n: usize| format!("user-{}", n % 7);
        let answers = at_once(&gateway, 100, |gateway, n| async move {
            gateway.ask_for(&owner(n), Some(1000)).await
        })
        .await;
        let mut begun = Vec::new();
        for (n, answer) in &answers {
            match answer.status {
                StatusCode::CREATED => begun.push((owner(*n), location(answer))),
                _ => assert_over(answer, "quota.bytes", 20999),
            }
        }
        assert_eq!(begun.len(), 20);
        // What is promised to them, no form gets.
        assert_over(&gateway.send_form("ana", 1000).await, "quota.bytes", 20999);
        assert_eq!(gateway.send_form("ana", 999).await.status, 200);
        for (owner, path) in begun.split_off(1) {
            let answer = gateway.append_as(&owner, &path, (0, None), vec![7; 1000]);
            assert_eq!(answer.await.status, 204);
        }
        assert_over(&gateway.ask_for("ana", Some(1)).await, "quota.bytes", 20999);
        // What is ended makes room.
        let (owner, path) = &begun[0];
        gateway.end(owner, path).await;
        assert_eq!(gateway.send_form("ana", 1000).await.status, 200);
        gateway.world.assert_files(21).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_of_an_unknown_length_count_as_they_come() {
    // Ten of a mebibyte fit, and nothing of an eleventh.
    let quota = (10 * MIB + 1000).to_string();
    on_both(&[("QUOTA_OWNER_BYTES", &quota)], |gateway| async move {
        let value = 10 * MIB as u64 + 1000;
        let bytes = pattern(MIB);
        let mut paths = Vec::new();
        for _ in 0..24 {
            paths.push(location(&gateway.ask_for("ana", None).await));
        }
        let sent = {
            let (paths, bytes) = (paths.clone(), bytes.clone());
            at_once(&gateway, paths.len(), move |gateway, n| {
                let (path, bytes) = (paths[n].clone(), bytes.clone());
                async move { gateway.append_as("ana", &path, (0, None), bytes).await }
            })
            .await
        };
        let mut kept = Vec::new();
        for (n, answer) in &sent {
            match answer.status {
                StatusCode::NO_CONTENT => kept.push(paths[*n].clone()),
                _ => assert_over(answer, "quota.ownerBytes", value),
            }
        }
        assert_eq!(kept.len(), 10);
        // The store has no more than the gateway acknowledged.
        assert_eq!(gateway.world.objects().await.len(), 10);
        assert_eq!(gateway.send_form("ben", MIB).await.status, 200);
        assert_over(
            &gateway.send_form("ana", 1001).await,
            "quota.ownerBytes",
            value,
        );
        for path in &kept {
            let told = (MIB, Some(MIB));
            let answer = gateway.append_as("ana", path, told, Vec::new()).await;
            gateway.assert_stored(&answer, &bytes).await;
        }
        assert_eq!(gateway.send_form("ana", 1000).await.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_unknown_length_ends_where_the_quota_ends() {
    let quota = (20 * MIB).to_string();
    on_both(&[("QUOTA_BYTES", &quota)], |gateway| async move {
        let value = 20 * MIB as u64;
        let bytes = pattern(30 * MIB);
        let path = location(&gateway.ask_for("ana", None).await);
        // Nobody knows how long it will be: it ends at the quota, and what was whole by then is kept.
        let piece = gateway.open_piece(&path, 0);
        piece.feed(&bytes).await;
        assert_over(&piece.answered().await, "quota.bytes", value);
        let offset = gateway.offset(&path).await;
        assert!(offset <= 20 * MIB, "{offset}");
        // A length that can't be is refused when it is told, and changes nothing.
        let told = (offset, Some(20 * MIB + 1));
        let answer = gateway.append_as("ana", &path, told, Vec::new()).await;
        assert_over(&answer, "quota.bytes", value);
        let standing = gateway.standing(&path).await;
        assert_eq!(standing.header("upload-defer-length"), Some("1"));
        let told = (offset, Some(20 * MIB));
        let rest = bytes[offset..20 * MIB].to_vec();
        let answer = gateway.append_as("ana", &path, told, rest).await;
        gateway.assert_stored(&answer, &bytes[..20 * MIB]).await;
        gateway.world.assert_files(1).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_that_shrank_holds_at_the_end() {
    on_both(&[], |gateway| async move {
        let path = gateway.begin_upload(100).await;
        assert_eq!(gateway.append(&path, 0, &[7; 50]).await.status, 204);
        let other = gateway.replica(&[("QUOTA_BYTES", "99")]).await;
        let last = other.gateway.append(&path, 50, &[7; 50]).await;
        assert_over(&last, "quota.bytes", 99);
        assert_eq!(other.gateway.standing(&path).await.status, 507);
        // It can be finished when there is room again.
        let finished = gateway.standing(&path).await;
        gateway.assert_stored(&finished, &[7; 100]).await;
        gateway.world.assert_files(1).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfinished_uploads_of_an_owner_have_an_end() {
    on_both(&[("UPLOADS_MAX_UNFINISHED", "3")], |gateway| async move {
        let answers = at_once(&gateway, 20, |gateway, _| async move {
            gateway.ask_for("ana", Some(3)).await
        })
        .await;
        let mut begun = Vec::new();
        for (_, answer) in &answers {
            if answer.status == 201 {
                begun.push(location(answer));
                continue;
            }
            answer.assert_failure(429, "too_many_unfinished_uploads");
            let body = answer.json();
            let limit = json!({"name": "uploads.maxUnfinished", "value": 3});
            assert_eq!(body["limit"], limit);
            let detail = body["detail"].as_str().unwrap();
            assert!(detail.contains("DELETE"), "{detail}");
        }
        assert_eq!(begun.len(), 3);
        assert_eq!(gateway.world.rows().await, 3);
        // Others have their own.
        location(&gateway.ask_for("ben", Some(3)).await);
        // Finishing one makes room, and so does ending one.
        assert_eq!(gateway.append(&begun[0], 0, b"abc").await.status, 204);
        location(&gateway.ask_for("ana", None).await);
        assert_eq!(gateway.ask_for("ana", Some(3)).await.status, 429);
        gateway.end("ana", &begun[1]).await;
        location(&gateway.ask_for("ana", Some(3)).await);
        assert_eq!(gateway.ask_for("ana", Some(3)).await.status, 429);
    })
    .await;
}

/// When an answer says that its upload expires.
fn expires(answer: &Answer) -> DateTime<Utc> {
    let text = answer.header("upload-expires").unwrap();
    DateTime::parse_from_rfc2822(text).unwrap().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn going_on_prolongs_an_upload_up_to_its_greatest_age() {
    const DAY: TimeDelta = TimeDelta::days(1);
    let variables: Variables<'_> = &[("UPLOADS_MAX_AGE_SECONDS", "259200")];
    on_both(variables, |gateway| async move {
        let created = gateway.ask_for("ana", Some(100)).await;
        let path = location(&created);
        let near = |found: DateTime<Utc>, expected: DateTime<Utc>| {
            let off = (found - expected).abs();
            assert!(off < TimeDelta::minutes(5), "{found}, not {expected}");
        };
        near(expires(&created), Utc::now() + DAY);
        gateway.world.age_uploads(TimeDelta::hours(36)).await;
        let answer = gateway.append(&path, 0, b"a").await;
        near(expires(&answer), Utc::now() + DAY);
        // Two days and a half: half a day is left, and what is told is what holds.
        gateway.world.age_uploads(TimeDelta::hours(24)).await;
        let answer = gateway.append(&path, 1, b"b").await;
        near(expires(&answer), Utc::now() + DAY / 2);
        assert_eq!(expires(&gateway.standing(&path).await), expires(&answer));
        let answer = gateway.append(&path, 2, b"c").await;
        near(expires(&answer), Utc::now() + DAY / 2);
        gateway.world.age_uploads(TimeDelta::hours(12)).await;
        let answer = gateway.append(&path, 3, b"d").await;
        answer.assert_failure(410, "upload_expired");
        assert_eq!(gateway.standing(&path).await.status, 410);
    })
    .await;
}
