//! How long a browser may keep what it read.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::issuer::{member, now};
use crate::support::Answer;
use crate::worlds::{Database, ObjectStore, within};

/// When a token ends, as it says itself.
fn end_of(token: &str) -> u64 {
    let payload = URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1).unwrap())
        .unwrap();
    let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    payload["exp"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_keeps_a_film_longer_than_its_token_or_loads_it_twice_within() {
    let variables = [("TOKENS_LIFETIME_SECONDS", "20")];
    within(
        Database::Sqlite,
        ObjectStore::Versitygw,
        &variables,
        |gateway| async move {
            let stored = gateway.store_sample().await;
            let url = async || {
                let token = gateway
                    .token("ana", &format!("?file_id={}", stored.id))
                    .await;
                (
                    format!("/v1/files/stream/{}?token={token}", stored.id),
                    end_of(&token),
                )
            };
            // Within a window the page's URL stays the same, so the browser's cache has it. Twice, in
            // case that the window turns in between.
            let equal = async || url().await == url().await;
            assert!(
                equal().await || equal().await,
                "each token makes another URL"
            );

            let (path, end) = url().await;
            for request in [
                gateway.get(&path),
                gateway.get(&path).header("range", "bytes=0-1"),
                gateway.get(&path).header("if-none-match", "*"),
                gateway.head(&path),
            ] {
                tokio::time::sleep(Duration::from_millis(700)).await;
                let answer = Answer::to(request).await;
                let told = answer.header("cache-control").unwrap();
                let age = told.strip_prefix("private, max-age=").unwrap();
                let age: u64 = age.parse().unwrap();
                assert!(
                    now() + age <= end,
                    "{age} s from now is past the token's end"
                );
                assert_eq!(answer.header("expires"), None);
                assert_eq!(answer.header("vary"), None);
            }
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_cache_hands_one_callers_file_to_another() {
    within(
        Database::Sqlite,
        ObjectStore::Versitygw,
        &[],
        |gateway| async move {
            let stored = gateway.store_sample().await;
            let ask = |path: &str| gateway.get(path).bearer_auth(member("ana"));
            for request in [
                ask(&stored.path()),
                ask(&stored.path()).header("range", "bytes=0-1"),
                ask(&stored.path()).header("if-none-match", "*"),
            ] {
                let answer = Answer::to(request).await;
                assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
                assert_eq!(answer.header("vary"), Some("Authorization"));
            }
            let failed = Answer::to(ask("/v1/files/abc")).await;
            assert_eq!(failed.header("cache-control"), Some("no-store"));
        },
    )
    .await;
}
