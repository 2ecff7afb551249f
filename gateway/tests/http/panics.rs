//! A handler that panics costs its own request, and nothing else.

use std::time::Duration;

use gateway::server::{self, Limits};
use poem::middleware::CatchPanic;
use poem::{Endpoint, EndpointExt, Response, Route, get, handler};
use reqwest::Client;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

#[handler]
fn fails() -> Response {
    panic!("a test's panic")
}

#[handler]
fn works() -> &'static str {
    "fine"
}

/// With room for one connection alone: one that is not given back holds up the next request.
async fn serve(
    endpoint: impl Endpoint<Output = Response> + 'static,
) -> (String, oneshot::Sender<()>) {
    let listener = server::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let limits = Limits {
        max_connections: 1,
        ..Limits::default()
    };
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let stopped = async {
            stopped.await.ok();
        };
        let run = server::run(
            listener,
            endpoint,
            limits,
            stopped,
            CancellationToken::new(),
        );
        run.await.unwrap();
    });
    (url, stop)
}

fn client() -> Client {
    let client = Client::builder().pool_max_idle_per_host(0);
    client.timeout(Duration::from_secs(10)).build().unwrap()
}

fn routes() -> Route {
    Route::new()
        .at("/panics", get(fails))
        .at("/fine", get(works))
}

#[tokio::test]
async fn a_panic_is_500_and_the_next_request_is_answered() {
    let (url, _stop) = serve(routes().with(CatchPanic::new()).map_to_response()).await;
    for _ in 0..3 {
        let panicked = client().get(format!("{url}/panics")).send().await.unwrap();
        assert_eq!(panicked.status(), 500);
        let fine = client().get(format!("{url}/fine")).send().await.unwrap();
        assert_eq!(fine.text().await.unwrap(), "fine");
    }
}

#[tokio::test]
async fn a_panic_that_nobody_catches_gives_its_connection_back() {
    let (url, _stop) = serve(routes().map_to_response()).await;
    for _ in 0..3 {
        client()
            .get(format!("{url}/panics"))
            .send()
            .await
            .unwrap_err();
        let fine = client().get(format!("{url}/fine")).send().await.unwrap();
        assert_eq!(fine.text().await.unwrap(), "fine");
    }
}
