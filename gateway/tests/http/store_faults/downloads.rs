//! What downloads make of it.

use super::{ATTEMPTS, MIB, assert_unavailable, download, lasting, passing, stored, with};
use crate::faulty_store::{Call, Fault};
use crate::issuer::member;
use crate::support::Answer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_is_whole_or_visibly_broken() {
    with(|gateway, store| async move {
        let file = stored(&gateway, 3 * MIB).await;
        for fault in passing() {
            store.spoil(Call::Get, 0, 1, fault.clone());
            let (status, body) = download(&gateway, &file, None).await;
            assert_eq!((status.as_u16(), store.heal()), (200, 0), "{fault:?}");
            assert!(body.unwrap() == file.bytes, "{fault:?}");
        }
        for range in [None, Some("bytes=1000-2000999")] {
            store.spoil(Call::Get, 0, 1, Fault::Cut);
            let (status, body) = download(&gateway, &file, range).await;
            assert!(status.is_success());
            assert!(body.is_err(), "{range:?}: a broken body has a clean end");
            // These are known before the first byte is sent.
            for fault in [Fault::Shorter, Fault::Answer(200, "InternalError")] {
                store.spoil(Call::Get, 0, 1, fault.clone());
                let (status, _) = download(&gateway, &file, range).await;
                assert_eq!(status, 503, "{range:?} {fault:?}");
            }
        }
        // A row without its object: bytes were lost, and that is no 404.
        for fault in lasting() {
            store.spoil(Call::Get, 0, 100, fault.clone());
            let answer = Answer::to(gateway.get(&file.path()).bearer_auth(member("ana"))).await;
            assert_unavailable(&answer);
            assert_eq!(store.seen(Call::Get), ATTEMPTS, "{fault:?}");
            store.heal();
        }
        store.spoil(Call::Get, 0, 1, Fault::Answer(404, "NoSuchKey"));
        let answer = Answer::to(gateway.get(&file.path()).bearer_auth(member("ana"))).await;
        assert_unavailable(&answer);
        gateway.world.assert_files(1).await;
    })
    .await;
}
