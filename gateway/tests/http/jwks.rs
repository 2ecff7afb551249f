//! Callers whose issuer publishes its keys: a real HTTP server with real RSA and EC keys.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use poem::endpoint::make_sync;
use poem::{Response, Route};
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use crate::gateway_under_test::Gateway;
use crate::issuer::{claims_with, signed};
use crate::support::{Answer, UNKNOWN};
use crate::worlds::{Database, ObjectStore, within};

/// A key pair of the issuer.
#[derive(Clone)]
struct Pair {
    id: &'static str,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Pair {
    fn rsa(id: &'static str) -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> = text
            .as_bytes()
            .chunks(64)
            .map(|line| str::from_utf8(line).unwrap())
            .collect();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            lines.join("\n")
        );
        Self {
            id,
            algorithm: Algorithm::RS256,
            key: EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
        }
    }

    fn ec(id: &'static str) -> Self {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self {
            id,
            algorithm: Algorithm::ES256,
            key: EncodingKey::from_ec_der(der.as_ref()),
        }
    }

    /// The public half, as the issuer publishes it.
    fn public(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = json!(self.id);
        jwk["use"] = json!("sig");
        jwk
    }

    fn jwt(&self, issuer: &Issuer) -> String {
        self.jwt_as(issuer, Some(self.id))
    }

    fn jwt_as(&self, issuer: &Issuer, kid: Option<&str>) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = kid.map(str::to_owned);
        encode(
            &header,
            &claims_with("ana", json!({"iss": issuer.url})),
            &self.key,
        )
        .unwrap()
    }
}

/// What the issuer's server answers, and how often it was asked for keys.
#[derive(Default)]
struct Published {
    keys: Vec<Value>,
    asked: usize,
    broken: bool,
    padding: usize,
    other_issuer: bool,
    redirect: Option<String>,
    raw: Option<String>,
}

