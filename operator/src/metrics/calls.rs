//! Calls to the API server.

use kube::Client;
use kube::client::Body;
use tower::service_fn;

use super::{CallLabels, Metrics};

/// `client`, with its calls counted.
pub fn counted(client: Client, metrics: Metrics) -> Client {
    let namespace = client.default_namespace().to_string();
    let service = service_fn(move |request: http::Request<Body>| {
        let (client, metrics) = (client.clone(), metrics.clone());
        let verb = verb(&request);
        async move {
            let answer = client.send(request).await;
            let status = match &answer {
                Ok(answer) => class(answer.status().as_u16()),
                Err(_) => "none",
            };
            metrics
                .calls
                .get_or_create(&CallLabels { verb, status })
                .inc();
            answer
        }
    });
    Client::new(service, namespace)
}

fn verb(request: &http::Request<Body>) -> &'static str {
    let query = request.uri().query().unwrap_or_default();
    let watch = query.split('&').any(|part| part == "watch=true");
    match request.method().as_str() {
        "GET" if watch => "watch",
        "GET" => "read",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "other",
    }
}

fn class(status: u16) -> &'static str {
    match status {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500..=599 => "5xx",
        _ => "other",
    }
}
