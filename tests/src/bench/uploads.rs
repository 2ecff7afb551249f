//! Uploading to a server, in the way that it takes files.

use std::time::Instant;

use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder, Response};
use tokio::task::JoinSet;

use super::MIB;
use super::subject::Subject;
use crate::{Error, Result};

/// How a server takes files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By tus: a creation, then all bytes in one `PATCH`.
    Tus,
    /// As a part of a form.
    Form,
}

/// Uploads the same bytes `count` times, `at_once` at a time: how many MiB, and in how many seconds.
///
/// # Errors
/// The server can't be reached or refuses one.
pub async fn run(
    subject: &Subject,
    way: Way,
    bytes: &'static [u8],
    count: usize,
    at_once: usize,
) -> Result<(f64, f64)> {
    let started = Instant::now();
    let (mut running, mut done) = (JoinSet::new(), 0);
    for _ in 0..count {
        if running.len() == at_once {
            done += next(&mut running).await?;
        }
        let subject = subject.clone();
        running.spawn(async move { one(&subject, way, bytes).await });
    }
    while !running.is_empty() {
        done += next(&mut running).await?;
    }
    Ok(((done / MIB) as f64, started.elapsed().as_secs_f64()))
}

async fn next(running: &mut JoinSet<Result<usize>>) -> Result<usize> {
    match running.join_next().await {
        Some(Ok(outcome)) => outcome,
        _ => Err(Error::Refused("an upload panicked".to_owned())),
    }
}

/// Uploads once; the answer to a form is the caller's.
async fn one(subject: &Subject, way: Way, bytes: &'static [u8]) -> Result<usize> {
    match way {
        Way::Tus => tus(subject, bytes).await?,
        Way::Form => drop(form(subject, bytes).await?),
    }
    Ok(bytes.len())
}

/// Uploads as a form, and gives the answer back.
///
/// # Errors
/// The server can't be reached or refuses it.
pub async fn form(subject: &Subject, bytes: &'static [u8]) -> Result<Response> {
    let part = Part::bytes(bytes).file_name("film.bin");
    let part = part.mime_str("application/octet-stream")?;
    let request = subject.request(Method::POST);
    let sent = request.multipart(Form::new().part("files", part));
    succeeded(subject, sent).await
}

async fn tus(subject: &Subject, bytes: &'static [u8]) -> Result<()> {
    let create = subject
        .request(Method::POST)
        .header("Tus-Resumable", "1.0.0")
        .header("Upload-Length", bytes.len());
    let created = succeeded(subject, create).await?;
    let location = created.headers().get(LOCATION);
    let location = location.and_then(|location| location.to_str().ok());
    let location = location.ok_or_else(|| unexpected(subject, "a creation without Location"))?;
    // Some answer with a path, others with a whole URL.
    let path = location.strip_prefix(&subject.origin).unwrap_or(location);
    let patch = subject
        .at(path)
        .request(Method::PATCH)
        .header("Tus-Resumable", "1.0.0")
        .header("Upload-Offset", 0)
        .header(CONTENT_TYPE, "application/offset+octet-stream")
        .body(bytes);
    succeeded(subject, patch).await.map(drop)
}

async fn succeeded(subject: &Subject, request: RequestBuilder) -> Result<Response> {
    let answer = request.send().await?;
    match answer.status() {
        status if status.is_success() => Ok(answer),
        status => {
            let text = answer.text().await.unwrap_or_default();
            Err(unexpected(subject, &format!("{status}: {text}")))
        }
    }
}

fn unexpected(subject: &Subject, what: &str) -> Error {
    Error::Unexpected(format!("{} answered with {what}", subject.name))
}
