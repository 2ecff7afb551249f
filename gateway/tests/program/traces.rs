//! Traces, as a receiver of OTLP gets them.

use std::net::TcpListener;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use reqwest::Client;
use reqwest::multipart::{Form, Part};
use serde_json::Value;

use crate::process::{log, run};
use crate::receiver::{Exported, Receiver};
use crate::served::{Served, member};

/// What a caller's own spans are called by.
const UPLOADING: [&str; 2] = ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"];
const STREAMING: [&str; 2] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];

fn traceparent([trace, span]: [&str; 2]) -> String {
    format!("00-{trace}-{span}-01")
}

fn free_address() -> String {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().to_string()
}

/// Uploads a file in the caller's trace; its id.
async fn upload(served: &Served) -> String {
    let part = Part::bytes(vec![7; 100_000]).file_name("a.bin");
    let upload = Client::new()
        .post(format!("{}/v1/files", served.url))
        .bearer_auth(member())
        .header("traceparent", traceparent(UPLOADING))
        .multipart(Form::new().part("files", part));
    let uploaded: Value = upload.send().await.unwrap().json().await.unwrap();
    uploaded["files"][0]["id"].as_str().unwrap().to_owned()
}

/// Waits for the server's span in the trace of `caller`, and for two children by what they call.
async fn family(receiver: &Receiver, caller: [&str; 2], rpc: &str) -> [Exported; 3] {
    let what = format!("a request with {rpc} and a statement");
    let [trace, parent] = caller;
    receiver
        .until(&what, |spans| {
            let mut spans = spans.iter().filter(|span| span.trace == trace);
            let server = spans.clone().find(|span| span.kind == SpanKind::Server)?;
            assert_eq!(server.parent, parent);
            let called = spans.clone().find(|span| span.name == rpc)?;
            let statement = spans.find(|span| span.is("db.system.name", "postgresql"))?;
            Some([server, called, statement].map(Clone::clone))
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_goes_on_with_its_callers_trace_and_tells_no_secret() {
    let receiver = Receiver::start().await;
    let mut served = Served::start_on_postgres(
        "trace",
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=hidden%20key"),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
            ("OTEL_RESOURCE_ATTRIBUTES", "k8s.namespace.name=acme"),
        ],
    )
    .await;
    let id = upload(&served).await;
    let http = Client::new();
    let token = http
        .get(format!("{}/v1/files/token", served.url))
        .query(&[("file_id", &id)])
        .bearer_auth(member());
    let token: Value = token.send().await.unwrap().json().await.unwrap();
    let token = token["token"].as_str().unwrap().to_owned();
    let stream = http
        .get(format!("{}/v1/files/stream/{id}?token={token}", served.url))
        .header("traceparent", traceparent(STREAMING));
    let stream = stream.send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert_eq!(stream.bytes().await.unwrap().len(), 100_000);

    let [server, put, statement] = family(&receiver, UPLOADING, "S3.PutObject").await;
    assert_eq!(server.name, "POST /v1/files");
    // Both are called in tasks of their own.
    assert_eq!([&put.parent, &statement.parent], [&server.id; 2]);

    let [server, get, statement] = family(&receiver, STREAMING, "S3.GetObject").await;
    assert_eq!(server.name, "GET /v1/files/stream/{file_id}");
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/v1/files/stream/{file_id}"),
        ("http.response.status_code", "200"),
        ("url.path", &format!("/v1/files/stream/{id}")),
    ] {
        assert!(server.is(key, value), "{key}: {server:?}");
    }
    assert_eq!(get.parent, server.id);
    assert_eq!(get.kind, SpanKind::Client);
    assert!(get.is("rpc.method", "GetObject"), "{get:?}");
    assert_eq!(statement.parent, server.id);
    assert_eq!(server.resource["service.name"], "filegateway");
    assert_eq!(server.resource["k8s.namespace.name"], "acme");

    // One that nobody answers for, and probes, which are in no trace.
    let strange = format!("{}/v1/nothing?token={token}", served.url);
    http.get(strange).send().await.unwrap();
    http.get(format!("{}/readyz", served.url))
        .send()
        .await
        .unwrap();
    let unknown = |spans: &[Exported]| spans.iter().find(|span| span.name == "GET").cloned();
    let unknown = receiver.until("the unknown path", unknown).await;
    assert_eq!(unknown.parent, "");
    assert!(unknown.is("http.response.status_code", "404") && !unknown.failed);

    served.process.terminate();
    assert!(served.process.ends_well());
    let spans = receiver.spans();
    let probed = spans.iter().find(|span| span.name.contains("readyz"));
    assert_eq!(probed, None);
    let roots = spans.iter().filter(|span| span.parent.is_empty());
    for root in roots {
        assert_eq!(root.kind, SpanKind::Server, "a call of nobody's: {root:?}");
    }

    let raw = receiver.raw();
    assert!(raw.contains("hidden key"), "the header was not sent");
    let jwt = member();
    for secret in [token.as_str(), "token=", &jwt]
        .into_iter()
        .chain(served.secrets.iter().map(String::as_str))
    {
        assert!(!raw.contains(secret), "{secret} was exported");
    }
    let logged = log(&served.log);
    assert!(!logged.contains("hidden key"), "{logged}");
    let answered = logged
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|line| line["span"]["trace_id"] == STREAMING[0] && line["message"] == "answered")
        .expect("a line with the trace of the request");
    assert_eq!(answered["span"]["span_id"], server.id);
    served.take_down().await;
}

