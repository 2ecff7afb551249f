//! Upload, stream, read, compare, delete, and the refusals.

use std::fs::File;
use std::io::{Read as _, Seek, SeekFrom};

use reqwest::StatusCode;
use sha2::{Digest, Sha256};

use crate::error::{IoContext, expect};
use crate::{Error, Result};

use super::client::{Client, Read, Uploaded};
use super::run_file::Gateway;
use super::samples::{Sample, Samples};
use super::steps::{Steps, mebibytes};

/// The range that the job asks of the film: a seek into its middle.
const SEEK_LENGTH: u64 = 1_000_000;

/// Does the main job on `gateway`. `stranger` is a bearer token of another organization's member,
/// where there is one.
///
/// The film stays, so that a person can go on with it; its upload's answer is returned.
///
/// # Errors
/// At the first answer that is not what the contract promises.
pub async fn main_job(
    gateway: &Gateway,
    stranger: Option<&str>,
    samples: &Samples,
    steps: &Steps,
) -> Result<Uploaded> {
    let member = Client::new(&gateway.url, &gateway.tokens.member)?;
    let other_member = Client::new(&gateway.url, &gateway.tokens.other_member)?;
    let (film, document) = (&samples.film, &samples.document);

    let title = format!(
        "upload {} ({}) and {}",
        film.name,
        mebibytes(film.size),
        document.name
    );
    let uploaded = steps
        .step(&title, async {
            let files = member.upload(&[film, document]).await?;
            for (file, sample) in files.iter().zip([film, document]) {
                expect(file.size == sample.size, || {
                    format!("{} has {} bytes", sample.name, file.size)
                })?;
                expect(file.sha256 == hex(&sample.sha256), || {
                    format!("{} has another SHA-256", sample.name)
                })?;
            }
            let ids = files
                .iter()
                .map(|file| file.id.as_str())
                .collect::<Vec<_>>()
                .join(" and ");
            Ok((files.clone(), format!("200, ids {ids}")))
        })
        .await?;
    let [film_file, document_file] = uploaded.as_slice() else {
        return Err(Error::Unexpected("two files were sent".into()));
    };

    let token = steps
        .step("get a file token", async {
            Ok((
                member.file_token(None).await?,
                "200, good for 5 minutes".to_owned(),
            ))
        })
        .await?;

    let start = film.size / 2;
    let end = start + SEEK_LENGTH - 1;
    steps
        .step(
            &format!("stream the film by id, bytes {start}-{end}"),
            async {
                let range = format!("bytes={start}-{end}");
                let read = member
                    .stream_by_id(&film_file.id, &token, Some(&range))
                    .await?;
                expect(read.status == StatusCode::PARTIAL_CONTENT, || {
                    format!("answered {}", read.status)
                })?;
                let told = format!("bytes {start}-{end}/{}", film.size);
                expect(read.content_range.as_deref() == Some(&told), || {
                    format!("Content-Range is {:?}", read.content_range)
                })?;
                expect(read.sha256 == digest_of(film, start, SEEK_LENGTH)?, || {
                    "other bytes".into()
                })?;
                Ok(((), "206, the same bytes".to_owned()))
            },
        )
        .await?;

    steps
        .step("stream the film by location", async {
            whole(
                &member
                    .stream_by_location(&film_file.location, &token)
                    .await?,
                film,
            )
        })
        .await?;
    steps
        .step("read the film by location with a bearer token", async {
            whole(&member.read_by_location(&film_file.location).await?, film)
        })
        .await?;
    steps
        .step("read the film by id", async {
            whole(&member.read_by_id(&film_file.id).await?, film)
        })
        .await?;
    steps
        .step("read the PDF by id", async {
            whole(&member.read_by_id(&document_file.id).await?, document)
        })
        .await?;

    steps
        .step("another member reads and deletes it", async {
            let read = other_member.read_by_id(&document_file.id).await?.status;
            let delete = other_member.delete(&document_file.id).await?;
            expect(read == StatusCode::NOT_FOUND, || {
                format!("read answered {read}")
            })?;
            expect(delete == StatusCode::NOT_FOUND, || {
                format!("delete answered {delete}")
            })?;
            Ok(((), "404 and 404, refused".to_owned()))
        })
        .await?;
    if let Some(bearer) = stranger {
        let stranger = Client::new(&gateway.url, bearer)?;
        steps
            .step("another organization's member reads the film", async {
                let by_id = stranger.read_by_id(&film_file.id).await?.status;
                let by_location = stranger.read_by_location(&film_file.location).await?.status;
                expect(by_id == StatusCode::FORBIDDEN, || {
                    format!("by id answered {by_id}")
                })?;
                expect(by_location == StatusCode::FORBIDDEN, || {
                    format!("by location answered {by_location}")
                })?;
                Ok(((), "403 and 403, refused".to_owned()))
            })
            .await?;
    }

    steps
        .step("delete the PDF", async {
            let status = member.delete(&document_file.id).await?;
            expect(status == StatusCode::OK, || format!("answered {status}"))?;
            let after = member.read_by_id(&document_file.id).await?.status;
            expect(after == StatusCode::NOT_FOUND, || {
                format!("afterwards it answered {after}")
            })?;
            Ok(((), "200, then 404".to_owned()))
        })
        .await?;
    Ok(film_file.clone())
}

fn whole(read: &Read, sample: &Sample) -> Result<((), String)> {
    expect(read.status == StatusCode::OK, || {
        format!("answered {}", read.status)
    })?;
    expect(read.size == sample.size, || {
        format!("{} bytes came, not {}", read.size, sample.size)
    })?;
    expect(read.sha256 == sample.sha256, || {
        "the SHA-256 differs".into()
    })?;
    Ok(((), format!("200, {}, SHA-256 equal", mebibytes(read.size))))
}

fn digest_of(sample: &Sample, start: u64, length: u64) -> Result<[u8; 32]> {
    let mut file = File::open(&sample.path).at("open", &sample.path)?;
    file.seek(SeekFrom::Start(start)).at("read", &sample.path)?;
    let mut bytes = Vec::new();
    file.take(length)
        .read_to_end(&mut bytes)
        .at("read", &sample.path)?;
    Ok(Sha256::digest(&bytes).into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
