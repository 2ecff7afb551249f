//! Limits: refused with the right status, and a body that names the limit.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use reqwest::Body;
use serde_json::json;

use crate::forms::{content_type, file, form};
use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::support::{Answer, UNKNOWN};
use crate::worlds::on_both;

async fn send(gateway: &Gateway, owner: &str, files: &[Vec<u8>]) -> Answer {
    let request = gateway.post("/v1/files").bearer_auth(member(owner));
    let request = request.header("content-type", content_type());
    Answer::to(request.body(form(files))).await
}

fn bytes(length: usize) -> Vec<u8> {
    file("a.bin", "application/octet-stream", &vec![7; length])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_of_bytes_holds_exactly_under_100_uploads_at_once() {
    // Twenty of a thousand bytes fit, and not a byte more.
    on_both(&[("QUOTA_BYTES", "20999")], |gateway| async move {
        let upload = |n: usize| {
            let gateway = gateway.clone();
            let owner = format!("user-{}", n % 7);
            tokio::spawn(async move { send(&gateway, &owner, &[bytes(1000)]).await })
        };
        let uploads: Vec<_> = (0..100).map(upload).collect();
        let mut stored = 0;
        for answer in uploads {
            let answer = answer.await.unwrap();
            if answer.status == 200 {
                stored += 1;
                continue;
            }
            answer.assert_failure(507, "quota_exceeded");
            let limit = json!({"name": "quota.bytes", "value": 20999});
            assert_eq!(answer.json()["limit"], limit);
        }
        assert_eq!(stored, 20);
        gateway.world.assert_files(20).await;
        assert_eq!(send(&gateway, "ana", &[bytes(999)]).await.status, 200);
        let answer = send(&gateway, "ana", &[bytes(1)]).await;
        answer.assert_failure(507, "quota_exceeded");
        gateway.world.assert_files(21).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_makes_room() {
    let quota = [("QUOTA_OWNER_FILES", "2"), ("QUOTA_FILES", "3")];
    on_both(&quota, |gateway| async move {
        let first = gateway.store("ana", "a", "text/plain", b"a".into()).await;
        gateway.store("ana", "b", "text/plain", b"b".into()).await;
        let answer = send(&gateway, "ana", &[bytes(1)]).await;
        answer.assert_failure(507, "quota_exceeded");
        let limit = json!({"name": "quota.ownerFiles", "value": 2});
        assert_eq!(answer.json()["limit"], limit);
        // Another owner has an allowance of their own, up to the organization's.
        let answer = send(&gateway, "ben", &[bytes(1), bytes(1)]).await;
        assert_eq!(answer.json()["limit"]["name"], "quota.files");
        gateway.store("ben", "c", "text/plain", b"c".into()).await;
        let delete = gateway.request(reqwest::Method::DELETE, &first.path());
        let answer = Answer::to(delete.bearer_auth(member("ana"))).await;
        assert_eq!(answer.status, 200);
        gateway.store("ana", "d", "text/plain", b"d".into()).await;
        gateway.world.assert_files(3).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_can_not_fit_is_refused_before_its_body_is_read() {
    let quota = [("QUOTA_BYTES", "1000000"), ("UPLOADS_MAX_FILES", "1")];
    on_both(&quota, |gateway| async move {
        // Nothing of the body ever comes, and the answer does.
        let request = gateway
            .post("/v1/files")
            .bearer_auth(member("ana"))
            .header("content-type", content_type())
            .header("content-length", 2_000_000)
            .body(Body::wrap_stream(stream::pending::<
                Result<Vec<u8>, std::io::Error>,
            >()));
        let answer = tokio::time::timeout(Duration::from_secs(20), Answer::to(request)).await;
        answer.unwrap().assert_failure(507, "quota_exceeded");
        gateway.world.assert_files(0).await;
    })
    .await;
    let limits = [
        ("UPLOADS_MAX_FILE_BYTES", "1000000"),
        ("UPLOADS_MAX_FILES", "1"),
    ];
    on_both(&limits, |gateway| async move {
        let never = || Body::wrap_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>());
        let form = gateway
            .post("/v1/files")
            .header("content-type", content_type());
        let piece = gateway
            .post("/v1/uploads")
            .header("tus-resumable", "1.0.0")
            .header("upload-length", 20_000_000)
            .header("content-type", "application/offset+octet-stream");
        for (request, code) in [(form, "request_too_large"), (piece, "file_too_large")] {
            let request = request.bearer_auth(member("ana"));
            let request = request.header("content-length", 20_000_000).body(never());
            let answer = tokio::time::timeout(Duration::from_secs(20), Answer::to(request)).await;
            let answer = answer.unwrap();
            answer.assert_failure(413, code);
            assert!(answer.json()["limit"]["value"].as_u64() > Some(0));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_allowed_types_are_taken_whatever_a_client_claims() {
    let rules = [
        ("UPLOADS_ALLOWED_TYPES", "image/*, application/pdf"),
        ("UPLOADS_DENIED_TYPES", "image/gif"),
    ];
    on_both(&rules, |gateway| async move {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        let gif = b"GIF89a\x01\0\x01\0";
        let page = b"<!doctype html><script>alert(1)</script>";
        assert_eq!(
            send(&gateway, "ana", &[file("a", "text/plain", png)])
                .await
                .status,
            200
        );
        for (claimed, bytes, name) in [
            ("image/png", &gif[..], "uploads.deniedTypes"),
            ("application/pdf", &page[..], "uploads.allowedTypes"),
            ("video/mp4", b"anything", "uploads.allowedTypes"),
        ] {
            let answer = send(&gateway, "ana", &[file("a", claimed, bytes)]).await;
            answer.assert_failure(415, "type_not_allowed");
            assert_eq!(answer.json()["limit"]["name"], name);
        }
        gateway.world.assert_files(1).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_caller_can_not_use_up_everybodys_requests() {
    on_both(&[("REQUESTS_PER_MINUTE", "5")], |gateway| async move {
        let ask =
            |subject: &str| Answer::to(gateway.get("/v1/files/token").bearer_auth(member(subject)));
        for _ in 0..5 {
            assert_eq!(ask("ana").await.status, 200);
        }
        let answer = ask("ana").await;
        answer.assert_failure(429, "too_many_requests");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=12).contains(&wait), "{wait}");
        let limit = json!({"name": "requests.perMinute", "value": 5});
        assert_eq!(answer.json()["limit"], limit);
        assert_eq!(ask("ben").await.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_with_a_file_token_count_as_their_callers() {
    on_both(&[("REQUESTS_PER_MINUTE", "5")], |gateway| async move {
        let (ana, ben) = (
            gateway.token("ana", "").await,
            gateway.token("ben", "").await,
        );
        let stream = |token: &str| {
            let by_id = format!("/v1/files/stream/{UNKNOWN}?token={token}");
            let by_location = format!("/v1/files/stream?location=a&token={token}");
            [gateway.get(&by_id), gateway.head(&by_location)]
        };
        for _ in 0..2 {
            for request in stream(&ana) {
                assert_eq!(Answer::to(request).await.status, 404);
            }
        }
        let [by_id, by_location] = stream(&ana);
        let answer = Answer::to(by_id).await;
        answer.assert_failure(429, "too_many_requests");
        assert!(answer.header("retry-after").is_some());
        assert_eq!(Answer::to(by_location).await.status, 429);
        let jwt = gateway.get("/v1/files/token").bearer_auth(member("ana"));
        assert_eq!(Answer::to(jwt).await.status, 429);
        let [by_id, _] = stream(&ben);
        assert_eq!(Answer::to(by_id).await.status, 404);
        // What is no token is nobody's.
        let [by_id, _] = stream("nonsense");
        assert_eq!(Answer::to(by_id).await.status, 401);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_in_flight_have_an_end_and_a_slot_comes_free() {
    on_both(&[("UPLOADS_IN_FLIGHT", "2")], |gateway| async move {
        let start = form(&[bytes(100_000)]);
        let hang = |who: &'static str| {
            let (gateway, start) = (gateway.clone(), start[..50_000].to_vec());
            tokio::spawn(async move {
                // Until it is let in: one of Ben's may be in flight just then.
                loop {
                    let start = [Ok::<_, std::io::Error>(start.clone())];
                    let chunks = stream::iter(start).chain(stream::pending());
                    let request = gateway.post("/v1/files").bearer_auth(member(who));
                    let request = request.header("content-type", content_type());
                    request.body(Body::wrap_stream(chunks)).send().await.ok();
                }
            })
        };
        let hanging = [hang("ana"), hang("cleo")];
        let refused = async {
            loop {
                let answer = send(&gateway, "ben", &[bytes(1)]).await;
                if answer.status != 200 {
                    return answer;
                }
            }
        };
        let answer = tokio::time::timeout(Duration::from_secs(20), refused)
            .await
            .unwrap();
        answer.assert_failure(503, "too_many_uploads");
        assert!(answer.header("retry-after").is_some());
        for upload in hanging {
            upload.abort();
        }
        let let_in = async {
            while send(&gateway, "ben", &[bytes(1)]).await.status != 200 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), let_in)
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_caller_can_not_take_up_the_places_of_all_uploads() {
    on_both(&[("UPLOADS_IN_FLIGHT", "8")], |gateway| async move {
        let never = || Body::wrap_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>());
        let path = gateway.begin_upload(10).await;
        // One in a form and one in pieces: a quarter of eight.
        let form = gateway.post("/v1/files").bearer_auth(member("ana"));
        let form = form.header("content-type", content_type()).body(never());
        let piece = gateway.piece(&path, 0, never());
        let hanging = [form, piece].map(|request| tokio::spawn(request.send()));
        gateway.assert_soon("uploads", 2.0).await;
        gateway.world.wait_for_holder().await;
        let others = gateway.begin_upload(10).await;
        for answer in [
            send(&gateway, "ana", &[bytes(1)]).await,
            gateway.append(&others, 0, b"0123456789").await,
        ] {
            answer.assert_failure(429, "too_many_uploads_at_once");
            assert_eq!(answer.header("retry-after"), Some("5"));
            let limit = json!({"name": "uploads.inFlightPerCaller", "value": 2});
            assert_eq!(answer.json()["limit"], limit);
        }
        for other in ["ben", "cleo", "dan"] {
            assert_eq!(send(&gateway, other, &[bytes(1)]).await.status, 200);
        }
        let [form, piece] = hanging;
        form.abort();
        let let_in = async {
            while send(&gateway, "ana", &[bytes(1)]).await.status != 200 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), let_in)
            .await
            .unwrap();
        piece.abort();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_uploads_wait_for_memory_and_all_get_through() {
    // Memory for two parts, and six uploads that want three each.
    on_both(
        &[("UPLOADS_MEMORY_BYTES", "16777216")],
        |gateway| async move {
            let upload = |_| {
                let gateway = gateway.clone();
                tokio::spawn(async move { send(&gateway, "ana", &[bytes(30 << 20)]).await.status })
            };
            let uploads: Vec<_> = (0..6).map(upload).collect();
            for upload in uploads {
                assert_eq!(upload.await.unwrap(), 200);
            }
            gateway.world.assert_files(6).await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_uploads_of_one_caller_leave_memory_to_the_others() {
    // Memory for four parts, and eight uploads that hold one each for as long as they may.
    let memory = [("UPLOADS_MEMORY_BYTES", "33554432")];
    on_both(&memory, |gateway| async move {
        let start = form(&[bytes(300_000)])[..200_000].to_vec();
        let hang = |n: usize| {
            let (gateway, start) = (gateway.clone(), start.clone());
            tokio::spawn(async move {
                let chunks = stream::iter([Ok::<_, std::io::Error>(start.clone())]);
                let body = Body::wrap_stream(chunks.chain(stream::pending()));
                if n.is_multiple_of(2) {
                    let request = gateway.post("/v1/files").bearer_auth(member("ana"));
                    let request = request.header("content-type", content_type());
                    request.body(body).send().await.ok();
                } else {
                    let path = gateway.begin_upload(300_000).await;
                    gateway.piece(&path, 0, body).send().await.ok();
                }
            })
        };
        let hanging: Vec<_> = (0..8).map(hang).collect();
        gateway.assert_soon("uploads", 8.0).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let others = [bytes(20 << 20)];
        let others = send(&gateway, "ben", &others);
        let answer = tokio::time::timeout(Duration::from_secs(20), others).await;
        assert_eq!(answer.unwrap().status, 200);
        for upload in hanging {
            upload.abort();
        }
    })
    .await;
}
