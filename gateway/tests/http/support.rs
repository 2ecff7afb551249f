//! What most tests do: upload something, and look closely at an answer.

use aws_lc_rs::digest::{SHA256, digest};
use reqwest::header::HeaderMap;
use reqwest::multipart::{Form, Part};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

use crate::gateway_under_test::Gateway;
use crate::issuer;

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn to(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.bytes().await.unwrap().into(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    /// Fails unless this is a failure of this status and code, in the documented form.
    #[track_caller]
    pub(crate) fn assert_failure(&self, status: u16, code: &str) {
        let body = self.json();
        assert_eq!(
            (self.status.as_u16(), &body["code"]),
            (status, &code.into()),
            "{body}"
        );
        assert!(body["detail"].is_string(), "{body}");
        assert_eq!(body["request_id"], self.header("x-request-id").unwrap());
        assert_eq!(self.header("content-type"), Some("application/json"));
        if status == 401 {
            let challenge = self.header("www-authenticate").unwrap();
            assert!(challenge.starts_with("Bearer"), "{challenge}");
        }
    }

    /// Fails unless this is 422 in FastAPI's form, with these places and kinds of errors.
    #[track_caller]
    pub(crate) fn assert_invalid(&self, expected: &[(Value, &str)]) {
        let body = self.json();
        assert_eq!(self.status, 422, "{body}");
        let detail = body["detail"].as_array().unwrap();
        for error in detail {
            let mut keys: Vec<_> = error.as_object().unwrap().keys().collect();
            keys.sort();
            assert_eq!(keys, ["loc", "msg", "type"], "{body}");
            assert!(error["msg"].is_string(), "{body}");
        }
        let found: Vec<_> = detail
            .iter()
            .map(|error| (error["loc"].clone(), error["type"].as_str().unwrap()))
            .collect();
        assert_eq!(found, expected);
    }
}

/// A stored file, as its upload answered it.
pub(crate) struct Stored {
    pub(crate) id: String,
    pub(crate) location: String,
    pub(crate) bytes: Vec<u8>,
}

impl Stored {
    pub(crate) fn path(&self) -> String {
        format!("/v1/files/{}", self.id)
    }
}

impl Gateway {
    /// Uploads one file in the name of `owner`.
    pub(crate) async fn store(
        &self,
        owner: &str,
        name: &str,
        content_type: &str,
        bytes: Vec<u8>,
    ) -> Stored {
        let part = Part::bytes(bytes.clone())
            .file_name(name.to_owned())
            .mime_str(content_type)
            .unwrap();
        let request = self.post("/v1/files").bearer_auth(issuer::member(owner));
        let answer = Answer::to(request.multipart(Form::new().part("files", part))).await;
        assert_eq!(
            answer.status,
            200,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        let file = &answer.json()["files"][0];
        Stored {
            id: file["id"].as_str().unwrap().to_owned(),
            location: file["location"].as_str().unwrap().to_owned(),
            bytes,
        }
    }

    /// A file of Ana's of 1000 different bytes.
    pub(crate) async fn store_sample(&self) -> Stored {
        let bytes = (0..1000_u32).map(|n| (n * 7 % 251) as u8).collect();
        self.store("ana", "sample.bin", "application/octet-stream", bytes)
            .await
    }

    /// A file token of a caller's, with this query.
    pub(crate) async fn token(&self, subject: &str, query: &str) -> String {
        let request = self
            .get(&format!("/v1/files/token{query}"))
            .bearer_auth(issuer::member(subject));
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, 200);
        answer.json()["token"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A UUID that no file has.
pub(crate) const UNKNOWN: &str = "0b4b8f4e-5a7f-4f0e-9a51-2f0f1f0a9c11";