/// The test's own limits are shorter than the time that an export may take here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_hangs_delays_neither_requests_nor_the_stop() {
    let receiver = Receiver::start().await;
    receiver.hang();
    let metrics = free_address();
    let mut served = Served::start_with(
        "info",
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "600000"),
            ("OTEL_BSP_SCHEDULE_DELAY", "50"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "8"),
            ("FILEGATEWAY_METRICS_LISTEN", &metrics),
        ],
    )
    .await;
    let id = upload(&served).await;
    while receiver.requests() == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let http = Client::builder()
        .timeout(std::time::Duration::from_secs(30))
        .build()
        .unwrap();
    for _ in 0..20 {
        let read = http
            .get(format!("{}/v1/files/{id}", served.url))
            .bearer_auth(member());
        assert_eq!(read.send().await.unwrap().status(), 200);
    }
    let text = http.get(format!("http://{metrics}/metrics")).send().await;
    let text = text.unwrap().text().await.unwrap();
    let dropped = "filegateway_trace_spans_total{outcome=\"dropped\"} ";
    let (_, count) = text.split_once(dropped).expect(&text);
    let count: u64 = count.lines().next().unwrap().parse().unwrap();
    assert!(count > 0, "nothing was dropped: {text}");
    assert!(text.contains("filegateway_trace_spans_total{outcome=\"exported\"} 0"));
    assert_eq!(receiver.requests(), 1, "the first is still on its way");
    served.process.terminate();
    assert!(served.process.ends_well());
    assert!(log(&served.log).contains("the last spans could not be sent"));
    served.take_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_exported_unless_it_is_asked_for() {
    let receiver = Receiver::start().await;
    let metrics = free_address();
    let mut served = Served::start_with(
        "info",
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint),
            ("OTEL_SDK_DISABLED", "true"),
            ("OTEL_BSP_SCHEDULE_DELAY", "50"),
            ("FILEGATEWAY_METRICS_LISTEN", &metrics),
        ],
    )
    .await;
    upload(&served).await;
    let text = reqwest::get(format!("http://{metrics}/metrics"))
        .await
        .unwrap();
    assert!(!text.text().await.unwrap().contains("trace_spans"));
    served.process.terminate();
    assert!(served.process.ends_well());
    assert_eq!(receiver.requests(), 0);
    assert!(!log(&served.log).contains("trace_id"));
    served.take_down().await;
}

#[test]
fn a_variable_that_makes_no_sense_ends_the_start_with_its_name_and_not_its_value() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization: hidden"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "hidden:4318"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "hidden"),
    ] {
        let output = run(&["serve"], &[endpoint, (name, value)]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert!(
            said.contains(&format!("{name}: write ")) && !said.contains("hidden"),
            "{said}"
        );
    }
}
