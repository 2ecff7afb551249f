//! A film that is longer than its file token: the cookie that carries it on.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::gateway_under_test::Gateway;
use crate::issuer::{member, now, signed};
use crate::support::{Answer, Stored};
use crate::worlds::{Database, ObjectStore, Variables, within};

const NAME: &str = "filegateway-playback";

/// What a browser keeps of the cookie.
#[derive(Debug, Clone, PartialEq)]
struct Cookie {
    value: String,
    max_age: u64,
}

impl Cookie {
    /// The cookie that an answer sets, checked to the last attribute.
    #[track_caller]
    fn of(answer: &Answer, stored: &Stored) -> Option<Self> {
        let mut headers = answer.headers.get_all("set-cookie").iter();
        let header = headers.next()?.to_str().unwrap();
        assert!(headers.next().is_none());
        let mut parts = header.split("; ");
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        assert_eq!(name, NAME);
        let mut attributes: Vec<_> = parts.collect();
        let age = attributes
            .iter()
            .position(|part| part.starts_with("Max-Age="));
        let age = attributes.remove(age.unwrap());
        let path = format!("Path=/v1/files/stream/{}", stored.id);
        assert_eq!(
            attributes,
            [
                path.as_str(),
                "HttpOnly",
                "Secure",
                "SameSite=None",
                "Partitioned"
            ]
        );
        Some(Self {
            value: value.to_owned(),
            max_age: age["Max-Age=".len()..].parse().unwrap(),
        })
    }

    fn on(&self, request: RequestBuilder) -> RequestBuilder {
        request.header("cookie", format!("theme=dark; {NAME}={}", self.value))
    }
}

impl Gateway {
    fn play(&self, stored: &Stored, token: &str) -> RequestBuilder {
        self.get(&format!("/v1/files/stream/{}?token={token}", stored.id))
    }

    /// Begins to play with a good token.
    async fn begin(&self, stored: &Stored, token: &str) -> Cookie {
        let answer = Answer::to(self.play(stored, token).header("range", "bytes=0-1")).await;
        assert_eq!(answer.status, 206);
        Cookie::of(&answer, stored).expect("the first answer sets the cookie")
    }
}

/// Ana's licence to read that ended a moment ago, as the gateway itself would have signed it.
fn over(stored: &Stored, changes: &[(&str, serde_json::Value)]) -> String {
    let header = json!({"typ": "filegateway-file+jwt", "alg": "HS256", "kid": "first"});
    let mut claims = json!({"purpose": "read", "sub": "ana", "org": "acme", "admin": false,
        "file": stored.id, "iat": now() - 301, "exp": now() - 1});
    for (name, value) in changes {
        claims[name] = value.clone();
    }
    signed(&header, &claims, &[1; 32])
}

