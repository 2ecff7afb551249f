//! Termination, expiry, and what stays behind: nothing.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;

use super::client::{MIB, pattern};
use crate::gateway_under_test::Gateway;
use crate::issuer::{claims_with, jwt};
use crate::support::Answer;
use crate::worlds::everywhere;

everywhere!(
    an_ended_upload_leaves_nothing,
    an_upload_that_is_ended_while_it_runs_leaves_nothing,
    an_admin_ends_what_others_began,
    an_expired_upload_leaves_nothing,
    the_janitor_lets_a_resting_upload_rest,
    a_finished_upload_is_forgotten_and_its_file_stays,
    a_deleted_file_takes_its_upload_along,
);

impl Gateway {
    /// Some parts and a tail; gives its path back.
    async fn half_done(&self) -> String {
        let bytes = pattern(20 * MIB);
        let path = self.begin_upload(bytes.len()).await;
        let answer = self.append(&path, 0, &bytes[..18 * MIB]).await;
        assert_eq!(answer.header("upload-offset"), Some("18874368"));
        path
    }

    async fn terminate(&self, path: &str) -> Answer {
        Answer::to(self.tus("ana", Method::DELETE, path)).await
    }

    /// What the janitor does, with this patience.
    async fn sweep(&self, age: Duration) {
        assert!(self.files.sweep(age).await.unwrap().is_some());
    }
}

async fn an_ended_upload_leaves_nothing(gateway: Arc<Gateway>) {
    let path = gateway.half_done().await;
    let kept = gateway.store_sample().await;
    assert_eq!(gateway.terminate(&path).await.status, 204);
    assert_eq!(gateway.standing(&path).await.status, 404);
    let answer = gateway.append(&path, 18 * MIB, b"x").await;
    answer.assert_failure(404, "upload_not_found");
    gateway
        .terminate(&path)
        .await
        .assert_failure(404, "upload_not_found");
    gateway.world.assert_files(1).await;
    gateway.world.assert_no_open_parts(&path).await;
    assert_eq!(gateway.world.objects().await, [kept.location]);
}

async fn an_upload_that_is_ended_while_it_runs_leaves_nothing(gateway: Arc<Gateway>) {
    let bytes = pattern(30 * MIB);
    let path = gateway.begin_upload(bytes.len()).await;
    let piece = gateway.open_piece(&path, 0);
    piece.feed(&bytes[..18 * MIB]).await;
    gateway.reaches(&path, 8 * MIB).await;
    assert_eq!(gateway.terminate(&path).await.status, 204);
    assert_eq!(gateway.standing(&path).await.status, 404);
    // The request at work notices without being told by its client.
    // It depends on whether the catalogue or the store tells it first.
    let answer = piece.answered().await;
    match answer.status.as_u16() {
        410 => answer.assert_failure(410, "upload_expired"),
        _ => answer.assert_failure(423, "upload_taken"),
    }
    gateway.world.assert_files(0).await;
    gateway.world.assert_no_open_parts(&path).await;
}

async fn an_admin_ends_what_others_began(gateway: Arc<Gateway>) {
    let path = gateway.half_done().await;
    let admin = jwt(&claims_with(
        "root",
        serde_json::json!({"roles": ["admin"]}),
    ));
    let ask = |method| {
        gateway
            .request(method, &path)
            .bearer_auth(&admin)
            .header("tus-resumable", "1.0.0")
    };
    assert_eq!(Answer::to(ask(Method::HEAD)).await.status, 404);
    assert_eq!(Answer::to(ask(Method::DELETE)).await.status, 204);
    assert_eq!(gateway.standing(&path).await.status, 404);
    gateway.world.assert_files(0).await;
}

async fn an_expired_upload_leaves_nothing(gateway: Arc<Gateway>) {
    let path = gateway.half_done().await;
    gateway.world.expire_uploads().await;
    assert_eq!(gateway.standing(&path).await.status, 410);
    let answer = gateway.append(&path, 18 * MIB, b"x").await;
    answer.assert_failure(410, "upload_expired");
    gateway.sweep(Duration::from_secs(24 * 3600)).await;
    assert_eq!(gateway.standing(&path).await.status, 404);
    gateway.world.assert_files(0).await;
    gateway.world.assert_no_open_parts(&path).await;
}

async fn the_janitor_lets_a_resting_upload_rest(gateway: Arc<Gateway>) {
    let path = gateway.half_done().await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    gateway.sweep(Duration::ZERO).await;
    let bytes = pattern(20 * MIB);
    let answer = gateway.append(&path, 18 * MIB, &bytes[18 * MIB..]).await;
    gateway.assert_stored(&answer, &bytes).await;
}

async fn a_finished_upload_is_forgotten_and_its_file_stays(gateway: Arc<Gateway>) {
    let bytes = pattern(100);
    let (ended, expired) = (
        gateway.begin_upload(100).await,
        gateway.begin_upload(100).await,
    );
    for path in [&ended, &expired] {
        assert_eq!(gateway.append(path, 0, &bytes).await.status, 204);
    }
    assert_eq!(gateway.terminate(&ended).await.status, 204);
    gateway.world.expire_uploads().await;
    // Until it is forgotten there is no reason not to say so.
    let standing = gateway.standing(&expired).await;
    gateway.assert_stored(&standing, &bytes).await;
    gateway.sweep(Duration::ZERO).await;
    for path in [&ended, &expired] {
        assert_eq!(gateway.standing(path).await.status, 404);
        let file = path.replace("uploads", "files");
        let request = gateway.get(&file).bearer_auth(crate::issuer::member("ana"));
        assert!(Answer::to(request).await.body == bytes);
    }
    gateway.world.assert_files(2).await;
}

async fn a_deleted_file_takes_its_upload_along(gateway: Arc<Gateway>) {
    let path = gateway.begin_upload(3).await;
    let answer = gateway.append(&path, 0, b"abc").await;
    let file = gateway.assert_stored(&answer, b"abc").await;
    let request = gateway.request(Method::DELETE, &file);
    let request = request.bearer_auth(crate::issuer::member("ana"));
    assert_eq!(Answer::to(request).await.status, 200);
    assert_eq!(gateway.standing(&path).await.status, 404);
    let answer = gateway.append(&path, 0, b"abc").await;
    answer.assert_failure(404, "upload_not_found");
    gateway.world.assert_files(0).await;
}
