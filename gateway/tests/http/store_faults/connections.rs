//! Signatures and connections that are no good.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use super::{ATTEMPTS, MIB, assert_unavailable, download, pattern, send_form, stored, sweep, with};
use crate::faulty_store::{Call, Fault};
use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::support::Answer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_wrong_is_no_reason_to_ask_again_and_again() {
    with(|gateway, store| async move {
        store.spoil(
            Call::Put,
            0,
            100,
            Fault::Answer(403, "RequestTimeTooSkewed"),
        );
        assert_unavailable(&send_form(&gateway, b"bytes").await);
        assert!(store.seen(Call::Put) <= ATTEMPTS);
        store.heal();
        gateway.world.assert_files(0).await;
    })
    .await;
}

/// A signed request is for one host only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_where_an_answer_points() {
    with(|gateway, store| async move {
        let file = stored(&gateway, 1000).await;
        let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", elsewhere.local_addr().unwrap());
        store.spoil(Call::Put, 0, 100, Fault::Elsewhere(url.clone()));
        assert_unavailable(&send_form(&gateway, b"bytes").await);
        store.spoil(Call::Get, 0, 100, Fault::Elsewhere(url));
        let answer = Answer::to(gateway.get(&file.path()).bearer_auth(member("ana"))).await;
        assert_unavailable(&answer);
        let visited = timeout(Duration::from_millis(200), elsewhere.accept()).await;
        assert!(visited.is_err(), "somebody called");
        store.heal();
        gateway.world.assert_files(1).await;
    })
    .await;
}

/// As behind a firewall that forgot the connections that rested.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_died_in_silence_costs_one_try() {
    with(|gateway, store| async move {
        let file = stored(&gateway, 1000).await;
        store.forget_connections();
        let (status, body) = download(&gateway, &file, None).await;
        assert_eq!(status, 200);
        assert_eq!(body.unwrap(), file.bytes);
        gateway.world.assert_files(1).await;
    })
    .await;
}

/// Changes the secret that the gateway signs with, and waits until it has seen that.
async fn sign_with(gateway: &Gateway, secret: &str) {
    let file = gateway.folder.path().join("s3/secret-access-key");
    std::fs::write(file, secret).unwrap();
    sleep(Duration::from_millis(2100)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_are_withdrawn_in_the_middle() {
    with(|gateway, _store| async move {
        let secret = gateway.folder.path().join("s3/secret-access-key");
        let secret = std::fs::read_to_string(secret).unwrap();
        let bytes = pattern(33 * MIB);
        let path = gateway.begin_upload(bytes.len()).await;
        let piece = gateway.open_piece(&path, 0);
        piece.feed(&bytes[..10 * MIB]).await;
        gateway.reaches(&path, 8 * MIB).await;
        sign_with(&gateway, "withdrawn").await;
        piece.feed(&bytes[10 * MIB..]).await;
        assert_unavailable(&piece.answered().await);
        assert_eq!(gateway.offset(&path).await, 8 * MIB);
        // A form can't even be undone; its row says so.
        assert_unavailable(&send_form(&gateway, &bytes).await);
        assert_eq!(gateway.world.rows().await, 2);

        sign_with(&gateway, &secret).await;
        let answer = gateway.resume(&path, &bytes).await;
        gateway.assert_stored(&answer, &bytes).await;
        sweep(&gateway).await;
        gateway.world.assert_files(1).await;
    })
    .await;
}
