//! `/v1/files/token`, and what becomes of its tokens.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::authorization::operations;
use crate::gateway_under_test::Gateway;
use crate::issuer::{claims, member, now, signed, stranger};
use crate::support::{Answer, UNKNOWN};
use crate::worlds::{Database, ObjectStore, everywhere, once, within};

everywhere!(get_and_post_answer_alike, a_token_for_a_file_needs_the_file);
once!(
    tokens_of_one_moment_are_equal,
    forged_foreign_and_truncated_tokens,
    neither_credential_passes_for_the_other,
    rotation_needs_no_restart,
    a_file_token_opens_no_other_route,
    a_query_that_says_two_things_is_refused,
);

const STREAM: &str = "/v1/files/stream/0b4b8f4e-5a7f-4f0e-9a51-2f0f1f0a9c11";

impl Gateway {
    /// What a request with this file token answers for a file that is not there: 404 shows that the
    /// token itself was accepted.
    async fn try_token(&self, token: &str) -> Answer {
        Answer::to(self.get(STREAM).query(&[("token", token)])).await
    }
}

async fn get_and_post_answer_alike(gateway: Arc<Gateway>) {
    for request in [
        gateway.get("/v1/files/token"),
        gateway.post("/v1/files/token"),
    ] {
        let answer = Answer::to(request.bearer_auth(member("ana"))).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("cache-control"), Some("private, no-store"));
        let answer = answer.json();
        let time =
            |name: &str| -> DateTime<Utc> { answer[name].as_str().unwrap().parse().unwrap() };
        let left = (time("expires_at") - Utc::now()).num_seconds();
        assert!((260..=300).contains(&left), "{left}");
        assert!(time("refresh_after") > Utc::now());
        assert!(time("refresh_after") < time("expires_at"));
        assert!(answer["file_id"].is_null());
        assert!(answer["token"].as_str().unwrap().len() > 50);
    }
}

async fn a_token_for_a_file_needs_the_file(gateway: Arc<Gateway>) {
    let stored = gateway.store_sample().await;
    let ask = |subject: &str, id: &str| {
        let request = gateway.get(&format!("/v1/files/token?file_id={id}"));
        Answer::to(request.bearer_auth(member(subject)))
    };
    assert_eq!(ask("ana", &stored.id).await.json()["file_id"], stored.id);
    ask("bo", &stored.id)
        .await
        .assert_failure(404, "file_not_found");
    ask("ana", UNKNOWN)
        .await
        .assert_failure(404, "file_not_found");
    let malformed = ask("ana", "abc").await;
    malformed.assert_invalid(&[(json!(["query", "file_id"]), "uuid_parsing")]);
    let anonymous = Answer::to(gateway.get("/v1/files/token?file_id=abc")).await;
    anonymous.assert_failure(401, "not_authenticated");
    let request = gateway
        .get("/v1/files/token?file_id=abc")
        .bearer_auth(stranger("ana"));
    Answer::to(request)
        .await
        .assert_failure(403, "other_organization");
}

async fn tokens_of_one_moment_are_equal(gateway: Arc<Gateway>) {
    // Twice, in case that the window turns in between.
    let equal = async || gateway.token("ana", "").await == gateway.token("ana", "").await;
    assert!(equal().await || equal().await);
    assert_ne!(
        gateway.token("ana", "").await,
        gateway.token("bo", "").await
    );
}

