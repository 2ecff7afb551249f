//! What uploads make of it.

use reqwest::Method;

use super::{
    ATTEMPTS, MIB, assert_form_stored, assert_unavailable, lasting, passing, pattern, send_form,
    sweep, text, with,
};
use crate::faulty_store::{Call, Fault};
use crate::issuer::member;
use crate::support::Answer;

/// Each call that an upload of this size makes.
fn calls(size: usize) -> &'static [Call] {
    match size > 8 * MIB {
        true => &[Call::Create, Call::Part, Call::Complete],
        false => &[Call::Put],
    }
}

const SIZES: [usize; 2] = [1000, 17 * MIB];
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_does_not_notice_what_passes() {
    with(|gateway, store| async move {
        let mut files = 0;
        for size in SIZES {
            let bytes = pattern(size);
            for call in calls(size) {
                for fault in passing() {
                    store.spoil(*call, 0, 1, fault.clone());
                    let answer = send_form(&gateway, &bytes).await;
                    assert_eq!(store.heal(), 0, "{call:?} {fault:?} did not happen");
                    assert_form_stored(&gateway, &answer, &bytes).await;
                    files += 1;
                }
            }
        }
        // An upload in parts that was begun and whose id got lost is nobody's.
        sweep(&gateway).await;
        gateway.world.assert_files(files).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_in_pieces_does_not_notice_what_passes() {
    with(|gateway, store| async move {
        let bytes = pattern(9 * MIB);
        let mut files = 0;
        // The first piece leaves a tail (Put), which the second one reads again (Get).
        for call in [
            Call::Put,
            Call::Create,
            Call::Part,
            Call::Complete,
            Call::Get,
            Call::Delete,
        ] {
            for fault in passing() {
                store.spoil(call, 0, 1, fault.clone());
                let path = gateway.begin_upload(bytes.len()).await;
                let first = gateway.append(&path, 0, &bytes[..MIB]).await;
                assert_eq!(first.status, 204, "{call:?} {fault:?}: {}", text(&first));
                let last = gateway.append(&path, MIB, &bytes[MIB..]).await;
                assert_eq!(last.status, 204, "{call:?} {fault:?}: {}", text(&last));
                assert_eq!(store.heal(), 0, "{call:?} {fault:?} did not happen");
                gateway.assert_stored(&last, &bytes).await;
                files += 1;
            }
        }
        sweep(&gateway).await;
        gateway.world.assert_files(files).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_the_store_fails_leaves_nothing() {
    with(|gateway, store| async move {
        for size in SIZES {
            let bytes = pattern(size);
            for call in calls(size) {
                for fault in lasting() {
                    store.spoil(*call, 0, 100, fault.clone());
                    let answer = send_form(&gateway, &bytes).await;
                    assert_unavailable(&answer);
                    // Two parts are on their way at once.
                    let most = if *call == Call::Part { 2 } else { 1 };
                    let seen = store.seen(*call);
                    let storm = format!("{call:?} {fault:?}: {seen} tries");
                    assert!((ATTEMPTS..=most * ATTEMPTS).contains(&seen), "{storm}");
                    store.heal();
                    if *call == Call::Create {
                        sweep(&gateway).await;
                    }
                    gateway.world.assert_files(0).await;
                }
            }
            let answer = send_form(&gateway, &bytes).await;
            assert_form_stored(&gateway, &answer, &bytes).await;
            let id = answer.json()["files"][0]["id"].as_str().unwrap().to_owned();
            let delete = gateway.request(Method::DELETE, &format!("/v1/files/{id}"));
            Answer::to(delete.bearer_auth(member("ana"))).await;
        }
        gateway.world.assert_files(0).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_in_pieces_that_the_store_fails_goes_on_later() {
    with(|gateway, store| async move {
        let bytes = pattern(17 * MIB);
        let mut files = 0;
        for call in [
            Call::Put,
            Call::Create,
            Call::Part,
            Call::Complete,
            Call::Get,
        ] {
            for fault in lasting() {
                store.spoil(call, 0, 100, fault.clone());
                let path = gateway.begin_upload(bytes.len()).await;
                let mut answer = gateway.append(&path, 0, &bytes[..MIB]).await;
                if answer.status == 204 {
                    answer = gateway.append(&path, MIB, &bytes[MIB..]).await;
                }
                assert_unavailable(&answer);
                assert!(store.heal() > 0);
                let answer = gateway.resume(&path, &bytes).await;
                assert_eq!(answer.status, 204, "{call:?} {fault:?}: {}", text(&answer));
                gateway.assert_stored(&answer, &bytes).await;
                files += 1;
            }
        }
        sweep(&gateway).await;
        gateway.world.assert_files(files).await;
    })
    .await;
}

/// S3 answers some calls with 200 before it knows the outcome, and then tells it in the body.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_200_that_tells_of_an_error_is_one() {
    with(|gateway, store| async move {
        for size in SIZES {
            let bytes = pattern(size);
            for call in calls(size) {
                store.spoil(*call, 0, 100, Fault::Answer(200, "InternalError"));
                assert_unavailable(&send_form(&gateway, &bytes).await);
                store.heal();
                gateway.world.assert_files(0).await;
            }
        }
        // It did put it together, and says so when it is asked again.
        let bytes = pattern(17 * MIB);
        store.spoil(Call::Complete, 0, 1, Fault::DoneBut(200, "InternalError"));
        let path = gateway.begin_upload(bytes.len()).await;
        gateway.append(&path, 0, &bytes).await;
        assert_eq!(store.heal(), 0);
        let answer = gateway.append(&path, bytes.len(), b"").await;
        assert_eq!(answer.status, 204, "{}", text(&answer));
        gateway.assert_stored(&answer, &bytes).await;
        gateway.world.assert_files(1).await;
    })
    .await;
}

/// As after a lifecycle rule.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_the_store_forgot_is_an_honest_failure() {
    with(|gateway, store| async move {
        let bytes = pattern(17 * MIB);
        for call in [Call::Part, Call::Complete] {
            store.spoil(call, 0, 100, Fault::Answer(404, "NoSuchUpload"));
            assert_unavailable(&send_form(&gateway, &bytes).await);
            gateway.world.assert_files(0).await;
            let path = gateway.begin_upload(bytes.len()).await;
            let answer = gateway.append(&path, 0, &bytes).await;
            answer.assert_failure(410, "upload_expired");
            store.heal();
            gateway.world.expire_uploads().await;
            sweep(&gateway).await;
            gateway.world.assert_files(0).await;
        }
        let path = gateway.begin_upload(bytes.len()).await;
        let answer = gateway.append(&path, 0, &bytes[..10 * MIB]).await;
        assert_eq!(answer.status, 204);
        let world = &gateway.world;
        for (key, id) in world.uploads().await {
            let abort = world.s3.abort_multipart_upload().bucket(&world.name);
            abort.key(key).upload_id(id).send().await.unwrap();
        }
        let answer = gateway.resume(&path, &bytes).await;
        answer.assert_failure(410, "upload_expired");
        world.expire_uploads().await;
        sweep(&gateway).await;
        world.assert_files(0).await;
    })
    .await;
}

/// The parts that are there are not the ones that were sent: no later try makes them so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_with_another_tag_make_no_file() {
    with(|gateway, store| async move {
        let bytes = pattern(17 * MIB);
        store.spoil(Call::Part, 1, 1, Fault::OtherTag);
        assert_unavailable(&send_form(&gateway, &bytes).await);
        assert_eq!(store.heal(), 0);
        gateway.world.assert_files(0).await;

        store.spoil(Call::Part, 1, 1, Fault::OtherTag);
        let path = gateway.begin_upload(bytes.len()).await;
        let answer = gateway.append(&path, 0, &bytes).await;
        answer.assert_failure(410, "upload_expired");
        assert_eq!(store.heal(), 0);
        gateway.world.expire_uploads().await;
        sweep(&gateway).await;
        gateway.world.assert_files(0).await;
    })
    .await;
}

/// A tail that does not come whole begins no part.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_in_pieces_takes_up_only_what_came_whole() {
    with(|gateway, store| async move {
        let bytes = pattern(3 * MIB);
        for fault in [Fault::Cut, Fault::Shorter] {
            let path = gateway.begin_upload(bytes.len()).await;
            assert_eq!(gateway.append(&path, 0, &bytes[..MIB]).await.status, 204);
            store.spoil(Call::Get, 0, 1, fault);
            assert_unavailable(&gateway.append(&path, MIB, &bytes[MIB..]).await);
            assert_eq!(store.heal(), 0);
            let answer = gateway.resume(&path, &bytes).await;
            gateway.assert_stored(&answer, &bytes).await;
        }
        gateway.world.assert_files(2).await;
    })
    .await;
}
