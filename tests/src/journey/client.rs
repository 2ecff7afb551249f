//! The calls of the contract, as a frontend makes them.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_RANGE, RANGE};
use reqwest::multipart::{Form, Part};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::error::{IoContext, expect};
use crate::{Error, Result};

use super::samples::Sample;

/// A caller of one gateway.
pub struct Client {
    http: reqwest::Client,
    base: String,
    bearer: String,
}

/// One file of an upload's answer.
#[derive(Debug, Clone, Deserialize)]
pub struct Uploaded {
    /// Its id.
    pub id: String,
    /// Its full key in the bucket.
    pub location: String,
    /// Its length in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
}

#[derive(Deserialize)]
struct UploadAnswer {
    files: Vec<Uploaded>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: String,
}

/// What a read answered: all but the bytes themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The status.
    pub status: StatusCode,
    /// The `Content-Range` header.
    pub content_range: Option<String>,
    /// Bytes received.
    pub size: u64,
    /// The SHA-256 of the bytes received.
    pub sha256: [u8; 32],
}

impl Client {
    /// A caller that shows `bearer` to the gateway at `base`.
    ///
    /// # Errors
    /// When the HTTP client can't be made.
    pub fn new(base: &str, bearer: &str) -> Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_secs(60))
            .build()?;
        Ok(Self {
            http,
            base: base.trim_end_matches('/').into(),
            bearer: format!("Bearer {bearer}"),
        })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// `POST /v1/files` with every sample in one multipart request, streamed from disk.
    ///
    /// # Errors
    /// When the gateway does not answer 200 with one entry per file.
    pub async fn upload(&self, samples: &[&Sample]) -> Result<Vec<Uploaded>> {
        let mut form = Form::new();
        for sample in samples {
            let file = tokio::fs::File::open(&sample.path)
                .await
                .at("open", &sample.path)?;
            let part = Part::stream_with_length(file, sample.size)
                .file_name(sample.name.clone())
                .mime_str(sample.content_type)?;
            form = form.part("files", part);
        }
        let request = self
            .http
            .post(self.url("/v1/files"))
            .header(AUTHORIZATION, &self.bearer);
        let answer: UploadAnswer = success(request.multipart(form).send().await?)
            .await?
            .json()
            .await?;
        expect(answer.files.len() == samples.len(), || {
            format!("{} files were answered", answer.files.len())
        })?;
        Ok(answer.files)
    }

    /// `GET /v1/files/token`, for one file when `id` is given.
    ///
    /// # Errors
    /// When the gateway does not answer 200 with a token.
    pub async fn file_token(&self, id: Option<&str>) -> Result<String> {
        let query: Vec<(&str, &str)> = id.map(|id| ("file_id", id)).into_iter().collect();
        let request = self.get("/v1/files/token").query(&query);
        let answer: TokenAnswer = success(request.send().await?).await?.json().await?;
        Ok(answer.token)
    }

    /// `GET /v1/files/stream/{id}?token=…` without a header, as a `<video>` element does.
    ///
    /// # Errors
    /// When the transfer breaks off.
    pub async fn stream_by_id(&self, id: &str, token: &str, range: Option<&str>) -> Result<Read> {
        let url = self.url(&format!("/v1/files/stream/{id}"));
        read(with_range(
            self.http.get(url).query(&[("token", token)]),
            range,
        ))
        .await
    }

    /// `GET /v1/files/stream?location=…&token=…`.
    ///
    /// # Errors
    /// When the transfer breaks off.
    pub async fn stream_by_location(&self, location: &str, token: &str) -> Result<Read> {
        let url = self.url("/v1/files/stream");
        read(
            self.http
                .get(url)
                .query(&[("location", location), ("token", token)]),
        )
        .await
    }

    /// `POST /v1/files/location`.
    ///
    /// # Errors
    /// When the transfer breaks off.
    pub async fn read_by_location(&self, location: &str) -> Result<Read> {
        let request = self.http.post(self.url("/v1/files/location"));
        let request = request.header(AUTHORIZATION, &self.bearer);
        read(request.json(&serde_json::json!({ "location": location }))).await
    }

    /// `GET /v1/files/{id}`.
    ///
    /// # Errors
    /// When the transfer breaks off.
    pub async fn read_by_id(&self, id: &str) -> Result<Read> {
        read(self.get(&format!("/v1/files/{id}"))).await
    }

    /// `GET /v1/files/{id}/metadata`.
    ///
    /// # Errors
    /// When the gateway does not answer 200 with JSON.
    pub async fn metadata(&self, id: &str) -> Result<serde_json::Value> {
        let request = self.get(&format!("/v1/files/{id}/metadata"));
        Ok(success(request.send().await?).await?.json().await?)
    }

    /// `DELETE /v1/files/{id}`: the status.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn delete(&self, id: &str) -> Result<StatusCode> {
        let request = self.http.delete(self.url(&format!("/v1/files/{id}")));
        Ok(request
            .header(AUTHORIZATION, &self.bearer)
            .send()
            .await?
            .status())
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.http
            .get(self.url(path))
            .header(AUTHORIZATION, &self.bearer)
    }
}

fn with_range(request: RequestBuilder, range: Option<&str>) -> RequestBuilder {
    match range {
        Some(range) => request.header(RANGE, range),
        None => request,
    }
}

/// The response, when it is a success; else its status and body as the error.
async fn success(response: Response) -> Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let path = response.url().path().to_owned();
    let body = response.text().await.unwrap_or_default();
    Err(Error::Unexpected(format!(
        "{path} answered {status}: {body}"
    )))
}

async fn read(request: RequestBuilder) -> Result<Read> {
    let mut response = request.send().await.map_err(reqwest::Error::without_url)?;
    let content_range = response
        .headers()
        .get(CONTENT_RANGE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let (mut size, mut hash) = (0, Sha256::new());
    while let Some(frame) = response
        .chunk()
        .await
        .map_err(reqwest::Error::without_url)?
    {
        size += frame.len() as u64;
        hash.update(&frame);
    }
    Ok(Read {
        status: response.status(),
        content_range,
        size,
        sha256: hash.finalize().into(),
    })
}
