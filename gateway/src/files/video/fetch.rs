//! A video's bytes, on the disk where ffmpeg reads them.

use std::path::Path;

use futures_util::StreamExt;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use super::{VideoError, own};
use crate::catalog::FileRow;
use crate::files::{Files, FilesError};

impl Files {
    pub(super) async fn fetch(&self, file: &FileRow, target: &Path) -> Result<(), VideoError> {
        let mut body = self
            .store
            .get_object(&file.location, file.size, None)
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
}
