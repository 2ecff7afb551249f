//! What is counted, and that it goes back to nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::RANGE;

use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::support::Answer;
use crate::worlds::everywhere;

everywhere!(
    nobody_sees_what_the_gateway_and_its_object_store_do,
    bytes_in_pieces_count_as_those_of_forms_do,
);

impl Gateway {
    /// The value of a metric, by its name without the prefix and with its labels; 0 when it was
    /// never counted.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.metrics.text();
        let line = text
            .lines()
            .filter_map(|line| line.strip_prefix("filegateway_")?.strip_prefix(name))
            .find_map(|rest| rest.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    pub(crate) async fn assert_soon(&self, name: &str, expected: f64) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.metric(name) != expected {
            assert!(Instant::now() < deadline, "{name} is {}", self.metric(name));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn nobody_sees_what_the_gateway_and_its_object_store_do(gateway: Arc<Gateway>) {
    let bytes = vec![7; 8 << 20];
    let stored = gateway
        .store("ana", "a.bin", "application/octet-stream", bytes)
        .await;
    assert!(gateway.metric("received_bytes_total") > 8_388_608.0);
    assert_eq!(gateway.metric("sent_bytes_total"), 0.0);
    let calls = |operation: &str, outcome: &str| {
        let labels = format!("{{operation=\"{operation}\",outcome=\"{outcome}\"}}");
        gateway.metric(&format!("store_calls_total{labels}"))
    };
    assert_eq!(calls("GetObject", "ok"), 0.0);
    assert!(calls("PutObject", "ok") + calls("UploadPart", "ok") >= 1.0);

    let read = gateway.get(&stored.path()).bearer_auth(member("ana"));
    Answer::to(read.header(RANGE, "bytes=0-99")).await;
    assert_eq!(gateway.metric("sent_bytes_total"), 100.0);
    assert_eq!(calls("GetObject", "ok"), 1.0);

    // A reader who does not read on.
    let read = gateway.get(&stored.path()).bearer_auth(member("ana"));
    let resting = read.send().await.unwrap();
    assert_eq!(gateway.metric("streams"), 1.0);
    assert_eq!(gateway.metric("store_streams"), 1.0);
    drop(resting);
    gateway.assert_soon("streams", 0.0).await;
    gateway.assert_soon("store_streams", 0.0).await;
    assert_eq!(gateway.metric("uploads"), 0.0);

    // Bytes that were lost are the object store's error.
    let delete = gateway.world.s3.delete_object().bucket(&gateway.world.name);
    delete.key(&stored.location).send().await.unwrap();
    let read = gateway.get(&stored.path()).bearer_auth(member("ana"));
    assert_eq!(Answer::to(read).await.status, 503);
    assert_eq!(calls("GetObject", "error"), 1.0);
    let requests = "requests_total{operation=\"/v1/files/{file_id}\",method=\"GET\",status=";
    assert_eq!(gateway.metric(&format!("{requests}\"2xx\"}}")), 2.0);
    assert_eq!(gateway.metric(&format!("{requests}\"5xx\"}}")), 1.0);
    let durations = "request_duration_seconds_count{operation=\"/v1/files/{file_id}\"}";
    assert_eq!(gateway.metric(durations), 3.0);
}

async fn bytes_in_pieces_count_as_those_of_forms_do(gateway: Arc<Gateway>) {
    let path = gateway.begin_upload(3000).await;
    assert_eq!(gateway.metric("received_bytes_total"), 0.0);
    assert_eq!(gateway.append(&path, 0, &[7; 1000]).await.status, 204);
    assert_eq!(gateway.metric("received_bytes_total"), 1000.0);
    assert_eq!(gateway.metric("uploads"), 0.0);
    let piece = gateway.open_piece(&path, 1000);
    piece.feed(&[7; 500]).await;
    gateway.assert_soon("uploads", 1.0).await;
    gateway.assert_soon("received_bytes_total", 1500.0).await;
    piece.break_off().await;
    gateway.assert_soon("uploads", 0.0).await;
    // With the creation, too.
    let request = gateway
        .tus("ana", reqwest::Method::POST, "/v1/uploads")
        .header("upload-length", 10)
        .header("content-type", "application/offset+octet-stream");
    let answer = Answer::to(request.body(vec![7; 10])).await;
    assert_eq!(answer.status, 201);
    assert_eq!(gateway.metric("received_bytes_total"), 1510.0);
}
