//! Server-Sent Events of a video's work.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use reqwest::multipart::{Form, Part};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::browser::film;
use crate::served::{Served, member, other_member};

struct Watched {
    served: Served,
    http: Client,
    id: String,
    token: String,
}

impl Watched {
    /// A server, with an embedded worker or none, and a film just uploaded to it.
    async fn start(works: &str) -> Self {
        let variables = [("FILEGATEWAY_WORKER_EMBEDDED", works)];
        let served = Served::start_with("warn", &variables).await;
        let folder = tempfile::tempdir().unwrap();
        let bytes = std::fs::read(film(folder.path())).unwrap();
        let form = Form::new().part("files", Part::bytes(bytes).file_name("film.mp4"));
        let http = Client::new();
        let upload = http.post(format!("{}/v1/files", served.url));
        let upload = upload.bearer_auth(member()).multipart(form).send().await;
        let uploaded: Value = upload.unwrap().json().await.unwrap();
        let id = uploaded["files"][0]["id"].as_str().unwrap().to_owned();
        let token = token(&http, &served.url, member()).await;
        Self {
            served,
            http,
            id,
            token,
        }
    }

    fn events(&self, token: &str) -> RequestBuilder {
        let (url, id) = (&self.served.url, &self.id);
        self.http
            .get(format!("{url}/v1/files/{id}/events?token={token}"))
    }

    /// What is told until the server ends the stream.
    async fn told(&self) -> Vec<Value> {
        let answer = self.events(&self.token).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["cache-control"], "private, no-store");
        let text = answer.text().await.unwrap();
        let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
        data.map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }

    async fn end(mut self) {
        self.served.process.terminate();
        assert!(self.served.process.ends_well());
        self.served.take_down().await;
    }
}

async fn token(http: &Client, url: &str, jwt: String) -> String {
    let answer = http.get(format!("{url}/v1/files/token")).bearer_auth(jwt);
    let answer: Value = answer.send().await.unwrap().json().await.unwrap();
    answer["token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_work_on_a_film_is_told_as_it_goes() {
    let watched = Watched::start("true").await;
    let told = watched.told().await;
    let (last, before) = told.split_last().unwrap();
    assert_eq!(last, &json!({"status": "ready"}), "{told:?}");
    let progress: Vec<_> = before
        .iter()
        .map(|event| {
            assert_eq!(event["status"], "processing", "{told:?}");
            event["progress"].as_u64().unwrap()
        })
        .collect();
    assert!(progress.is_sorted() && !progress.is_empty(), "{told:?}");

    // One that comes late is told the end, and one that heard it is told to stay away.
    assert_eq!(watched.told().await, [json!({"status": "ready"})]);
    let again = watched.events(&watched.token);
    let again = again.header("Last-Event-ID", "ready").send().await.unwrap();
    assert_eq!(again.status(), 204);

    let other = token(&watched.http, &watched.served.url, other_member()).await;
    for (token, status) in [(other.as_str(), 404), ("x", 401)] {
        let refused = watched.events(token).send().await.unwrap();
        assert_eq!(refused.status(), status);
    }
    watched.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_watches_hears_of_a_deletion() {
    let watched = Watched::start("false").await;
    let delete = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let (url, id) = (&watched.served.url, &watched.id);
        let delete = watched.http.delete(format!("{url}/v1/files/{id}"));
        let deleted = delete.bearer_auth(member()).send().await.unwrap();
        assert!(deleted.status().is_success());
    };
    let (told, ()) = tokio::join!(watched.told(), delete);
    let begins = json!({"status": "processing", "progress": 0});
    assert_eq!(told, [begins, json!({"status": "deleted"})]);
    watched.end().await;
}

/// Nobody waits for the end of a film's work, which may be hours away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_do_not_hold_a_server_that_stops() {
    let mut watched = Watched::start("false").await;
    let answer = watched.events(&watched.token).send().await.unwrap();
    let mut body = answer.bytes_stream();
    let first = body.next().await.unwrap().unwrap();
    assert!(first.starts_with(b"id:") || first.starts_with(b"data:"));
    let told = Instant::now();
    watched.served.process.terminate();
    while let Some(frame) = body.next().await {
        frame.unwrap();
    }
    assert!(watched.served.process.ends_well());
    assert!(
        told.elapsed() < Duration::from_secs(15),
        "it was waited for"
    );
    watched.served.take_down().await;
}