struct Issuer {
    url: String,
    published: Arc<Mutex<Published>>,
    server: AbortHandle,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Issuer {
    async fn start(keys: Vec<Value>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let published = Arc::new(Mutex::new(Published {
            keys,
            ..Published::default()
        }));
        let (of_keys, of_discovery, issuer) = (published.clone(), published.clone(), url.clone());
        let routes = Route::new()
            .at("/keys", make_sync(move |_| keys_of(&of_keys)))
            .at(
                "/.well-known/openid-configuration",
                make_sync(move |_| discovery_of(&of_discovery, &issuer)),
            );
        let acceptor = poem::listener::TcpAcceptor::from_std(listener).unwrap();
        let server = tokio::spawn(poem::Server::new_with_acceptor(acceptor).run(routes));
        Self {
            url,
            published,
            server: server.abort_handle(),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Published)) {
        change(&mut self.published.lock().unwrap());
    }

    fn asked(&self) -> usize {
        self.published.lock().unwrap().asked
    }
}

fn keys_of(published: &Mutex<Published>) -> Response {
    let mut published = published.lock().unwrap();
    published.asked += 1;
    if published.broken {
        return Response::builder()
            .status(poem::http::StatusCode::BAD_GATEWAY)
            .finish();
    }
    if let Some(target) = &published.redirect {
        return Response::builder()
            .status(poem::http::StatusCode::FOUND)
            .header("location", target)
            .finish();
    }
    if let Some(raw) = &published.raw {
        return Response::builder().body(raw.clone());
    }
    let set = json!({"keys": published.keys, "padding": "x".repeat(published.padding)});
    Response::builder().body(set.to_string())
}

fn discovery_of(published: &Mutex<Published>, url: &str) -> Response {
    let other = published.lock().unwrap().other_issuer;
    let issuer = if other { "https://evil.test" } else { url };
    let document = json!({"issuer": issuer, "jwks_uri": format!("{url}/keys")});
    Response::builder().body(document.to_string())
}

impl Gateway {
    async fn status_of(&self, jwt: &str) -> u16 {
        let request = self.get(&format!("/v1/files/{UNKNOWN}")).bearer_auth(jwt);
        Answer::to(request).await.status.as_u16()
    }
}

/// What a caller is told of a file that is not there: the JWT was accepted.
const ACCEPTED: u16 = 404;

async fn with_issuer<F: Future<Output = ()> + Send + 'static>(
    keys: Vec<Value>,
    discovered: bool,
    test: impl FnOnce(Arc<Gateway>, Issuer) -> F,
) {
    let issuer = Issuer::start(keys).await;
    let url = issuer.url.clone();
    let keys = if discovered {
        String::new()
    } else {
        format!("{url}/keys")
    };
    let variables = [
        ("AUTH_ISSUER", url.as_str()),
        ("AUTH_SECRET_FILE", ""),
        ("AUTH_JWKS_URL", &keys),
    ];
    within(
        Database::Sqlite,
        ObjectStore::Versitygw,
        &variables,
        |gateway| test(gateway, issuer),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rsa_and_ec_keys_discovered_and_cached() {
    let (rsa, ec) = (Pair::rsa("r"), Pair::ec("e"));
    with_issuer(
        vec![rsa.public(), ec.public()],
        true,
        |gateway, issuer| async move {
            for pair in [&rsa, &ec] {
                for _ in 0..3 {
                    assert_eq!(gateway.status_of(&pair.jwt(&issuer)).await, ACCEPTED);
                }
                // Only one key fits each algorithm, so its name may be left out.
                assert_eq!(
                    gateway.status_of(&pair.jwt_as(&issuer, None)).await,
                    ACCEPTED
                );
            }
            assert_eq!(issuer.asked(), 1);
        },
    )
    .await;
}

/// Nobody is kept in a queue by an issuer that takes connections and says nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_issuer_costs_callers_an_answer_and_not_their_time() {
    let issuer = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", issuer.local_addr().unwrap());
    let keys = format!("{url}/keys");
    let variables = [
        ("AUTH_ISSUER", url.as_str()),
        ("AUTH_SECRET_FILE", ""),
        ("AUTH_JWKS_URL", &keys),
    ];
    let pair = Pair::ec("e");
    let header = Header {
        kid: Some("e".to_owned()),
        ..Header::new(Algorithm::ES256)
    };
    let claims = claims_with("ana", json!({"iss": url}));
    let jwt = encode(&header, &claims, &pair.key).unwrap();
    let test = |gateway: Arc<Gateway>| async move {
        let ask = || {
            gateway
                .get(&format!("/v1/files/{UNKNOWN}"))
                .bearer_auth(&jwt)
        };
        let answers = futures_util::future::join_all((0..30).map(|_| Answer::to(ask())));
        // One fetch takes five seconds to give up, and thirty in a row more than two minutes.
        let answers = tokio::time::timeout(Duration::from_secs(15), answers).await;
        for answer in answers.unwrap() {
            answer.assert_failure(503, "issuer_unavailable");
            assert_eq!(answer.header("retry-after"), Some("5"));
        }
    };
    within(Database::Sqlite, ObjectStore::Versitygw, &variables, test).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_others_are_refused() {
    let (rsa, ec) = (Pair::rsa("r"), Pair::ec("e"));
    with_issuer(
        vec![rsa.public(), ec.public()],
        false,
        |gateway, issuer| async move {
            let imposter = Pair::rsa("r");
            assert_eq!(gateway.status_of(&imposter.jwt(&issuer)).await, 401);
            // The public key, which everybody has, taken for a shared secret.
            let public = rsa.public();
            for secret in [public["n"].as_str().unwrap(), &public.to_string()] {
                let header = json!({"alg": "HS256", "typ": "JWT", "kid": "r"});
                let claims = claims_with("ana", json!({"iss": issuer.url}));
                let forged = signed(&header, &claims, secret.as_bytes());
                assert_eq!(gateway.status_of(&forged).await, 401);
            }
            // One key's name on another key's signature.
            assert_eq!(gateway.status_of(&ec.jwt_as(&issuer, Some("r"))).await, 401);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_bind_to_their_own_algorithm_and_use() {
    let pair = Pair::rsa("r");
    for (name, value) in [("alg", "PS256"), ("alg", "RSA-OAEP"), ("use", "enc")] {
        let mut public = pair.public();
        public[name] = json!(value);
        let pair = pair.clone();
        with_issuer(
            vec![public, Pair::ec("other").public()],
            false,
            |gateway, issuer| async move {
                assert_eq!(
                    gateway.status_of(&pair.jwt(&issuer)).await,
                    401,
                    "{name} {value}"
                );
            },
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_is_found_and_a_flood_of_unknown_ones_costs_little() {
    let first = Pair::rsa("first");
    with_issuer(vec![first.public()], false, |gateway, issuer| async move {
        assert_eq!(gateway.status_of(&first.jwt(&issuer)).await, ACCEPTED);
        let second = Pair::ec("second");
        issuer.change(|published| published.keys = vec![second.public()]);
        // Within the cool-down nothing is fetched, however many ask.
        let flood = (0..50).map(|_| async { gateway.status_of(&second.jwt(&issuer)).await });
        let statuses = futures_util::future::join_all(flood).await;
        assert!(statuses.iter().all(|status| *status == 401));
        assert_eq!(issuer.asked(), 1);
        // After it, once, and all of those who wait get the answer.
        tokio::time::sleep(Duration::from_secs(11)).await;
        let flood = (0..50).map(|_| async { gateway.status_of(&second.jwt(&issuer)).await });
        let statuses = futures_util::future::join_all(flood).await;
        assert!(
            statuses.iter().all(|status| *status == ACCEPTED),
            "{statuses:?}"
        );
        assert_eq!(issuer.asked(), 2);
        assert_eq!(gateway.status_of(&first.jwt(&issuer)).await, 401);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_keys_outlive_an_issuer_that_is_down() {
    let pair = Pair::rsa("r");
    with_issuer(vec![pair.public()], false, |gateway, issuer| async move {
        assert_eq!(gateway.status_of(&pair.jwt(&issuer)).await, ACCEPTED);
        issuer.change(|published| published.broken = true);
        tokio::time::sleep(Duration::from_secs(11)).await;
        assert_eq!(gateway.status_of(&Pair::ec("new").jwt(&issuer)).await, 401);
        assert_eq!(issuer.asked(), 2);
        assert_eq!(gateway.status_of(&pair.jwt(&issuer)).await, ACCEPTED);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_that_is_late_is_a_503_and_then_all_is_well() {
    let pair = Pair::rsa("r");
    with_issuer(vec![pair.public()], true, |gateway, issuer| async move {
        let broken: [fn(&mut Published, bool); 7] = [
            |published, broken| published.broken = broken,
            |published, broken| published.padding = if broken { 600_000 } else { 0 },
            |published, broken| published.other_issuer = broken,
            |published, broken| published.raw = broken.then(|| "<html>".to_owned()),
            |published, broken| published.raw = broken.then(|| r#"{"keys":[]}"#.to_owned()),
            |published, broken| {
                let keys = format!(r#"{{"keys":[{}1]}}"#, "{},".repeat(100_000));
                published.raw = broken.then_some(keys);
            },
            |published, broken| {
                let deep = format!(
                    r#"{{"keys":{}{}}}"#,
                    "[".repeat(100_000),
                    "]".repeat(100_000)
                );
                published.raw = broken.then_some(deep);
            },
        ];
        for set in broken {
            issuer.change(|published| set(published, true));
            let path = format!("/v1/files/{UNKNOWN}");
            let request = gateway.get(&path).bearer_auth(pair.jwt(&issuer));
            let answer = Answer::to(request).await;
            answer.assert_failure(503, "issuer_unavailable");
            assert!(answer.header("retry-after").is_some());
            issuer.change(|published| set(published, false));
            tokio::time::sleep(Duration::from_millis(1100)).await;
        }
        assert_eq!(gateway.status_of(&pair.jwt(&issuer)).await, ACCEPTED);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_to_another_server_is_not_followed() {
    let pair = Pair::rsa("r");
    with_issuer(vec![pair.public()], false, |gateway, issuer| async move {
        let private = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        private.set_nonblocking(true).unwrap();
        let target = format!("http://{}/keys", private.local_addr().unwrap());
        issuer.change(|published| published.redirect = Some(target));
        assert_eq!(gateway.status_of(&pair.jwt(&issuer)).await, 503);
        assert!(private.accept().is_err(), "the redirect was followed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_set_and_two_keys_of_one_name_do_no_harm() {
    let (right, twin) = (Pair::ec("right"), Pair::ec("twin"));
    let mut keys: Vec<_> = (0..2000)
        .map(|n| {
            let mut key = twin.public();
            key["kid"] = json!(format!("k{n}"));
            key
        })
        .collect();
    keys.extend([twin.public(), Pair::ec("twin").public(), right.public()]);
    with_issuer(keys, false, |gateway, issuer| async move {
        assert_eq!(gateway.status_of(&right.jwt(&issuer)).await, ACCEPTED);
        // Which of the two it is can't be told, so neither is believed.
        assert_eq!(gateway.status_of(&twin.jwt(&issuer)).await, 401);
        // Nor without a name, of so many.
        assert_eq!(gateway.status_of(&right.jwt_as(&issuer, None)).await, 401);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_invented_key_names_asks_the_issuer_once() {
    let pair = Pair::ec("known");
    with_issuer(vec![pair.public()], false, |gateway, issuer| async move {
        assert_eq!(gateway.status_of(&pair.jwt(&issuer)).await, ACCEPTED);
        tokio::time::sleep(Duration::from_secs(11)).await;
        for round in 0..20 {
            let flood = (0..50).map(|n| {
                let jwt = pair.jwt_as(&issuer, Some(&format!("invented-{round}-{n}")));
                let gateway = &gateway;
                async move { gateway.status_of(&jwt).await }
            });
            let statuses = futures_util::future::join_all(flood).await;
            assert!(statuses.iter().all(|status| *status == 401));
        }
        // Once at the start and once per cool-down since.
        assert!(issuer.asked() <= 3, "{}", issuer.asked());
        assert_eq!(gateway.status_of(&pair.jwt(&issuer)).await, ACCEPTED);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn elliptic_signatures_have_one_form() {
    let pair = Pair::ec("e");
    with_issuer(vec![pair.public()], false, |gateway, issuer| async move {
        let good = pair.jwt(&issuer);
        assert_eq!(gateway.status_of(&good).await, ACCEPTED);
        let (message, signature) = good.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let (r, s) = signature.split_at(32);
        let number = |bytes: &[u8]| {
            let mut der = vec![0x02, bytes.len() as u8 + 1, 0];
            der.extend_from_slice(bytes);
            der
        };
        let numbers = [number(r), number(s)].concat();
        let der = [vec![0x30, numbers.len() as u8], numbers].concat();
        let zeros = vec![0; 32];
        for (name, signature) in [
            ("DER", der),
            ("zeros", vec![0; 64]),
            ("r of zero", [&zeros, s].concat()),
            ("s of zero", [r, &zeros].concat()),
            ("a byte less", signature[..63].to_vec()),
            ("a byte more", [&signature[..], &[0]].concat()),
            ("nothing", Vec::new()),
        ] {
            let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
            assert_eq!(gateway.status_of(&forged).await, 401, "{name}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stronger_looking_algorithm_is_still_another_one() {
    let pair = Pair::rsa("r");
    with_issuer(vec![pair.public()], false, |gateway, issuer| async move {
        assert_eq!(gateway.status_of(&pair.jwt(&issuer)).await, ACCEPTED);
        for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
            let other = Pair {
                algorithm,
                ..pair.clone()
            };
            assert_eq!(gateway.status_of(&other.jwt(&issuer)).await, 401);
        }
    })
    .await;
}