async fn playing<F: Future<Output = ()> + Send + 'static>(
    variables: Variables<'_>,
    test: impl FnOnce(Arc<Gateway>) -> F,
) {
    within(Database::Sqlite, ObjectStore::Versitygw, variables, test).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_film_goes_on_after_a_pause_longer_than_its_token() {
    let short = [("TOKENS_LIFETIME_SECONDS", "3")];
    within(
        Database::Postgres,
        ObjectStore::Minio,
        &short,
        |gateway| async move {
            let film = gateway.store_sample().await;
            let token = gateway.token("ana", &format!("?file_id={}", film.id)).await;
            let cookie = gateway.begin(&film, &token).await;
            assert_eq!(cookie.max_age, 4 * 60 * 60);
            tokio::time::sleep(Duration::from_millis(3100)).await;

            let alone = Answer::to(gateway.play(&film, &token)).await;
            alone.assert_failure(401, "token_expired");
            for range in ["bytes=900-", "bytes=0-1", "bytes=-1"] {
                let request = cookie.on(gateway.play(&film, &token));
                let answer = Answer::to(request.header("range", range)).await;
                assert_eq!(answer.status, 206, "{range}");
                // Never prolonged, and not kept by a cache for longer than a token is good.
                assert_eq!(Cookie::of(&answer, &film), None);
                assert_eq!(answer.header("cache-control"), Some("private, max-age=3"));
            }
            let path = format!("/v1/files/stream/{}?token={token}", film.id);
            let head = Answer::to(cookie.on(gateway.head(&path))).await;
            assert_eq!(head.status, 200);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playback_ends_in_time_and_is_never_prolonged() {
    let short = [
        ("TOKENS_LIFETIME_SECONDS", "3"),
        ("TOKENS_PLAYBACK_SECONDS", "5"),
    ];
    playing(&short, |gateway| async move {
        let film = gateway.store_sample().await;
        let token = gateway.token("ana", "").await;
        let cookie = gateway.begin(&film, &token).await;
        assert_eq!(cookie.max_age, 5);
        for _ in 0..13 {
            let answer = Answer::to(cookie.on(gateway.play(&film, &token))).await;
            assert_eq!(Cookie::of(&answer, &film), None);
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        let answer = Answer::to(cookie.on(gateway.play(&film, &token))).await;
        answer.assert_failure(401, "token_expired");
        // A new token begins anew.
        let token = gateway.token("ana", "").await;
        let request = cookie.on(gateway.play(&film, &token));
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, 200);
        assert!(Cookie::of(&answer, &film).is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_carries_only_its_own_subject_and_file() {
    playing(&[], |gateway| async move {
        let (film, other) = (gateway.store_sample().await, gateway.store_sample().await);
        let token = gateway.token("ana", "").await;
        let cookie = gateway.begin(&film, &token).await;
        let ended = over(&film, &[]);
        let good = Answer::to(cookie.on(gateway.play(&film, &ended))).await;
        assert_eq!(good.status, 200);
        // Without the file, the ended token was good for every file of hers; the cookie is not.
        let unbound = over(&film, &[("file", json!(null))]);
        let good = Answer::to(cookie.on(gateway.play(&film, &unbound))).await;
        assert_eq!(good.status, 200);
        let answer = Answer::to(cookie.on(gateway.play(&other, &unbound))).await;
        answer.assert_failure(401, "token_expired");
        // Somebody else's ended token in a browser that Ana used before.
        let of_bo = over(&film, &[("sub", json!("bo"))]);
        let answer = Answer::to(cookie.on(gateway.play(&film, &of_bo))).await;
        answer.assert_failure(401, "token_expired");
        // A token that ended when she was an admin, carried by a cookie of when she no longer was.
        let bos = gateway.store("bo", "b.bin", "application/octet-stream", vec![1]);
        let bos = bos.await;
        let ended = over(&bos, &[("admin", json!(true))]);
        for (is_admin, status) in [(true, 200), (false, 404)] {
            let header = json!({"typ": "filegateway-playback+jwt", "alg": "HS256", "kid": "first"});
            let claims = json!({"purpose": "playback", "sub": "ana", "org": "acme",
                "admin": is_admin, "file": bos.id, "iat": now(), "exp": now() + 100});
            let cookie = Cookie {
                value: signed(&header, &claims, &[1; 32]),
                max_age: 100,
            };
            let answer = Answer::to(cookie.on(gateway.play(&bos, &ended))).await;
            assert_eq!(answer.status, status);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_opens_nothing_without_a_genuine_token_and_nothing_else_at_all() {
    playing(&[], |gateway| async move {
        let film = gateway.store_sample().await;
        let token = gateway.token("ana", "").await;
        let cookie = gateway.begin(&film, &token).await;
        let stream = format!("/v1/files/stream/{}", film.id);
        let answer = Answer::to(cookie.on(gateway.get(&stream))).await;
        answer.assert_invalid(&[(json!(["query", "token"]), "missing")]);
        let header = json!({"typ": "filegateway-file+jwt", "alg": "HS256", "kid": "first"});
        let claims = json!({"purpose": "read", "sub": "ana", "org": "acme", "admin": false,
            "iat": now() - 301, "exp": now() - 1});
        let forged = signed(&header, &claims, &[2; 32]);
        for token in [&forged, &cookie.value, "x", ""] {
            let answer = Answer::to(cookie.on(gateway.play(&film, token))).await;
            answer.assert_failure(401, "token_invalid");
        }
        // As a caller, for the deprecated stream, and as a file token.
        let ended = over(&film, &[]);
        let location = format!("/v1/files/stream?location={}&token={ended}", film.location);
        let answer = Answer::to(cookie.on(gateway.get(&location))).await;
        answer.assert_failure(401, "token_expired");
        for (method, path) in [
            (Method::GET, film.path()),
            (Method::DELETE, film.path()),
            (Method::GET, "/v1/files/token".to_owned()),
            (Method::DELETE, "/v1/files/token".to_owned()),
        ] {
            let answer = Answer::to(cookie.on(gateway.request(method.clone(), &path))).await;
            answer.assert_failure(401, "not_authenticated");
            let request = gateway.request(method, &path).bearer_auth(&cookie.value);
            Answer::to(request)
                .await
                .assert_failure(401, "token_invalid");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_and_foreign_cookies_are_not_there() {
    playing(&[], |gateway| async move {
        let film = gateway.store_sample().await;
        let header = json!({"typ": "filegateway-playback+jwt", "alg": "HS256", "kid": "first"});
        let claims = json!({"purpose": "playback", "sub": "ana", "org": "acme", "admin": false,
            "file": film.id, "epoch": 0, "iat": now(), "exp": now() + 100});
        let with = |changes: &[(&str, serde_json::Value)], secret: u8| {
            let mut claims = claims.clone();
            for (name, value) in changes {
                claims[name] = value.clone();
            }
            signed(&header, &claims, &[secret; 32])
        };
        let ended = over(&film, &[]);
        let status = async |value: String| {
            let cookie = Cookie { value, max_age: 0 };
            Answer::to(cookie.on(gateway.play(&film, &ended))).await
        };
        // The forger's tools work: with the key, the cookie is good.
        assert_eq!(status(with(&[], 1)).await.status, 200);
        for (name, value) in [
            ("another key", with(&[], 2)),
            ("over", with(&[("exp", json!(now() - 1))], 1)),
            ("no file", with(&[("file", json!(null))], 1)),
            ("another purpose", with(&[("purpose", json!("read"))], 1)),
            ("another organization", with(&[("org", json!("globex"))], 1)),
            ("a file token", gateway.token("ana", "").await),
            ("a JWT", member("ana")),
            ("empty", String::new()),
            ("huge", "a".repeat(9000)),
        ] {
            let answer = status(value).await;
            assert_eq!(answer.json()["code"], "token_expired", "{name}");
        }
        // A neighbour's cookie of the same name, sent first, does not hide the good one.
        let request = gateway.play(&film, &ended);
        let cookies = format!("{NAME}=x; {NAME}={}", with(&[], 1));
        let answer = Answer::to(request.header("cookie", cookies)).await;
        assert_eq!(answer.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoking_deleting_and_hiding_end_playback_at_once() {
    playing(&[], |gateway| async move {
        let film = gateway.store_sample().await;
        let revoke = async |query: &str| {
            let path = format!("/v1/files/token{query}");
            let request = gateway.request(Method::DELETE, &path);
            let answer = Answer::to(request.bearer_auth(member("ana"))).await;
            assert_eq!(answer.status, 204);
        };
        let file = format!("?file_id={}", film.id);
        for query in ["", file.as_str()] {
            let token = gateway.token("ana", "").await;
            let cookie = gateway.begin(&film, &token).await;
            revoke(query).await;
            let ended = over(&film, &[("epoch", json!(1000))]);
            let answer = Answer::to(cookie.on(gateway.play(&film, &ended))).await;
            answer.assert_failure(401, "token_revoked");
            // Nor does a revoked token come to life again by a cookie of later on.
            let token = gateway.token("ana", "").await;
            let request = cookie.on(gateway.play(&film, &token));
            let later = Answer::to(request).await;
            assert_eq!(later.status, 200);
            let later = Cookie::of(&later, &film).expect("the revoked cookie is replaced");
            let ended = over(&film, &[("epoch", json!(0))]);
            let answer = Answer::to(later.on(gateway.play(&film, &ended))).await;
            answer.assert_failure(401, "token_revoked");
        }
        let token = gateway.token("ana", "").await;
        let cookie = gateway.begin(&film, &token).await;
        let ended = over(&film, &[("epoch", json!(1000))]);
        let answer = Answer::to(cookie.on(gateway.play(&film, &ended))).await;
        assert_eq!(answer.status, 200);
        let delete = gateway.request(Method::DELETE, &film.path());
        let deleted = Answer::to(delete.bearer_auth(member("ana"))).await;
        assert_eq!(deleted.status, 200);
        let answer = Answer::to(cookie.on(gateway.play(&film, &ended))).await;
        answer.assert_failure(404, "file_not_found");

        // Bo reads what Ana shows, until she no longer does.
        let shown = gateway.store_sample().await;
        gateway.world.set_visibility("organization").await;
        let token = gateway.token("bo", "").await;
        let cookie = gateway.begin(&shown, &token).await;
        let ended = over(&shown, &[("sub", json!("bo")), ("epoch", json!(1000))]);
        let answer = Answer::to(cookie.on(gateway.play(&shown, &ended))).await;
        assert_eq!(answer.status, 200);
        gateway.world.set_visibility("private").await;
        let answer = Answer::to(cookie.on(gateway.play(&shown, &ended))).await;
        answer.assert_failure(404, "file_not_found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_is_good_as_long_as_its_key_is_kept() {
    playing(&[], |gateway| async move {
        let film = gateway.store_sample().await;
        let token = gateway.token("ana", "").await;
        let cookie = gateway.begin(&film, &token).await;
        let ended = over(&film, &[]);
        let key = |id: &str, byte: u8| json!({"kid": id, "secret": STANDARD.encode([byte; 32])});
        let write = |keys: serde_json::Value| {
            std::fs::write(gateway.folder.path().join("keys.json"), keys.to_string()).unwrap();
            tokio::time::sleep(Duration::from_millis(1100))
        };
        write(json!({"current": key("second", 2), "previous": key("first", 1)})).await;
        let answer = Answer::to(cookie.on(gateway.play(&film, &ended))).await;
        assert_eq!(answer.status, 200);
        write(json!({"current": key("second", 2)})).await;
        let answer = Answer::to(cookie.on(gateway.play(&film, &ended))).await;
        answer.assert_failure(401, "token_invalid");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playback_can_be_off() {
    let off = [("TOKENS_PLAYBACK_SECONDS", "0")];
    playing(&off, |gateway| async move {
        let film = gateway.store_sample().await;
        let token = gateway.token("ana", "").await;
        let answer = Answer::to(gateway.play(&film, &token)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(Cookie::of(&answer, &film), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_and_the_deprecated_stream_set_no_cookie() {
    playing(&[], |gateway| async move {
        let film = gateway.store_sample().await;
        let token = gateway.token("ana", "").await;
        let of_bo = gateway.token("bo", "").await;
        let location = format!("/v1/files/stream?location={}&token={token}", film.location);
        for (request, status) in [
            (gateway.get(&location), 200),
            (gateway.play(&film, &of_bo), 404),
            (gateway.play(&film, "x"), 401),
            (
                gateway.play(&film, &token).header("range", "bytes=5000-"),
                416,
            ),
            (gateway.play(&film, &token).header("if-match", "\"x\""), 412),
        ] {
            let answer = Answer::to(request).await;
            assert_eq!(answer.status, status);
            assert_eq!(Cookie::of(&answer, &film), None);
        }
    })
    .await;
}
