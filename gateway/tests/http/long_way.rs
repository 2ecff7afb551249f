//! Client, gateway and object store far apart: small packets and a pause before each, which is all that
//! a program sees of loss, delay and reordering below TCP.

use std::sync::Arc;

use reqwest::{Client, Method, RequestBuilder};

use crate::forms::{content_type, file, form};
use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::relay::Relay;
use crate::support::{Answer, sha256};
use crate::uploads::client::{PIECE, pattern};
use crate::worlds::{Database, ObjectStore, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_of_small_and_late_packets_changes_no_byte() {
    let store = Relay::crumbling_to_versitygw().await;
    let endpoint = store.url();
    let variables = [("STORE_ENDPOINT", endpoint.as_str())];
    let test = |gateway: Arc<Gateway>| async move {
        let way = Relay::crumbling(gateway.authority()).await;
        let (http, url) = (Client::new(), way.url());
        let ask = |method: Method, path: &str| -> RequestBuilder {
            let request = http.request(method, format!("{url}{path}"));
            request.bearer_auth(member("ana"))
        };
        let bytes = pattern(200_000);
        let upload = ask(Method::POST, "/v1/files").header("content-type", content_type());
        let upload = upload.body(form(&[file("a.bin", "application/octet-stream", &bytes)]));
        let answer = Answer::to(upload).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["files"][0]["sha256"], sha256(&bytes));
        let id = answer.json()["files"][0]["id"].as_str().unwrap().to_owned();

        let begin = ask(Method::POST, "/v1/uploads")
            .header("tus-resumable", "1.0.0")
            .header("upload-length", bytes.len());
        let path = Answer::to(begin).await;
        let path = path.header("location").unwrap();
        let mut in_pieces = String::new();
        for (offset, end) in [(0, 70_001), (70_001, 200_000)] {
            let piece = ask(Method::PATCH, path)
                .header("tus-resumable", "1.0.0")
                .header("content-type", PIECE)
                .header("upload-offset", offset);
            let answer = Answer::to(piece.body(bytes[offset..end].to_vec())).await;
            assert_eq!(answer.status, 204);
            in_pieces = answer
                .header("upload-file-id")
                .unwrap_or_default()
                .to_owned();
        }
        for id in [id, in_pieces] {
            let path = format!("/v1/files/{id}");
            assert!(Answer::to(ask(Method::GET, &path)).await.body == bytes);
            let part = ask(Method::GET, &path).header("range", "bytes=1000-100999");
            let part = Answer::to(part).await;
            assert_eq!(part.status, 206);
            assert!(part.body == bytes[1000..101_000]);
        }
        gateway.world.assert_files(2).await;
    };
    within(Database::Sqlite, ObjectStore::Versitygw, &variables, test).await;
}
