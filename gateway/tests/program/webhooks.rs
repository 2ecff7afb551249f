//! `serve` and a receiver of its webhook: signed, at least once, by nobody's detour.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use reqwest::Client;
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpSocket;

use crate::process::log;
use crate::served::{Served, member};
use crate::video::film;

/// What the receiver got.
#[derive(Debug, Clone)]
struct Told {
    id: String,
    at: Instant,
    timestamp: String,
    signatures: String,
    raw: Bytes,
    body: Value,
}

/// What it answers to its n-th request, from 0: `None` for never.
type Answers = dyn Fn(usize) -> Option<Response<Full<Bytes>>> + Send + Sync;

struct Receiver {
    url: String,
    told: Arc<Mutex<Vec<Told>>>,
}

fn status(code: u16) -> Response<Full<Bytes>> {
    Response::builder()
        .status(code)
        .body(Full::default())
        .unwrap()
}

/// An address that is taken, and that refuses connections until somebody listens there.
fn held() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    socket
}

impl Receiver {
    async fn start(
        answers: impl Fn(usize) -> Option<Response<Full<Bytes>>> + Send + Sync + 'static,
    ) -> Self {
        Self::start_on(held(), answers)
    }

    fn start_on(
        held: TcpSocket,
        answers: impl Fn(usize) -> Option<Response<Full<Bytes>>> + Send + Sync + 'static,
    ) -> Self {
        let listener = held.listen(64).unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let told = Arc::new(Mutex::new(Vec::new()));
        let (answers, seen): (Arc<Answers>, _) = (Arc::new(answers), told.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, seen) = (answers.clone(), seen.clone());
                let service = service_fn(move |request| {
                    let (answers, seen) = (answers.clone(), seen.clone());
                    async move {
                        let told = read(request).await;
                        let number = {
                            let mut seen = seen.lock().unwrap();
                            seen.push(told);
                            seen.len() - 1
                        };
                        match answers(number) {
                            Some(answer) => Ok::<_, Infallible>(answer),
                            None => std::future::pending().await,
                        }
                    }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, told }
    }

    fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    async fn until(&self, what: &str, enough: impl Fn(&[Told]) -> bool) -> Vec<Told> {
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            let told = self.told();
            if enough(&told) {
                return told;
            }
            assert!(Instant::now() < deadline, "waiting for {what}: {told:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn read(request: Request<Incoming>) -> Told {
    let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/json");
    let (id, timestamp, signatures) = (
        header("webhook-id"),
        header("webhook-timestamp"),
        header("webhook-signature"),
    );
    let raw = request.into_body().collect().await.unwrap().to_bytes();
    Told {
        id,
        at: Instant::now(),
        timestamp,
        signatures,
        body: serde_json::from_slice(&raw).unwrap(),
        raw,
    }
}

impl Told {
    fn is_signed_with(&self, secret: &[u8]) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let signed = [
            format!("{}.{}.", self.id, self.timestamp).as_bytes(),
            &self.raw,
        ]
        .concat();
        self.signatures.split(' ').any(|signature| {
            let signature = signature.strip_prefix("v1,").unwrap();
            let signature = STANDARD.decode(signature).unwrap();
            hmac::verify(&key, &signed, &signature).is_ok()
        })
    }

    fn of(&self) -> (&str, &str) {
        (
            self.body["type"].as_str().unwrap(),
            self.body["data"]["id"].as_str().unwrap(),
        )
    }
}

const SECRET: [u8; 32] = [9; 32];

struct Secret {
    folder: TempDir,
}

impl Secret {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let secret = Self { folder };
        secret.write(&[&SECRET]);
        secret
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    fn write(&self, secrets: &[&[u8]]) {
        let lines = secrets
            .iter()
            .map(|secret| format!("whsec_{}\n", STANDARD.encode(secret)));
        std::fs::write(self.path(), lines.collect::<String>()).unwrap();
    }
}

fn variables(url: &str, secret: &Secret, private: &str) -> HashMap<&'static str, String> {
    HashMap::from([
        ("FILEGATEWAY_WEBHOOK_URL", url.to_owned()),
        (
            "FILEGATEWAY_WEBHOOK_SECRET_FILE",
            secret.path().display().to_string(),
        ),
        ("FILEGATEWAY_WEBHOOK_PRIVATE_ADDRESSES", private.to_owned()),
    ])
}

async fn serve(postgres: bool, variables: &HashMap<&'static str, String>) -> Served {
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    match postgres {
        true => Served::start_on_postgres("info", &variables).await,
        false => Served::start_with("info", &variables).await,
    }
}

async fn upload(url: &str) -> String {
    let form = Form::new().part(
        "files",
        Part::text("some text")
            .file_name("a.txt")
            .mime_str("text/plain")
            .unwrap(),
    );
    let upload = Client::new().post(format!("{url}/v1/files"));
    let answer = upload.bearer_auth(member()).multipart(form).send().await;
    let uploaded: Value = answer.unwrap().json().await.unwrap();
    uploaded["files"][0]["id"].as_str().unwrap().to_owned()
}

async fn delete(url: &str, id: &str) {
    let delete = Client::new().delete(format!("{url}/v1/files/{id}"));
    let answer = delete.bearer_auth(member()).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_and_its_deletion_are_told_signed() {
    let receiver = Receiver::start(|_| Some(status(204))).await;
    let secret = Secret::new();
    let url = format!("{}?token=sesame", receiver.url);
    let served = serve(false, &variables(&url, &secret, "true")).await;
    let id = upload(&served.url).await;
    let told = receiver.until("the upload", |told| !told.is_empty()).await;
    assert_eq!(told[0].of(), ("file.created", id.as_str()));
    assert_eq!(told[0].body["data"]["content_type"], "text/plain");
    delete(&served.url, &id).await;
    let told = receiver.until("the deletion", |told| told.len() > 1).await;
    assert_eq!(told[1].of(), ("file.deleted", id.as_str()));
    assert!(told.iter().all(|told| told.is_signed_with(&SECRET)));
    assert!(!told[0].is_signed_with(&[8; 32]));

    // Both are signed with while one replaces the other, then the new one alone.
    let new = [5_u8; 24];
    secret.write(&[&new, &SECRET]);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    upload(&served.url).await;
    let told = receiver.until("both", |told| told.len() > 2).await;
    assert!(told[2].is_signed_with(&SECRET) && told[2].is_signed_with(&new));
    secret.write(&[&new]);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    upload(&served.url).await;
    let told = receiver.until("the new one", |told| told.len() > 3).await;
    assert!(!told[3].is_signed_with(&SECRET) && told[3].is_signed_with(&new));
    let log = log(&served.log);
    assert!(!log.contains("sesame") && !log.contains("whsec_"), "{log}");
    served.take_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_video_is_told_when_it_is_there_and_when_it_is_done() {
    let receiver = Receiver::start(|_| Some(status(200))).await;
    let secret = Secret::new();
    let mut variables = variables(&receiver.url, &secret, "true");
    variables.insert("FILEGATEWAY_WORKER_EMBEDDED", "true".to_owned());
    variables.insert("FILEGATEWAY_VIDEO_OUTPUTS", "poster".to_owned());
    let served = serve(false, &variables).await;
    let folder = tempfile::tempdir().unwrap();
    let film = Part::bytes(film(folder.path())).file_name("film.mp4");
    let send = Client::new().post(format!("{}/v1/files", served.url));
    let send = send
        .bearer_auth(member())
        .multipart(Form::new().part("files", film));
    assert!(send.send().await.unwrap().status().is_success());
    let told = receiver.until("its end", |told| told.len() > 1).await;
    let seen = |told: &Told| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&told.body["type"]), text(&told.body["data"]["status"]))
    };
    assert_eq!(seen(&told[0]), ("file.created".into(), "processing".into()));
    assert_eq!(seen(&told[1]), ("file.ready".into(), "ready".into()));
    assert_eq!(told[0].of().1, told[1].of().1);
    served.take_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_tell_each_event_once() {
    let receiver = Receiver::start(|_| Some(status(200))).await;
    let secret = Secret::new();
    let served = serve(true, &variables(&receiver.url, &secret, "true")).await;
    let other = served.beside().await;
    let mut ids = HashSet::new();
    for _ in 0..10 {
        ids.insert(upload(&served.url).await);
        ids.insert(upload(&other.url).await);
    }
    receiver.until("all", |told| told.len() >= 20).await;
    // Long enough for a second look of both.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let told = receiver.told();
    assert_eq!(told.len(), 20);
    let files: HashSet<_> = told.iter().map(|told| told.of().1.to_owned()).collect();
    assert_eq!(files, ids);
    let distinct: HashSet<_> = told.iter().map(|told| &told.id).collect();
    assert_eq!(distinct.len(), 20);
    drop(other);
    served.take_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_fails_or_sends_elsewhere_is_asked_again_and_nobody_else() {
    let elsewhere = Receiver::start(|_| Some(status(200))).await;
    let location = elsewhere.url.clone();
    let receiver = Receiver::start(move |number| {
        Some(match number {
            0 => Response::builder()
                .status(307)
                .header("location", &location)
                .body(Full::default())
                .unwrap(),
            _ => status(200),
        })
    })
    .await;
    let secret = Secret::new();
    let served = serve(false, &variables(&receiver.url, &secret, "true")).await;
    upload(&served.url).await;
    let told = receiver
        .until("the repetition", |told| told.len() > 1)
        .await;
    assert_eq!(told[0].id, told[1].id);
    assert_eq!(told[0].raw, told[1].raw);
    assert!(told[1].at - told[0].at >= Duration::from_secs(4));
    assert!(told.iter().all(|told| told.is_signed_with(&SECRET)));
    assert!(elsewhere.told().is_empty());
    served.take_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_gone_is_not_asked_again_and_a_busy_one_later() {
    let receiver = Receiver::start(|number| {
        Some(match number {
            0 => status(410),
            1 => Response::builder()
                .status(429)
                .header("retry-after", "9")
                .body(Full::default())
                .unwrap(),
            _ => status(200),
        })
    })
    .await;
    let secret = Secret::new();
    let served = serve(false, &variables(&receiver.url, &secret, "true")).await;
    let gone = upload(&served.url).await;
    receiver.until("the first", |told| told.len() == 1).await;
    let busy = upload(&served.url).await;
    let told = receiver.until("the third", |told| told.len() > 2).await;
    let files: Vec<_> = told.iter().map(|told| told.of().1).collect();
    assert_eq!(files, [&gone, &busy, &busy]);
    assert!(told[2].at - told[1].at >= Duration::from_secs(8));
    served.take_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_hangs_holds_up_no_other_event_and_a_killed_server_loses_none() {
    let receiver = Receiver::start(|number| (number > 0).then(|| status(200))).await;
    let secret = Secret::new();
    let mut served = serve(false, &variables(&receiver.url, &secret, "true")).await;
    let hung = upload(&served.url).await;
    receiver.until("the first", |told| told.len() == 1).await;
    let other = upload(&served.url).await;
    let told = receiver.until("the other", |told| told.len() == 2).await;
    assert_eq!(told[1].of().1, other);
    // While the first is being sent.
    served.process.kill();
    served.start_again().await;
    let told = receiver
        .until("the repetition", |told| told.len() > 2)
        .await;
    assert_eq!(told[2].of().1, hung);
    assert_eq!((&told[2].id, &told[2].raw), (&told[0].id, &told[0].raw));
    served.take_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_down_is_told_once_it_is_up() {
    let socket = held();
    let url = format!("http://{}/hook", socket.local_addr().unwrap());
    let secret = Secret::new();
    let served = serve(false, &variables(&url, &secret, "true")).await;
    let id = upload(&served.url).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while !log(&served.log).contains("could not be told, and will be tried again") {
        assert!(Instant::now() < deadline, "{}", log(&served.log));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let receiver = Receiver::start_on(socket, |_| Some(status(200)));
    let told = receiver.until("the event", |told| !told.is_empty()).await;
    assert_eq!(told[0].of(), ("file.created", id.as_str()));
    assert!(told[0].is_signed_with(&SECRET));
    served.take_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_leads_inside_is_never_connected_to() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let secret = Secret::new();
    let url = format!("https://localhost:{port}/hook");
    let served = serve(false, &variables(&url, &secret, "false")).await;
    upload(&served.url).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while !log(&served.log).contains("private ones are not allowed") {
        assert!(Instant::now() < deadline, "{}", log(&served.log));
        tokio::select! {
            connected = listener.accept() => panic!("{connected:?}"),
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
    }
    served.take_down().await;
}
