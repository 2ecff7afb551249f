//! What the tests of the program do as a client of tus.

use std::convert::Infallible;
use std::future::pending;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use reqwest::{Body, Client, Method, RequestBuilder, Response};
use tokio::sync::oneshot;

use crate::served::member;

pub(crate) const MIB: usize = 1 << 20;

/// How long a client goes on asking.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request on a connection of its own.
pub(crate) fn tus(method: Method, url: String) -> RequestBuilder {
    Client::new()
        .request(method, url)
        .bearer_auth(member())
        .header("tus-resumable", "1.0.0")
}

/// Begins an upload at the server at `url`; gives its path back.
pub(crate) async fn begin(url: &str, length: usize) -> String {
    let request = tus(Method::POST, format!("{url}/v1/uploads"));
    let answer = request.header("upload-length", length).send();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 201);
    text(&answer, "location").unwrap()
}

/// A PATCH, not sent yet.
pub(crate) fn piece(url: String, offset: usize, body: impl Into<Body>) -> RequestBuilder {
    tus(Method::PATCH, url)
        .header("content-type", "application/offset+octet-stream")
        .header("upload-offset", offset)
        .body(body)
}

/// How an upload stands. Asked again while somebody who may be dead is believed to be at work on it.
pub(crate) async fn standing(url: &str) -> Response {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = tus(Method::HEAD, url.to_owned()).send().await.unwrap();
        if answer.status() != 423 {
            assert_eq!(answer.status(), 200);
            return answer;
        }
        assert!(Instant::now() < deadline, "the upload stays taken");
    }
}

/// Where an upload stands.
pub(crate) fn offset(answer: &Response) -> usize {
    text(answer, "upload-offset").unwrap().parse().unwrap()
}

/// The id of the file that an upload became.
pub(crate) fn file_id(answer: &Response) -> Option<String> {
    text(answer, "upload-file-id")
}

/// Goes on with an upload to its end; gives the file's id back. As clients do, it asks again when the
/// upload moved on meanwhile.
pub(crate) async fn resume(url: &str, bytes: &Bytes) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let standing = standing(url).await;
        if let Some(id) = file_id(&standing) {
            return id;
        }
        let offset = offset(&standing);
        let request = piece(url.to_owned(), offset, bytes.slice(offset..));
        let answer = request.send().await.unwrap();
        if answer.status() == 204 {
            return file_id(&answer).unwrap();
        }
        assert!([409, 423].contains(&answer.status().as_u16()), "{answer:?}");
        assert!(Instant::now() < deadline, "the upload stays at {offset}");
    }
}

/// A body that comes to `fed` bytes and then, unless that is all of it, never to its end; and when it
/// has come so far.
pub(crate) fn body(bytes: &Bytes, fed: usize) -> (Body, oneshot::Receiver<()>) {
    let is_whole = fed == bytes.len();
    let bytes = bytes.slice(..fed);
    let frames = (0..fed).step_by(64 * 1024);
    let frames: Vec<_> = frames
        .map(|start| bytes.slice(start..fed.min(start + 64 * 1024)))
        .collect();
    let (reached, reaches) = oneshot::channel();
    let end = async move {
        reached.send(()).ok();
        if !is_whole {
            pending::<()>().await;
        }
        Bytes::new()
    };
    let frames = stream::iter(frames).chain(stream::once(end));
    let frames = frames.map(Ok::<_, Infallible>);
    (Body::wrap_stream(frames), reaches)
}

fn text(answer: &Response, header: &str) -> Option<String> {
    let value = answer.headers().get(header)?;
    Some(value.to_str().unwrap().to_owned())
}