async fn forged_foreign_and_truncated_tokens(gateway: Arc<Gateway>) {
    let good = gateway.token("ana", "").await;
    gateway
        .try_token(&good)
        .await
        .assert_failure(404, "file_not_found");
    let header = json!({"typ": "filegateway-file+jwt", "alg": "HS256", "kid": "first"});
    let payload = json!({"purpose": "read", "sub": "ana", "org": "acme", "admin": false,
        "iat": now(), "exp": now() + 100});
    let with = |changes: &[(&str, Value)]| {
        let mut payload = payload.clone();
        for (name, value) in changes {
            payload[name] = value.clone();
        }
        signed(&header, &payload, &[1; 32])
    };
    // The forger's tools work: with the key, the token is good.
    gateway
        .try_token(&with(&[]))
        .await
        .assert_failure(404, "file_not_found");
    let parts: Vec<_> = good.split('.').collect();
    for (name, token) in [
        ("truncated", good[..good.len() - 1].to_owned()),
        ("half of it", good[..good.len() / 2].to_owned()),
        ("without a signature", format!("{}.{}.", parts[0], parts[1])),
        ("longer", format!("{good}A")),
        ("empty", String::new()),
        ("nonsense", "nonsense".to_owned()),
        ("huge", "a".repeat(10_000)),
        (
            "signed with another key",
            signed(&header, &payload, &[2; 32]),
        ),
        (
            "of an unknown key",
            signed(
                &json!({"typ": "filegateway-file+jwt", "alg": "HS256", "kid": "x"}),
                &payload,
                &[1; 32],
            ),
        ),
        (
            "without a key",
            signed(
                &json!({"typ": "filegateway-file+jwt", "alg": "HS256"}),
                &payload,
                &[1; 32],
            ),
        ),
        (
            "alg none",
            signed(
                &json!({"typ": "filegateway-file+jwt", "alg": "none", "kid": "first"}),
                &payload,
                &[1; 32],
            ),
        ),
        (
            "of another type",
            signed(
                &json!({"typ": "JWT", "alg": "HS256", "kid": "first"}),
                &payload,
                &[1; 32],
            ),
        ),
        ("of another organization", with(&[("org", json!("globex"))])),
        ("for another purpose", with(&[("purpose", json!("write"))])),
        ("with a claim of the wrong type", with(&[("sub", json!(7))])),
    ] {
        let answer = gateway.try_token(&token).await;
        assert_eq!(answer.json()["code"], "token_invalid", "{name}");
        answer.assert_failure(401, "token_invalid");
    }
    let expired = with(&[("exp", json!(now() - 1))]);
    gateway
        .try_token(&expired)
        .await
        .assert_failure(401, "token_expired");
}

async fn neither_credential_passes_for_the_other(gateway: Arc<Gateway>) {
    let stored = gateway.store_sample().await;
    let token = gateway.token("ana", "").await;
    let as_bearer = Answer::to(gateway.get(&stored.path()).bearer_auth(&token)).await;
    as_bearer.assert_failure(401, "token_invalid");
    let as_token = gateway.try_token(&member("ana")).await;
    as_token.assert_failure(401, "token_invalid");
    // Not even signed with the other's key.
    let jwt = signed(
        &json!({"typ": "JWT", "alg": "HS256", "kid": "first"}),
        &claims("ana"),
        &[1; 32],
    );
    gateway
        .try_token(&jwt)
        .await
        .assert_failure(401, "token_invalid");
}

async fn rotation_needs_no_restart(gateway: Arc<Gateway>) {
    let old = gateway.token("ana", "").await;
    let key = |id: &str, byte: u8| json!({"kid": id, "secret": STANDARD.encode([byte; 32])});
    let write = |keys: Value| {
        std::fs::write(gateway.folder.path().join("keys.json"), keys.to_string()).unwrap();
        tokio::time::sleep(Duration::from_millis(1100))
    };
    write(json!({"current": key("second", 2), "previous": key("first", 1)})).await;
    let new = gateway.token("ana", "").await;
    assert_ne!(old, new);
    for token in [&old, &new] {
        gateway
            .try_token(token)
            .await
            .assert_failure(404, "file_not_found");
    }
    write(json!({"current": key("second", 2)})).await;
    gateway
        .try_token(&old)
        .await
        .assert_failure(401, "token_invalid");
    gateway
        .try_token(&new)
        .await
        .assert_failure(404, "file_not_found");
}

async fn a_file_token_opens_no_other_route(gateway: Arc<Gateway>) {
    let stored = gateway.store_sample().await;
    let token = gateway.token("ana", "").await;
    for (method, path) in operations(&stored.id) {
        let in_query = gateway
            .request(method.clone(), &path)
            .query(&[("token", &token)]);
        assert_eq!(Answer::to(in_query).await.status, 401, "{method} {path}");
        let in_header = gateway.request(method.clone(), &path).bearer_auth(&token);
        assert_eq!(Answer::to(in_header).await.status, 401, "{method} {path}");
    }
    gateway.world.assert_files(1).await;
}

