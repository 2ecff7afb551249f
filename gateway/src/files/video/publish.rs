//! What was made of a video, from the disk into the store.

use std::path::Path;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::fs::File;
use tokio_util::io::ReaderStream;
use tokio_util::task::TaskTracker;

use super::{VideoError, own};
use crate::catalog::OutputRow;
use crate::files::Files;
use crate::files::upload::{BodyError, Intake, send_parts};
use crate::media::Output;

/// How much of a derived file is read at once.
const READ_BYTES: usize = 256 * 1024;

impl Files {
    /// Stores a file of `folder` under keys that begin with `target`.
    pub(super) async fn derive(
        &self,
        target: &str,
        folder: &Path,
        made: Output,
    ) -> Result<OutputRow, VideoError> {
        let (name, content_type) = (made.name.as_str(), made.content_type);
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
