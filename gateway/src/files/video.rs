//! What is done to a video: looked at, a poster, a copy that starts at once.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::upload::{BodyError, Intake, send_parts};
use super::{FileId, Files, FilesError};
use crate::catalog::{FileRow, MediaRow, OutputRow, Status};
use crate::media::{MediaError, Tools, starts_late};

const SOURCE: &str = "source";
const POSTER: &str = "poster.jpg";
const FASTSTART: &str = "faststart.mp4";
/// How much of a derived file is read at once.
const READ_BYTES: usize = 256 * 1024;

/// What a video became.
#[derive(Debug, Clone, Default)]
pub struct Made {
    /// What ffprobe told.
    pub media: MediaRow,
    /// The objects that were made.
    pub outputs: Vec<OutputRow>,
}

/// Why a video was not done.
#[derive(Debug, thiserror::Error)]
pub enum VideoError {
    /// The file was deleted meanwhile: there is nothing to do.
    #[error("the file is gone")]
    Gone,
    /// It is no video that can be read, and will not become one.
    #[error("the file can't be read as a video")]
    Unreadable(#[source] MediaError),
    /// A tool failed in a way that may pass.
    #[error("the video could not be worked on")]
    Tool(#[source] MediaError),
    /// The temporary folder failed.
    #[error("the video could not be kept while working on it")]
    Scratch(#[source] io::Error),
    /// The store or the catalogue failed.
    #[error("the video could not be fetched, or its results stored")]
    Files(#[source] FilesError),
}

impl Files {
    /// Works on a file that is `processing`, in a folder of its own within `scratch`. What it makes
    /// lies in a folder beside the original that is named after `attempt`: a worker that was taken
    /// for dead and writes late overwrites nothing of its successor's.
    ///
    /// # Errors
    /// See [`VideoError`]: all but `Gone` and `Unreadable` are worth another try.
    pub async fn process_video(
        &self,
        id: FileId,
        attempt: Uuid,
        tools: &Tools,
        scratch: &Path,
    ) -> Result<Made, VideoError> {
        let file = self.catalog.find(id).await.map_err(own)?;
        let file = file
            .filter(|file| file.status == Status::Processing)
            .ok_or(VideoError::Gone)?;
        let folder = tempfile::Builder::new()
            .prefix(crate::files::SCRATCH_PREFIX)
            .tempdir_in(scratch)
            .map_err(VideoError::Scratch)?;
        let folder = folder.path();
        self.fetch(&file, &folder.join(SOURCE)).await?;
        let probe = tools
            .probe(folder, SOURCE)
            .await
            .map_err(|error| match error {
                error @ MediaError::Refused { .. } => VideoError::Unreadable(error),
                error => VideoError::Tool(error),
            })?;
        let poster = match probe.video_codec.is_some() {
            true => {
                tools
                    .poster(folder, SOURCE, POSTER, probe.duration_ms)
                    .await
            }
            false => Ok(None),
        };
        let faststart = match late(&folder.join(SOURCE)).await? {
            true => tools.faststart(folder, SOURCE, FASTSTART).await,
            false => Ok(None),
        };
        let mut made = Made {
            media: MediaRow {
                duration_ms: probe.duration_ms,
                width: probe.width,
                height: probe.height,
                video_codec: probe.video_codec,
                audio_codec: probe.audio_codec,
                ..MediaRow::default()
            },
            outputs: Vec::new(),
        };
        let target = format!("{}{id}/{attempt}/", self.root());
        if poster.map_err(VideoError::Tool)?.is_some() {
            let output = self.derive(&target, folder, POSTER, "image/jpeg").await?;
            made.outputs.push(output);
        }
        if faststart.map_err(VideoError::Tool)?.is_some() {
            let output = self.derive(&target, folder, FASTSTART, "video/mp4").await?;
            made.outputs.push(output);
        }
        Ok(made)
    }

    /// Deletes what was made of a file that was deleted while it was being made.
    ///
    /// # Errors
    /// When the store or the catalogue fails; the janitor finds it then.
    pub async fn forget_derived(&self, id: FileId) -> Result<(), FilesError> {
        match self.catalog.find(id).await? {
            Some(_) => Ok(()),
            None => {
                self.clear_derived(&format!("{}{id}/original", self.root()))
                    .await
            }
        }
    }

    /// Deletes what an attempt stored that published nothing.
    ///
    /// # Errors
    /// When the store fails; it goes with the file then.
    pub async fn forget_attempt(&self, id: FileId, attempt: Uuid) -> Result<(), FilesError> {
        let folder = format!("{}{id}/{attempt}/", self.root());
        self.clear_but(&folder, &HashSet::new()).await
    }

    /// Deletes what lies beside a file's original and was not published: attempts that died.
    /// Only for the worker that has just published, since nobody else is at work on the file then.
    ///
    /// # Errors
    /// When the store or the catalogue fails; it goes with the file then.
    pub async fn forget_unpublished(&self, id: FileId) -> Result<(), FilesError> {
        let Some(file) = self.catalog.find(id).await? else {
            return Ok(());
        };
        let outputs = self.catalog.outputs(id).await?;
        let mut published: HashSet<String> =
            outputs.into_iter().map(|output| output.location).collect();
        published.insert(file.location);
        let folder = format!("{}{id}/", self.root());
        self.clear_but(&folder, &published).await
    }

    async fn fetch(&self, file: &FileRow, target: &Path) -> Result<(), VideoError> {
        let mut body = self
            .store
            .get_object(&file.location, None)
            .await
            .map_err(own)?;
        let mut target = File::create(target).await.map_err(VideoError::Scratch)?;
        let mut length = 0;
        while let Some(frame) = body.next().await {
            let frame = frame.map_err(|source| {
                VideoError::Files(FilesError::Store {
                    action: "read an object",
                    source: source.into(),
                })
            })?;
            length += frame.len() as u64;
            target
                .write_all(&frame)
                .await
                .map_err(VideoError::Scratch)?;
        }
        target.flush().await.map_err(VideoError::Scratch)?;
        match length == file.size {
            true => Ok(()),
            false => Err(VideoError::Files(FilesError::Store {
                action: "read an object whole",
                source: format!("{length} bytes came, {} were stored", file.size).into(),
            })),
        }
    }

    /// Stores a file of `folder` under keys that begin with `target`.
    async fn derive(
        &self,
        target: &str,
        folder: &Path,
        name: &str,
        content_type: &str,
    ) -> Result<OutputRow, VideoError> {
        let source = File::open(folder.join(name))
            .await
            .map_err(VideoError::Scratch)?;
        let length = source.metadata().await.map_err(VideoError::Scratch)?.len();
        let key = format!("{target}{name}");
        let body = ReaderStream::with_capacity(source, READ_BYTES).map(|read| {
            read.map_err(|error| BodyError {
                message: error.to_string(),
            })
        });
        let mut intake = Intake::new(0, length, body);
        let first = intake.next().await.map_err(VideoError::Files)?;
        if first.last {
            let put = self.store.put_object(&key, content_type, first.bytes);
            put.await.map_err(own)?;
            return Ok(output(name, key, content_type, &intake));
        }
        let upload = self.store.create_multipart_upload(&key, content_type);
        let upload = upload.await.map_err(own)?;
        let tasks = TaskTracker::new();
        let stored = async {
            let parts = send_parts(&self.store, &upload, first, &mut intake, &tasks, None).await?;
            let complete = self
                .store
                .complete_multipart_upload(&upload, &parts, length);
            Ok(complete.await?)
        };
        if let Err(error) = stored.await {
            tasks.close();
            tasks.wait().await;
            // When this fails too, or is never reached, the janitor finds the upload.
            self.store.abort_multipart_upload(&upload).await.ok();
            return Err(VideoError::Files(error));
        }
        Ok(output(name, key, content_type, &intake))
    }
}

fn output<S>(name: &str, key: String, content_type: &str, intake: &Intake<S>) -> OutputRow
where
    S: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin,
{
    OutputRow {
        name: name.to_owned(),
        location: key,
        content_type: content_type.to_owned(),
        size: intake.size(),
        sha256: intake.sha256().to_vec(),
    }
}

fn own(error: impl Into<FilesError>) -> VideoError {
    VideoError::Files(error.into())
}

async fn late(source: &Path) -> Result<bool, VideoError> {
    let source = source.to_owned();
    let looked = tokio::task::spawn_blocking(move || starts_late(&source)).await;
    looked
        .map_err(io::Error::other)
        .and_then(|late| late)
        .map_err(VideoError::Scratch)
}
