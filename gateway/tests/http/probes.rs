//! `/healthz`, `/readyz`, the document and Swagger UI.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::{sleep, timeout};
use url::Url;

use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::raw::PATIENCE;
use crate::relay::Relay;
use crate::support::Answer;
use crate::worlds::{Database, ObjectStore, Variables, administer, everywhere, once, within};

everywhere!(
    a_whole_gateway_is_ready,
    a_missing_bucket_is_named_until_it_is_back
);
once!(signing_keys_that_went_are_named, the_document_and_its_pages);

async fn a_whole_gateway_is_ready(gateway: Arc<Gateway>) {
    let health = Answer::to(gateway.get("/healthz")).await;
    assert_eq!(health.status, 200);
    let ready = Answer::to(gateway.get("/readyz")).await;
    assert_eq!(ready.status, 200);
    assert_eq!(ready.json()["status"], "ready");
}

/// Asks until the probe answers as expected for one dependency, or fails.
async fn ready(gateway: &Gateway, dependency: &str, expected: impl Fn(&str) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ready = Answer::to(gateway.get("/readyz")).await;
        let body = ready.json();
        let all = body.as_object().unwrap().iter();
        let good = all
            .clone()
            .all(|(name, state)| name == "status" || state == "ok");
        assert_eq!(ready.status, if good { 200 } else { 503 }, "{body}");
        assert_eq!(body["status"], if good { "ready" } else { "unavailable" });
        if expected(body[dependency].as_str().unwrap()) {
            return body;
        }
        assert!(Instant::now() < deadline, "{dependency}: {body}");
        sleep(Duration::from_millis(100)).await;
    }
}

