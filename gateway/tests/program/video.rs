//! `serve` with the worker in its own process, as a SQLite file needs it, and what it makes of a
//! video as clients ask for it.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use http::StatusCode;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, COOKIE, RANGE, SET_COOKIE, VARY};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;

use crate::served::{Served, member, other_member};

/// A film of ten seconds, made on the spot.
pub(crate) fn film(folder: &Path) -> Vec<u8> {
    let path = folder.join("film.mp4");
    let made = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-f", "lavfi", "-i"])
        .args(["testsrc=size=640x480:duration=10", "-f", "lavfi", "-i"])
        .args(["sine=duration=10", "-c:v", "libx264", "-pix_fmt", "yuv420p"])
        .args(["-g", "50", "-c:a", "aac"])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    std::fs::read(path).unwrap()
}

/// A gateway that works on videos, and the film that it was given.
struct Cinema {
    served: Served,
    http: Client,
    id: String,
    film: Vec<u8>,
}

impl Cinema {
    async fn open(variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let film = film(folder.path());
        let embedded = [("FILEGATEWAY_WORKER_EMBEDDED", "true")];
        let served = Served::start_with("info", &[&embedded, variables].concat()).await;
        let http = Client::new();
        let part = Part::bytes(film.clone()).file_name("film.mp4");
        let upload = http
            .post(format!("{}/v1/files", served.url))
            .bearer_auth(member())
            .multipart(Form::new().part("files", part));
        let uploaded: Value = upload.send().await.unwrap().json().await.unwrap();
        assert_eq!(uploaded["files"][0]["content_type"], "video/mp4");
        assert_eq!(uploaded["files"][0]["status"], "processing");
        Self {
            served,
            http,
            id: uploaded["files"][0]["id"].as_str().unwrap().to_owned(),
            film,
        }
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.served.url))
    }

    async fn metadata(&self) -> Value {
        let metadata = self.get(&format!("/v1/files/{}/metadata", self.id));
        let answer = metadata.bearer_auth(member()).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    async fn shown(&self) -> Value {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let metadata = self.metadata().await;
            match metadata["status"].as_str().unwrap() {
                "ready" => return metadata,
                "processing" => assert!(metadata["progress"].is_u64(), "{metadata}"),
                other => panic!("the film is {other}: {metadata}"),
            }
            assert!(Instant::now() < deadline, "the film is never done");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn token(&self, jwt: &str) -> String {
        let token = self.get("/v1/files/token").bearer_auth(jwt);
        let token: Value = token.send().await.unwrap().json().await.unwrap();
        token["token"].as_str().unwrap().to_owned()
    }

    fn output(&self, name: &str, token: &str) -> RequestBuilder {
        let path = format!("/v1/files/{}/{name}", self.id);
        self.get(&path).query(&[("token", token)])
    }

    async fn close(mut self) {
        self.served.process.terminate();
        assert!(self.served.process.ends_well());
        self.served.take_down().await;
    }
}

fn header(answer: &Response, name: http::HeaderName) -> &str {
    answer.headers()[name].to_str().unwrap()
}

async fn code(answer: Response) -> (StatusCode, String) {
    let status = answer.status();
    let body: Value = answer.json().await.unwrap();
    (status, body["code"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uploaded_film_is_worked_on() {
    let cinema = Cinema::open(&[]).await;
    let token = cinema.token(&member()).await;
    // Not yet there; that it will be is told to who may read it, and to nobody else.
    let early = cinema
        .output("hls/master.m3u8", &token)
        .send()
        .await
        .unwrap();
    if early.status() != StatusCode::OK {
        let expected = (StatusCode::NOT_FOUND, "output_not_ready".to_owned());
        assert_eq!(code(early).await, expected);
    }
    let metadata = cinema.shown().await;
    assert_eq!(metadata["size"], cinema.film.len());
    assert_eq!(metadata["media"]["duration"], 10.0);
    assert_eq!(metadata["media"]["width"], 640);
    assert_eq!(metadata["media"]["video_codec"], "h264");
    assert_eq!(metadata["media"]["audio_tracks"][0]["codec"], "aac");
    let offered = ["hls/master.m3u8", "poster", "thumbnails.vtt"];
    assert_eq!(metadata["outputs"], serde_json::json!(offered));

    for (accept, expected) in [
        ("image/avif,image/webp,*/*", "image/webp"),
        ("*/*", "image/jpeg"),
        ("image/webp;q=0, image/jpeg", "image/jpeg"),
    ] {
        let poster = cinema.output("poster", &token).header(ACCEPT, accept);
        let poster = poster.send().await.unwrap();
        assert_eq!(poster.status(), StatusCode::OK);
        assert_eq!(header(&poster, CONTENT_TYPE), expected, "{accept}");
        assert!(header(&poster, VARY).contains("Accept"));
        assert!(header(&poster, CACHE_CONTROL).starts_with("private, max-age="));
    }
    let url = format!(
        "{}/v1/files/{}/poster?token={token}",
        cinema.served.url, cinema.id
    );
    let head = cinema.http.head(url).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);

    // The references are relative and carry the token: following them is all that a player does.
    let index = cinema
        .output("thumbnails.vtt", &token)
        .send()
        .await
        .unwrap();
    assert_eq!(header(&index, CONTENT_TYPE), "text/vtt");
    let sheet = format!("thumbnails/1.jpg?token={token}#xywh=");
    assert!(index.text().await.unwrap().contains(&sheet));
    let sheet = cinema
        .output("thumbnails/1.jpg", &token)
        .send()
        .await
        .unwrap();
    assert_eq!(header(&sheet, CONTENT_TYPE), "image/jpeg");

    let master = cinema
        .output("hls/master.m3u8", &token)
        .send()
        .await
        .unwrap();
    assert_eq!(
        header(&master, CONTENT_TYPE),
        "application/vnd.apple.mpegurl"
    );
    let master = master.text().await.unwrap();
    assert!(
        master.contains(&format!("\n480p/index.m3u8?token={token}\n")),
        "{master}"
    );
    assert!(
        master.contains(&format!("URI=\"audio-1/index.m3u8?token={token}\"")),
        "{master}"
    );
    let index = cinema
        .output("hls/480p/index.m3u8", &token)
        .send()
        .await
        .unwrap();
    let index = index.text().await.unwrap();
    assert!(
        index.contains(&format!("\nmedia.mp4?token={token}\n")),
        "{index}"
    );
    let segment = cinema
        .output("hls/480p/media.mp4", &token)
        .header(RANGE, "bytes=0-99");
    let segment = segment.send().await.unwrap();
    assert_eq!(segment.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(segment.bytes().await.unwrap().len(), 100);

    // ffmpeg as a player that knows nothing of us.
    let url = format!(
        "{}/v1/files/{}/hls/master.m3u8?token={token}",
        cinema.served.url, cinema.id
    );
    let played = Command::new("ffmpeg")
        .args([
            "-nostdin", "-v", "error", "-i", &url, "-map", "0:v:0", "-map", "0:a:0",
        ])
        .args(["-f", "null", "-"])
        .output();
    let played = played.unwrap();
    let complaint = String::from_utf8_lossy(&played.stderr);
    assert!(
        played.status.success() && complaint.is_empty(),
        "{complaint}"
    );
    cinema.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_film_streams_in_the_form_that_starts_at_once() {
    let cinema = Cinema::open(&[]).await;
    let token = cinema.token(&member()).await;
    let stream = |query: &str| {
        let path = format!("/v1/files/stream/{}?token={token}{query}", cinema.id);
        let request = cinema.get(&path);
        async move { request.send().await.unwrap() }
    };
    cinema.shown().await;
    let original = stream("&variant=original").await;
    assert_eq!(original.bytes().await.unwrap(), cinema.film);
    let best = stream("").await;
    assert!(header(&best, http::header::CONTENT_DISPOSITION).contains("film.mp4"));
    let best = best.bytes().await.unwrap();
    // The index comes first.
    let at = |kind: &[u8]| best.windows(4).position(|found| found == kind).unwrap();
    assert!(best != cinema.film && at(b"moov") < at(b"mdat"));
    assert_eq!(
        stream("&variant=other").await.status(),
        StatusCode::UNPROCESSABLE_ENTITY
    );
    // By its id alone it is what was uploaded.
    let read = cinema
        .get(&format!("/v1/files/{}", cinema.id))
        .bearer_auth(member());
    assert_eq!(
        read.send().await.unwrap().bytes().await.unwrap(),
        cinema.film
    );
    cinema.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_of_a_film_is_as_guarded_as_the_film() {
    let cinema = Cinema::open(&[("FILEGATEWAY_TOKENS_LIFETIME_SECONDS", "4")]).await;
    cinema.shown().await;
    let names = [
        "poster",
        "thumbnails.vtt",
        "thumbnails/1.jpg",
        "hls/master.m3u8",
        "hls/480p/index.m3u8",
        "hls/480p/media.mp4",
    ];
    let token = cinema.token(&member()).await;
    let foreign = cinema.token(&other_member()).await;
    let path = format!("/v1/files/{}/metadata", cinema.id);
    let metadata = cinema.get(&path).bearer_auth(other_member());
    let hidden = (StatusCode::NOT_FOUND, "file_not_found".to_owned());
    assert_eq!(code(metadata.send().await.unwrap()).await, hidden);
    let retry = cinema.http.post(format!(
        "{}/v1/files/{}/retry",
        cinema.served.url, cinema.id
    ));
    let refused = retry.bearer_auth(member()).send().await.unwrap();
    assert_eq!(
        code(refused).await,
        (StatusCode::CONFLICT, "not_failed".to_owned())
    );
    let mut cookie = String::new();
    for name in names {
        let answer = cinema.output(name, &foreign).send().await.unwrap();
        assert_eq!(code(answer).await, hidden, "{name}");
        let answer = cinema.output(name, "x").send().await.unwrap();
        let invalid = (StatusCode::UNAUTHORIZED, "token_invalid".to_owned());
        assert_eq!(code(answer).await, invalid, "{name}");
        let answer = cinema.output(name, &token).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
        let set = header(&answer, SET_COOKIE);
        assert!(
            set.contains(&format!("; Path=/v1/files/{};", cinema.id)),
            "{set}"
        );
        cookie = set.split(';').next().unwrap().to_owned();
    }
    for nothing in [
        "hls/480p/x",
        "hls/x/index.m3u8",
        "thumbnails/2.jpg",
        "hls/..%2f..%2foriginal/media.mp4",
    ] {
        let answer = cinema.output(nothing, &token).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{nothing}");
    }
    // A film is longer than a token: the cookie goes on, or a fresh token does.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let fresh = cinema.token(&member()).await;
    for name in names {
        let answer = cinema.output(name, &token).send().await.unwrap();
        let over = (StatusCode::UNAUTHORIZED, "token_expired".to_owned());
        assert_eq!(code(answer).await, over, "{name}");
        let answer = cinema
            .output(name, &token)
            .header(COOKIE, &cookie)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
        let answer = cinema.output(name, &fresh).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
    }
    let revoke = cinema
        .http
        .delete(format!("{}/v1/files/token", cinema.served.url));
    let revoked = revoke.bearer_auth(member()).send().await.unwrap();
    assert_eq!(revoked.status(), StatusCode::NO_CONTENT);
    for name in names {
        let answer = cinema
            .output(name, &fresh)
            .header(COOKIE, &cookie)
            .send()
            .await
            .unwrap();
        let over = (StatusCode::UNAUTHORIZED, "token_revoked".to_owned());
        assert_eq!(code(answer).await, over, "{name}");
    }
    cinema.close().await;
}
