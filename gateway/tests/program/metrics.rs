//! `/metrics` has a port of its own.

use reqwest::{Client, Method, StatusCode};

use crate::served::{Served, member};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_reads_the_metrics_or_fills_them_with_paths_of_his_own() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let served = Served::start_with("info", &[("FILEGATEWAY_METRICS_LISTEN", &address)]).await;
    let http = Client::new();
    let ask = async |method: Method, url: String| {
        let request = http.request(method, url).bearer_auth(member());
        request.send().await.unwrap().status()
    };
    let id = "0b4b8f4e-5a7f-4f0e-9a51-2f0f1f0a9c11";
    for number in 0..20 {
        let url = format!("{}/v1/stranger-{number}", served.url);
        ask(Method::GET, url).await;
    }
    ask(Method::GET, format!("{}/v1/files/{id}", served.url)).await;
    let made_up = Method::from_bytes(b"STRANGE").unwrap();
    ask(made_up, format!("{}/v1/files/{id}", served.url)).await;
    let public = ask(Method::GET, format!("{}/metrics", served.url)).await;
    assert_eq!(public, StatusCode::NOT_FOUND);

    let answer = reqwest::get(format!("http://{address}/metrics"))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let content_type = answer.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        content_type.starts_with("application/openmetrics-text"),
        "{content_type}"
    );
    let text = answer.text().await.unwrap();
    for line in [
        "filegateway_requests_total{operation=\"/v1/files/{file_id}\",method=\"GET\",status=\"4xx\"} 1",
        "filegateway_requests_total{operation=\"/v1/files/{file_id}\",method=\"other\",status=\"4xx\"} 1",
        "filegateway_requests_total{operation=\"unknown\",method=\"GET\",status=\"4xx\"} 21",
        "filegateway_request_duration_seconds_count{operation=\"unknown\"} 21",
        "filegateway_store_calls_total{operation=\"HeadBucket\",outcome=\"ok\"}",
        "filegateway_streams 0",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    for of_a_stranger in ["stranger", "STRANGE", id] {
        assert!(!text.contains(of_a_stranger), "{text}");
    }
    // Nothing else is there.
    for path in ["", "/v1/files", "/healthz", "/openapi.json", "/docs"] {
        let status = ask(Method::GET, format!("http://{address}{path}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
    served.take_down().await;
}
