//! `DELETE /v1/files/{file_id}`.

use std::sync::Arc;

use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::gateway_under_test::Gateway;
use crate::issuer::{admin, member, stranger};
use crate::raw::PATIENCE;
use crate::support::{Answer, UNKNOWN};
use crate::uploads::client::pattern;
use crate::worlds::everywhere;

everywhere!(
    owner_and_admin_delete_and_others_do_not,
    one_of_two_at_once_deletes,
    a_stream_of_a_file_that_is_deleted_is_whole_or_visibly_cut,
);

/// Twenty times two at once: one of them is told that it was done, the other that nothing is there.
async fn one_of_two_at_once_deletes(gateway: Arc<Gateway>) {
    for _ in 0..20 {
        let stored = gateway.store_sample().await;
        let delete = || {
            let request = gateway.request(Method::DELETE, &stored.path());
            Answer::to(request.bearer_auth(member("ana")))
        };
        let (first, second) = tokio::join!(delete(), delete());
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 404]);
    }
    gateway.world.assert_files(0).await;
}

async fn owner_and_admin_delete_and_others_do_not(gateway: Arc<Gateway>) {
    let delete = |path: String, bearer: String| {
        Answer::to(gateway.request(Method::DELETE, &path).bearer_auth(bearer))
    };
    let (first, second) = (gateway.store_sample().await, gateway.store_sample().await);
    let other = delete(first.path(), member("bo")).await;
    other.assert_failure(404, "file_not_found");
    let outside = delete(first.path(), stranger("ana")).await;
    outside.assert_failure(403, "other_organization");
    let anonymous = Answer::to(gateway.request(Method::DELETE, &first.path())).await;
    anonymous.assert_failure(401, "not_authenticated");
    gateway.world.assert_files(2).await;

    let done = delete(first.path(), member("ana")).await;
    assert_eq!(done.status, 200);
    assert_eq!(done.json(), json!({"id": first.id}));
    gateway.world.assert_files(1).await;
    assert_eq!(delete(second.path(), admin("root")).await.status, 200);
    gateway.world.assert_files(0).await;

    for path in [first.path(), format!("/v1/files/{UNKNOWN}")] {
        delete(path, member("ana"))
            .await
            .assert_failure(404, "file_not_found");
    }
    let malformed = delete("/v1/files/abc".into(), member("ana")).await;
    malformed.assert_invalid(&[(json!(["path", "file_id"]), "uuid_parsing")]);
}

/// What was deleted is gone for the next one who asks. A stream that had begun goes on as long as the
/// object store lets it; it never ends as if it were all there when it is not.
async fn a_stream_of_a_file_that_is_deleted_is_whole_or_visibly_cut(gateway: Arc<Gateway>) {
    let bytes = pattern(24 << 20);
    let stored = gateway
        .store("ana", "a.bin", "application/octet-stream", bytes)
        .await;
    let (path, token) = (stored.path(), member("ana"));
    let mut reader = gateway.narrow().await;
    reader
        .send(format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        ))
        .await;
    let mut received = vec![0; 64 << 10];
    reader.0.read_exact(&mut received).await.unwrap();

    let delete = gateway.request(Method::DELETE, &path).bearer_auth(&token);
    assert_eq!(Answer::to(delete).await.status, 200);
    let again = Answer::to(gateway.get(&path).bearer_auth(&token)).await;
    again.assert_failure(404, "file_not_found");

    let rest = reader.0.read_to_end(&mut received);
    let ended_well = timeout(PATIENCE, rest).await.unwrap().is_ok();
    let end = received
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let (head, body) = (&received[..end], &received[end + 4..]);
    let head = String::from_utf8_lossy(head).to_lowercase();
    // The length is announced, so that whoever gets less sees it.
    assert!(
        head.contains(&format!("content-length: {}", stored.bytes.len())),
        "{head}"
    );
    assert!(
        stored.bytes.starts_with(body),
        "other bytes than the file's"
    );
    println!(
        "{} of {} bytes, ended well: {ended_well}",
        body.len(),
        stored.bytes.len()
    );
    gateway.world.assert_files(0).await;
}
