//! A database in trouble: what a client is told, and that rows and objects agree afterwards.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::multipart::{Form, Part};
use sqlx::{Connection, SqliteConnection};
use tokio::time::sleep;

use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::support::Answer;
use crate::worlds::{Database, ObjectStore, Variables, administer, within};

const MIB: usize = 1 << 20;

async fn on_postgres<F>(variables: Variables<'_>, test: impl FnOnce(Arc<Gateway>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    within(Database::Postgres, ObjectStore::Versitygw, variables, test).await;
}

async fn send_form(gateway: &Gateway, bytes: &[u8]) -> Answer {
    let part = Part::bytes(bytes.to_vec()).file_name("a.bin");
    let request = gateway.post("/v1/files").bearer_auth(member("ana"));
    Answer::to(request.multipart(Form::new().part("files", part))).await
}

/// Fails unless a form was stored, or refused because of the database; says which.
fn is_stored(answer: &Answer) -> bool {
    if answer.status == 200 {
        return true;
    }
    answer.assert_failure(503, "catalog_unavailable");
    assert!(answer.header("retry-after").is_some());
    false
}

async fn sweep(gateway: &Gateway) {
    // The store's times are whole seconds.
    sleep(Duration::from_millis(1100)).await;
    let swept = gateway.files.sweep(Duration::ZERO).await.unwrap();
    assert!(swept.is_some(), "another janitor is at work");
}

async fn kill_connections(gateway: &Gateway) {
    let name = &gateway.world.name;
    administer(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_takes_nobody_at_the_start_is_waited_for() {
    on_postgres(&[], |gateway| async move {
        let name = &gateway.world.name;
        let allow =
            |whether: bool| format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS {whether}");
        administer(&allow(false)).await;
        let back = async {
            sleep(Duration::from_secs(3)).await;
            administer(&allow(true)).await;
        };
        let (replica, ()) = tokio::join!(gateway.replica(&[]), back);
        let ready = Answer::to(replica.gateway.get("/readyz")).await;
        assert_eq!(ready.status, 200, "{}", ready.json());
        assert!(is_stored(&send_form(&replica.gateway, b"bytes").await));
        replica.gateway.stop().await;
        gateway.world.assert_files(1).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_killed_lose_no_acknowledged_upload() {
    on_postgres(&[], |gateway| async move {
        let bytes: Vec<u8> = (0..17 * MIB).map(|n| (n * 7 % 251) as u8).collect();
        let path = gateway.begin_upload(bytes.len()).await;
        let piece = gateway.open_piece(&path, 0);
        piece.feed(&bytes[..10 * MIB]).await;
        gateway.reaches(&path, 8 * MIB).await;
        kill_connections(&gateway).await;
        piece.feed(&bytes[10 * MIB..]).await;
        let answer = piece.finish().await.unwrap();
        if answer.status != 204 {
            answer.assert_failure(503, "catalog_unavailable");
        }
        let answer = loop {
            let standing = gateway.standing(&path).await;
            if standing.status == 200 {
                let answer = gateway.resume(&path, &bytes).await;
                if answer.status == 204 {
                    break answer;
                }
                answer.assert_failure(503, "catalog_unavailable");
            }
        };
        gateway.assert_stored(&answer, &bytes).await;

        let mut stored = 1;
        for wait in [0, 5, 20, 50, 100, 200] {
            let kill = async {
                sleep(Duration::from_millis(wait)).await;
                kill_connections(&gateway).await;
            };
            let (answer, ()) = tokio::join!(send_form(&gateway, &bytes), kill);
            stored += usize::from(is_stored(&answer));
        }
        // Connections that died while they rested are told from good ones by a failure each.
        for _ in 0..10 {
            if Answer::to(gateway.get("/readyz")).await.status == 200 {
                break;
            }
        }
        sweep(&gateway).await;
        gateway.world.assert_files(stored).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_connections_serve_fifty_clients() {
    on_postgres(&[("DATABASE_MAX_CONNECTIONS", "2")], |gateway| async move {
        let bytes = vec![7; 100_000];
        let answers = join_all((0..50).map(|_| send_form(&gateway, &bytes))).await;
        let stored = answers.iter().filter(|answer| is_stored(answer)).count();
        assert!(stored > 0);
        sweep(&gateway).await;
        gateway.world.assert_files(stored).await;
    })
    .await;
}

/// Whatever the administrator's default is: the catalogue's transactions are made for one level.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stricter_default_of_the_database_makes_no_conflicts() {
    on_postgres(&[], |gateway| async move {
        let name = &gateway.world.name;
        administer(&format!(
            "ALTER DATABASE \"{name}\" SET default_transaction_isolation = 'serializable'"
        ))
        .await;
        let quota = [("QUOTA_BYTES", "1000000000")];
        let replica = gateway.replica(&quota).await;
        let sent = (0..20).map(|_| send_form(&replica.gateway, b"bytes"));
        for answer in join_all(sent).await {
            assert_eq!(answer.status, 200, "{}", answer.json());
        }
        replica.gateway.stop().await;
        gateway.world.assert_files(20).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_somebody_holds_on_the_file_is_waited_for_and_then_told() {
    within(
        Database::Sqlite,
        ObjectStore::Versitygw,
        &[],
        |gateway| async move {
            assert!(is_stored(&send_form(&gateway, b"bytes").await));
            let url = &gateway.world.database_url;
            let mut other = SqliteConnection::connect(url).await.unwrap();
            for (seconds, is_waited_for) in [(2, true), (9, false)] {
                sqlx::raw_sql("BEGIN IMMEDIATE")
                    .execute(&mut other)
                    .await
                    .unwrap();
                let release = async {
                    sleep(Duration::from_secs(seconds)).await;
                    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
                };
                let (answer, ()) = tokio::join!(send_form(&gateway, b"bytes"), release);
                assert_eq!(is_stored(&answer), is_waited_for);
            }
            assert!(is_stored(&send_form(&gateway, b"bytes").await));
            sweep(&gateway).await;
            gateway.world.assert_files(3).await;
        },
    )
    .await;
}