async fn a_query_that_says_two_things_is_refused(gateway: Arc<Gateway>) {
    let stored = gateway.store_sample().await;
    let token = gateway.token("ana", "").await;
    let by_id = format!("/v1/files/stream/{}?", stored.id);
    let by_location = format!("/v1/files/stream?location={}&", stored.location);
    let repeated = [(json!(["query", "token"]), "repeated")];
    let missing = [(json!(["query", "token"]), "missing")];
    for path in [&by_id, &by_location] {
        for query in [
            format!("token={token}&token={token}"),
            format!("token=x&token={token}"),
            format!("token={token}&token=x"),
            format!("token={token}&token="),
            format!("token={token}&token"),
            format!("token={token}&%74oken={token}"),
        ] {
            let answer = Answer::to(gateway.get(&format!("{path}{query}"))).await;
            answer.assert_invalid(&repeated);
        }
        for query in [
            format!("token[]={token}"),
            format!("token[0]={token}"),
            format!("token%5B%5D={token}"),
            format!("Token={token}"),
            format!("token%00={token}"),
            format!(" token={token}").replace(' ', "%20"),
        ] {
            let answer = Answer::to(gateway.get(&format!("{path}{query}"))).await;
            answer.assert_invalid(&missing);
        }
        // A semicolon separates nothing.
        for query in [format!("token={token};a=b"), format!("token={token}%00")] {
            let answer = Answer::to(gateway.get(&format!("{path}{query}"))).await;
            answer.assert_failure(401, "token_invalid");
        }
        let answer = Answer::to(gateway.get(&format!("{path}a=b;token={token}"))).await;
        answer.assert_invalid(&missing);
        let answer = Answer::to(gateway.get(&format!("{path}token={token}"))).await;
        assert_eq!(answer.status, 200);
    }
    let two_files = format!("/v1/files/token?file_id={}&file_id={UNKNOWN}", stored.id);
    let answer = Answer::to(gateway.get(&two_files).bearer_auth(member("ana"))).await;
    answer.assert_invalid(&[(json!(["query", "file_id"]), "repeated")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_expires_on_every_stream_route() {
    let short = [("TOKENS_LIFETIME_SECONDS", "1")];
    within(
        Database::Sqlite,
        ObjectStore::Versitygw,
        &short,
        |gateway| async move {
            let stored = gateway.store_sample().await;
            let token = gateway.token("ana", "").await;
            tokio::time::sleep(Duration::from_millis(1100)).await;
            for path in [
                format!("/v1/files/stream/{}?token={token}", stored.id),
                format!("/v1/files/stream/{UNKNOWN}?token={token}"),
                format!("/v1/files/stream/abc?token={token}"),
                format!(
                    "/v1/files/stream?location={}&token={token}",
                    stored.location
                ),
                format!("/v1/files/stream?token={token}"),
            ] {
                let answer = Answer::to(gateway.get(&path).header("range", "bytes=5-")).await;
                answer.assert_failure(401, "token_expired");
                let head = Answer::to(gateway.head(&path)).await;
                assert_eq!(head.status, 401);
                let challenge = head.header("www-authenticate").unwrap();
                assert!(challenge.contains("expired"), "{challenge}");
            }
        },
    )
    .await;
}

/// What began in time is sent to its end: cutting it off would only make the player ask again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_began_in_time_is_not_cut_off() {
    let short = [
        ("TOKENS_LIFETIME_SECONDS", "3"),
        ("TOKENS_PLAYBACK_SECONDS", "0"),
    ];
    within(
        Database::Sqlite,
        ObjectStore::Versitygw,
        &short,
        |gateway| async move {
            // More than what sockets and buffers between here and the object store hold.
            let bytes: Vec<u8> = (0..32 << 20_u32).map(|n| (n % 251) as u8).collect();
            let film = gateway.store("ana", "film.bin", "application/octet-stream", bytes);
            let film = film.await;
            let path = format!(
                "/v1/files/stream/{}?token={}",
                film.id,
                gateway.token("ana", "").await
            );
            let mut answer = gateway.get(&path).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            let mut read = answer.chunk().await.unwrap().unwrap().to_vec();
            tokio::time::sleep(Duration::from_millis(3100)).await;
            Answer::to(gateway.get(&path))
                .await
                .assert_failure(401, "token_expired");
            while let Some(chunk) = answer.chunk().await.unwrap() {
                read.extend_from_slice(&chunk);
            }
            assert!(read == film.bytes);
        },
    )
    .await;
}