/// That this dependency alone is in the way.
fn alone(body: &Value, dependency: &str) {
    for (name, state) in body.as_object().unwrap() {
        let is_ok = state == "ok" || name == "status";
        assert_eq!(is_ok, name != dependency, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_down_is_named() {
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    with(&[("STORE_ENDPOINT", &nobody)], |gateway| async move {
        let body = ready(&gateway, "bucket", |state| state != "ok").await;
        alone(&body, "bucket");
        assert!(!body.to_string().contains("127.0.0.1"), "{body}");
        assert_eq!(Answer::to(gateway.get("/healthz")).await.status, 200);
    })
    .await;
}

async fn with<F>(variables: Variables<'_>, test: impl FnOnce(Arc<Gateway>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    within(Database::Sqlite, ObjectStore::Versitygw, variables, test).await;
}

async fn a_missing_bucket_is_named_until_it_is_back(gateway: Arc<Gateway>) {
    let world = &gateway.world;
    world
        .s3
        .delete_bucket()
        .bucket(&world.name)
        .send()
        .await
        .unwrap();
    let body = ready(&gateway, "bucket", |state| state != "ok").await;
    world
        .s3
        .create_bucket()
        .bucket(&world.name)
        .send()
        .await
        .unwrap();
    alone(&body, "bucket");
    assert_eq!(body["bucket"], "the bucket does not exist");
    ready(&gateway, "bucket", |state| state == "ok").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_takes_nobody_is_named_until_it_is_back() {
    let test = |gateway: Arc<Gateway>| async move {
        let name = gateway.world.name.clone();
        administer(&format!(
            "ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS false"
        ))
        .await;
        administer(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        ))
        .await;
        let body = ready(&gateway, "database", |state| state != "ok").await;
        administer(&format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS true")).await;
        alone(&body, "database");
        assert!(!body.to_string().contains(&name), "{body}");
        ready(&gateway, "database", |state| state == "ok").await;
    };
    within(Database::Postgres, ObjectStore::Versitygw, &[], test).await;
}

/// Makes what is behind `relay` take everything and answer nothing: that is told as what it is, in the
/// time of a probe, and all is well again afterwards.
async fn hangs(gateway: &Gateway, relay: &Relay, dependency: &str, who: &str) {
    ready(gateway, dependency, |state| state == "ok").await;
    relay.hang();
    let asked = async {
        let body = ready(gateway, dependency, |state| state != "ok").await;
        alone(&body, dependency);
        let words = body[dependency].as_str().unwrap();
        assert!(words.contains(who) && words.contains("in "), "{body}");
    };
    timeout(PATIENCE, asked).await.unwrap();
    // Nobody restarts a pod for what is not its own fault, also while a probe of readiness waits.
    let (health, _) = tokio::join!(
        Answer::to(gateway.get("/healthz")),
        Answer::to(gateway.get("/readyz"))
    );
    assert_eq!(health.status, 200);
    relay.go_on();
    ready(gateway, dependency, |state| state == "ok").await;
    let path = "/v1/files/token";
    let token = Answer::to(gateway.get(path).bearer_auth(member("ana"))).await;
    assert_eq!(token.status, 200);
    gateway.store_sample().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_takes_everything_and_answers_nothing_is_named_until_it_does() {
    let relay = Relay::to_versitygw().await;
    let endpoint = relay.url();
    with(&[("STORE_ENDPOINT", &endpoint)], |gateway| async move {
        hangs(&gateway, &relay, "bucket", "object store did not answer").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_takes_everything_and_answers_nothing_is_named_until_it_does() {
    let test = |gateway: Arc<Gateway>| async move {
        let relay = Relay::to_postgres().await;
        let mut url = Url::parse(&gateway.world.database_url).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(relay.port())).unwrap();
        let file = gateway.folder.path().join("relayed-url");
        std::fs::write(&file, url.as_str()).unwrap();
        let variables = [("DATABASE_URL_FILE", file.to_str().unwrap())];
        let behind = gateway.replica(&variables).await;
        hangs(&behind.gateway, &relay, "database", "database").await;
        behind.gateway.stop().await;
    };
    within(Database::Postgres, ObjectStore::Versitygw, &[], test).await;
}

async fn signing_keys_that_went_are_named(gateway: Arc<Gateway>) {
    let keys = gateway.folder.path().join("keys.json");
    let good = std::fs::read(&keys).unwrap();
    for (text, word) in [(None, "can't be read"), (Some("{}"), "malformed")] {
        match text {
            None => std::fs::remove_file(&keys).unwrap(),
            Some(text) => std::fs::write(&keys, text).unwrap(),
        }
        let body = ready(&gateway, "signing_keys", |state| state.contains(word)).await;
        alone(&body, "signing_keys");
        assert!(!body.to_string().contains("keys.json"), "{body}");
    }
    std::fs::write(&keys, good).unwrap();
    ready(&gateway, "signing_keys", |state| state == "ok").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_that_never_answered_is_named() {
    let issuer = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/keys", issuer.local_addr().unwrap());
    drop(issuer);
    let variables = [
        ("AUTH_SECRET_FILE", ""),
        ("AUTH_ALGORITHMS", "RS256"),
        ("AUTH_JWKS_URL", url.as_str()),
    ];
    with(&variables, |gateway| async move {
        let body = ready(&gateway, "issuer_keys", |state| state != "ok").await;
        alone(&body, "issuer_keys");
        assert!(!body.to_string().contains("127.0.0.1"), "{body}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_differ_are_named_with_the_remedy() {
    for (later, word) in [(90, "behind"), (-90, "ahead of")] {
        let relay = Relay::with_time(later).await;
        let endpoint = relay.url();
        with(
            &[("STORE_ENDPOINT", &endpoint)],
            move |gateway| async move {
                let body = ready(&gateway, "clock", |state| state != "ok").await;
                alone(&body, "clock");
                let clock = body["clock"].as_str().unwrap();
                assert!(clock.contains(word) && clock.contains("NTP"), "{clock}");
                let by = ["88", "89", "90", "91", "92"];
                assert!(by.iter().any(|by| clock.contains(by)), "{clock}");
            },
        )
        .await;
        drop(relay);
    }
    let relay = Relay::with_time(90).await;
    let endpoint = relay.url();
    let variables = [
        ("STORE_ENDPOINT", endpoint.as_str()),
        ("READINESS_MAX_CLOCK_SKEW_SECONDS", "100"),
    ];
    with(&variables, |gateway| async move {
        assert_eq!(Answer::to(gateway.get("/readyz")).await.status, 200);
    })
    .await;
}

/// The probe is open to everybody, the object store is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_probes_are_few_questions_to_the_store() {
    let relay = Relay::to_versitygw().await;
    let endpoint = relay.url();
    with(&[("STORE_ENDPOINT", &endpoint)], |gateway| async move {
        let begun = Instant::now();
        let probes = (0..300).map(|_| Answer::to(gateway.get("/readyz")));
        for answer in futures_util::future::join_all(probes).await {
            assert_eq!(answer.status, 200);
        }
        let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap();
        assert!(
            (1..=seconds + 1).contains(&relay.heads()),
            "{}",
            relay.heads()
        );
    })
    .await;
}

async fn the_document_and_its_pages(gateway: Arc<Gateway>) {
    let document = Answer::to(gateway.get("/openapi.json")).await;
    assert_eq!(document.status, 200);
    let checked_in: serde_json::Value =
        serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    assert_eq!(document.json(), checked_in);
    let home = Answer::to(gateway.get("/")).await;
    assert_eq!(home.status, 307);
    assert_eq!(home.header("location"), Some("/docs"));
    let page = Answer::to(gateway.get("/docs")).await;
    assert_eq!(page.status, 200);
    let page = String::from_utf8(page.body).unwrap();
    // It has to work without a network: nothing is loaded from anywhere.
    for elsewhere in ["<script src", "<link "] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
    assert!(page.contains("SwaggerUIBundle({"));
}
