//! What tests do as a client of tus.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use reqwest::{Body, Method, RequestBuilder};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::gateway_under_test::Gateway;
use crate::issuer::member;
use crate::support::Answer;

pub(crate) const MIB: usize = 1 << 20;
pub(crate) const PIECE: &str = "application/offset+octet-stream";

/// Bytes that look alike nowhere.
pub(crate) fn pattern(size: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        bytes.extend_from_slice(&(state >> 8).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

pub(crate) fn encoded(text: impl AsRef<[u8]>) -> String {
    STANDARD.encode(text)
}

impl Gateway {
    /// A request of tus in the name of `owner`.
    pub(crate) fn tus(&self, owner: &str, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path)
            .bearer_auth(member(owner))
            .header("tus-resumable", "1.0.0")
    }

    /// Begins an upload of Ana's; gives its path back.
    pub(crate) async fn begin_upload(&self, length: usize) -> String {
        let request = self
            .tus("ana", Method::POST, "/v1/uploads")
            .header("upload-length", length);
        let answer = Answer::to(request).await;
        assert_eq!(
            answer.status,
            201,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        answer.header("location").unwrap().to_owned()
    }

    /// A PATCH of Ana's, not sent yet.
    pub(crate) fn piece(&self, path: &str, offset: usize, body: impl Into<Body>) -> RequestBuilder {
        self.tus("ana", Method::PATCH, path)
            .header("content-type", PIECE)
            .header("upload-offset", offset)
            .body(body)
    }

    pub(crate) async fn append(&self, path: &str, offset: usize, bytes: &[u8]) -> Answer {
        Answer::to(self.piece(path, offset, bytes.to_vec())).await
    }

    pub(crate) async fn standing(&self, path: &str) -> Answer {
        Answer::to(self.tus("ana", Method::HEAD, path)).await
    }

    pub(crate) async fn offset(&self, path: &str) -> usize {
        let answer = self.standing(path).await;
        assert_eq!(answer.status, 200);
        answer.header("upload-offset").unwrap().parse().unwrap()
    }

    /// Asks where an upload stands and sends the rest. As clients do, it asks again when the upload
    /// moved on meanwhile: what an old request had still under way may be recorded in between.
    pub(crate) async fn resume(&self, path: &str, bytes: &[u8]) -> Answer {
        loop {
            let offset = self.offset(path).await;
            let answer = self.append(path, offset, &bytes[offset..]).await;
            if answer.status != 409 {
                return answer;
            }
        }
    }

    /// Waits until an upload stands at least at `offset`.
    pub(crate) async fn reaches(&self, path: &str, offset: usize) -> usize {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let found = self.offset(path).await;
            if found >= offset {
                return found;
            }
            assert!(Instant::now() < deadline, "it stays at {found}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Fails unless `answer` names a file of Ana's with these bytes; gives its path back.
    pub(crate) async fn assert_stored(&self, answer: &Answer, bytes: &[u8]) -> String {
        let end = bytes.len().to_string();
        assert_eq!(answer.header("upload-offset"), Some(end.as_str()));
        let path = answer.header("content-location").unwrap().to_owned();
        let id = answer.header("upload-file-id").unwrap();
        assert_eq!(path, format!("/v1/files/{id}"));
        let read = Answer::to(self.get(&path).bearer_auth(member("ana"))).await;
        assert_eq!(read.status, 200);
        assert!(read.body == bytes, "the file came back differently");
        path
    }

    /// Opens a PATCH of Ana's whose body the test feeds, and that stays open until the feeder goes.
    pub(crate) fn open_piece(&self, path: &str, offset: usize) -> Feeder {
        let (frames, body) = mpsc::channel::<Vec<u8>>(1);
        let body = stream::unfold(body, |mut body| async {
            let frame = body.recv().await?;
            // A test that breaks off does so by dropping the answer, never by ending the body.
            Some((Ok::<_, std::io::Error>(frame), body))
        });
        let request = self.piece(path, offset, Body::wrap_stream(body));
        let answer = tokio::spawn(async move {
            let response = request.send().await?;
            Ok(Answer {
                status: response.status(),
                headers: response.headers().clone(),
                body: response.bytes().await?.into(),
            })
        });
        Feeder { frames, answer }
    }
}

/// The client's end of an open PATCH.
pub(crate) struct Feeder {
    frames: mpsc::Sender<Vec<u8>>,
    answer: JoinHandle<reqwest::Result<Answer>>,
}

impl Feeder {
    /// Sends some bytes; a server that does not want them may have closed the connection.
    pub(crate) async fn feed(&self, bytes: &[u8]) {
        for frame in bytes.chunks(MIB) {
            self.frames.send(frame.to_vec()).await.ok();
        }
    }

    /// Ends the body and waits for the answer.
    pub(crate) async fn finish(self) -> reqwest::Result<Answer> {
        drop(self.frames);
        self.answer.await.unwrap()
    }

    /// Waits for the answer while the body stays open.
    pub(crate) async fn answered(self) -> Answer {
        let frames = self.frames;
        let answer = self.answer.await.unwrap();
        drop(frames);
        answer.unwrap()
    }

    /// Loses the connection.
    pub(crate) async fn break_off(self) {
        self.answer.abort();
        self.answer.await.ok();
    }
}
