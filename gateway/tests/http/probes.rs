//! `/healthz`, `/readyz`, the document and Swagger UI.

use std::sync::Arc;

use crate::gateway_under_test::Gateway;
use crate::support::Answer;
use crate::worlds::{Database, ObjectStore, everywhere, once, within};

everywhere!(a_whole_gateway_is_ready);
once!(the_document_and_its_pages);

async fn a_whole_gateway_is_ready(gateway: Arc<Gateway>) {
    let health = Answer::to(gateway.get("/healthz")).await;
    assert_eq!(health.status, 200);
    let ready = Answer::to(gateway.get("/readyz")).await;
    assert_eq!(ready.status, 200);
    assert_eq!(ready.json()["status"], "ready");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_says_what_is_down() {
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let variables = [("STORE_ENDPOINT", nobody.as_str())];
    within(
        Database::Sqlite,
        ObjectStore::Versitygw,
        &variables,
        |gateway| async move {
            let ready = Answer::to(gateway.get("/readyz")).await;
            assert_eq!(ready.status, 503);
            let body = ready.json();
            assert_eq!(body["database"], "ok", "{body}");
            assert_ne!(body["bucket"], "ok", "{body}");
            assert_eq!(Answer::to(gateway.get("/healthz")).await.status, 200);
        },
    )
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
