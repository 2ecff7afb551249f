//! Uploads in parts, as the store sees them.

use std::sync::Arc;

use gateway::store::StoreError;

use crate::support::pattern;
use crate::world::{World, everywhere};

everywhere!(what_has_ended_is_not_there);

async fn what_has_ended_is_not_there(world: Arc<World>) {
    let store = &world.store;
    let key = "acme/parts";
    let begin = || store.create_multipart_upload(key, "text/plain");
    let whole = begin().await.unwrap();
    let part = store.upload_part(&whole, 1, pattern(10)).await.unwrap();
    let parts = [part];
    // Twice, as when the answer to the first was lost.
    for _ in 0..2 {
        let complete = store.complete_multipart_upload(&whole, &parts, 10);
        complete.await.unwrap();
    }
    store.abort_multipart_upload(&whole).await.unwrap();
    assert_eq!(world.objects().await, [key]);

    let aborted = begin().await.unwrap();
    for _ in 0..2 {
        store.abort_multipart_upload(&aborted).await.unwrap();
    }
    let late = store.upload_part(&aborted, 1, pattern(10)).await;
    let late = late.unwrap_err();
    assert!(matches!(late, StoreError::NotFound { .. }), "{late:?}");
    assert!(late.is_for_good());
}
