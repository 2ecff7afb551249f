//! What is deleted or undone while it lasts.

use reqwest::Method;

use super::{MIB, assert_unavailable, pattern, send_form, stored, sweep, with};
use crate::faulty_store::{Call, Fault};
use crate::issuer::member;
use crate::support::Answer;

/// Whatever happens to its objects, a deleted file is gone for everybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_does_not_delete_is_left_to_the_janitor() {
    with(|gateway, store| async move {
        for fault in [
            Fault::Answer(403, "AccessDenied"),
            Fault::Answer(503, "SlowDown"),
            Fault::Reset,
            Fault::Lost,
        ] {
            let file = stored(&gateway, 1000).await;
            store.spoil(Call::Delete, 0, 100, fault);
            let delete = gateway.request(Method::DELETE, &file.path());
            let answer = Answer::to(delete.bearer_auth(member("ana"))).await;
            assert_eq!(answer.status, 200);
            let answer = Answer::to(gateway.get(&file.path()).bearer_auth(member("ana"))).await;
            answer.assert_failure(404, "file_not_found");
            assert_eq!(gateway.world.rows().await, 1);
            // One that is refused stays for the next.
            sweep(&gateway).await;
            assert_eq!(gateway.world.rows().await, 1);
            store.heal();
            sweep(&gateway).await;
            gateway.world.assert_files(0).await;
        }
    })
    .await;
}

/// Undoing asks the store, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_does_not_undo_is_left_to_the_janitor() {
    with(|gateway, store| async move {
        store.spoil(Call::Complete, 0, 100, Fault::Answer(503, "SlowDown"));
        store.spoil(Call::Abort, 0, 100, Fault::Answer(503, "SlowDown"));
        assert_unavailable(&send_form(&gateway, &pattern(17 * MIB)).await);
        store.heal();
        assert_eq!(gateway.world.uploads().await.len(), 1);
        sweep(&gateway).await;
        gateway.world.assert_files(0).await;
    })
    .await;
}
