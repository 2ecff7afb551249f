//! `DELETE /v1/files/{file_id}`.

use std::sync::Arc;

use reqwest::Method;
use serde_json::json;

use crate::gateway_under_test::Gateway;
use crate::issuer::{admin, member, stranger};
use crate::support::{Answer, UNKNOWN};
use crate::worlds::everywhere;

everywhere!(
    owner_and_admin_delete_and_others_do_not,
    one_of_two_at_once_deletes,
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
