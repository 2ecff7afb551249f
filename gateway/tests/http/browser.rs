//! Playback in a real browser: headless Chromium, a page on another site than the gateway, and a
//! film that outlives its token.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use poem::endpoint::make;
use poem::{Body, Request, Response, Route};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::gateway_under_test::Gateway;
use crate::support::Stored;
use crate::worlds::{Database, ObjectStore, Variables, within};

/// Plays, pauses until the token is over, goes to the end, and tells how it went.
const PAGE: &str = r#"<!doctype html><title>Film</title><video id="video" muted></video><script>
const video = document.getElementById("video");
const until = (name) => new Promise((done, failed) => {
  video.addEventListener(name, done, { once: true });
  video.addEventListener("error", () => failed(new Error(`error ${video.error.code}`)), { once: true });
});
async function play() {
  video.src = await (await fetch("/film")).text();
  const began = until("timeupdate");
  await video.play();
  await began;
  video.pause();
  await new Promise((done) => setTimeout(done, 5000));
  const there = until("seeked");
  video.currentTime = video.duration - 1;
  await there;
  const ended = until("ended");
  await video.play();
  await ended;
  return { ended: video.ended, cookie: document.cookie };
}
const tell = (what) => fetch("/told", { method: "POST", body: JSON.stringify(what) });
play().then(tell, (error) => tell({ error: String(error) }));
</script>"#;

/// The token's lifetime, in seconds; shorter than the pause in the page.
const LIFETIME: &str = "4";

/// A browser, ended with the test.
struct Browser(Child);

impl Browser {
    fn open(url: &str, folder: &std::path::Path) -> Self {
        let mut command = Command::new("chromium");
        command
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
                "--mute-audio",
                "--autoplay-policy=no-user-gesture-required",
            ])
            .arg(format!("--user-data-dir={}", folder.display()))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(command.spawn().expect("chromium is installed"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Forty seconds and some sixty megabytes: far more than a browser reads ahead while it is paused.
async fn film(gateway: &Gateway) -> Stored {
    let path = gateway.folder.path().join("film.mp4");
    let made = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-f", "lavfi", "-i"])
        .args(["testsrc2=size=320x180:rate=25", "-t", "40"])
        .args(["-vf", "noise=alls=60:allf=t", "-c:v", "libx264"])
        .args(["-preset", "ultrafast", "-qp", "18", "-pix_fmt", "yuv420p"])
        .args(["-g", "25", "-movflags", "+faststart"])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    let bytes = std::fs::read(path).unwrap();
    assert!(bytes.len() > 40 << 20);
    gateway.store("ana", "film.mp4", "video/mp4", bytes).await
}

/// What the page tells after it has played the film from this gateway.
async fn played(gateway: Arc<Gateway>) -> Value {
    let film = film(&gateway).await;
    let folder = gateway.folder.path().join("browser");
    let (told, mut heard) = mpsc::channel(1);
    let url = make(move |_: Request| {
        let (gateway, id) = (gateway.clone(), film.id.clone());
        async move {
            let token = gateway.token("ana", &format!("?file_id={id}")).await;
            Ok::<_, poem::Error>(format!(
                "{}/v1/files/stream/{id}?token={token}",
                gateway.url
            ))
        }
    });
    let tell = make(move |mut request: Request| {
        let told = told.clone();
        async move {
            let body = request.take_body().into_json::<Value>().await?;
            told.send(body).await.unwrap();
            Ok::<_, poem::Error>(Response::default())
        }
    });
    let page = poem::endpoint::make_sync(|_| {
        Response::builder()
            .content_type("text/html")
            .body(Body::from(PAGE))
    });
    let site = Route::new()
        .at("/", page)
        .at("/film", url)
        .at("/told", tell);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    // `localhost` is another site than `127.0.0.1`, where the gateway is.
    let home = format!(
        "http://localhost:{}/",
        listener.local_addr().unwrap().port()
    );
    let acceptor = poem::listener::TcpAcceptor::from_std(listener).unwrap();
    let server = tokio::spawn(poem::Server::new_with_acceptor(acceptor).run(site));
    let _browser = Browser::open(&home, &folder);
    let heard = tokio::time::timeout(Duration::from_secs(120), heard.recv()).await;
    server.abort();
    heard.expect("the page tells how it went").unwrap()
}

async fn playing(variables: Variables<'_>) -> Value {
    let (told, mut heard) = mpsc::channel(1);
    within(
        Database::Sqlite,
        ObjectStore::Versitygw,
        variables,
        |gateway| async move {
            told.send(played(gateway).await).await.unwrap();
        },
    )
    .await;
    heard.recv().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_on_another_site_goes_on_after_pause_and_seek() {
    let told = playing(&[("TOKENS_LIFETIME_SECONDS", LIFETIME)]).await;
    assert_eq!(told["ended"], true, "{told}");
    // Scripts of the page never see it.
    assert_eq!(told["cookie"], "");
}

/// What the cookie is for: without it, the same film in the same browser breaks off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_playback_the_film_breaks_off() {
    let off = [
        ("TOKENS_LIFETIME_SECONDS", LIFETIME),
        ("TOKENS_PLAYBACK_SECONDS", "0"),
    ];
    let told = playing(&off).await;
    assert!(told["error"].is_string(), "{told}");
}
