//! Reading what is known of a file, and what was made of it.

use futures_util::StreamExt;

use crate::auth::Caller;
use crate::catalog::MediaRow;
use crate::files::{FileId, FileRecord, FileStatus, Files, FilesError};
use crate::media::{AudioTrack, FASTSTART};

/// The longest text that is read whole, in bytes. The playlist of twelve hours has a tenth of it.
const TEXT_BYTES: u64 = 8 << 20;

/// What is known of a file.
#[derive(Debug, Clone)]
pub struct Metadata {
    /// The file.
    pub file: FileRecord,
    /// How far the work on it is, in percent, while it is `processing`.
    pub progress: Option<u8>,
    /// What is in it, once it was looked at.
    pub media: Option<Media>,
    /// The names of what was made of it.
    pub outputs: Vec<String>,
}

/// What is in a video.
#[derive(Debug, Clone)]
pub struct Media {
    /// The facts of the file, and of its picture.
    pub row: MediaRow,
    /// Every audio track, in order.
    pub audio: Vec<AudioTrack>,
}

impl Files {
    /// What is known of a file that the caller may read.
    ///
    /// # Errors
    /// As [`Files::find`].
    pub async fn metadata(&self, caller: &Caller, id: FileId) -> Result<Metadata, FilesError> {
        let file = self.find(caller, id).await?;
        let progress = match file.status {
            FileStatus::Processing => Some(self.catalog.progress(id).await?.unwrap_or(0)),
            _ => None,
        };
        let media = self.catalog.media(id).await?.map(|row| Media {
            // What one of our own versions wrote; none when it is of a version before.
            audio: row
                .audio_tracks
                .as_deref()
                .and_then(|tracks| serde_json::from_str(tracks).ok())
                .unwrap_or_default(),
            row,
        });
        let outputs = self.catalog.outputs(id).await?;
        Ok(Metadata {
            file,
            progress,
            media,
            outputs: outputs.into_iter().map(|output| output.name).collect(),
        })
    }

    /// What was made of a file under this name, as a file of its own.
    ///
    /// # Errors
    /// [`FilesError::NoOutput`] when there is nothing of that name.
    pub async fn output(&self, file: &FileRecord, name: &str) -> Result<FileRecord, FilesError> {
        let output = self.catalog.output(file.id, name).await?;
        let output = output.ok_or_else(|| FilesError::NoOutput {
            name: name.to_owned(),
            processing: file.status == FileStatus::Processing,
        })?;
        let sha256 = output.sha256.try_into().map_err(|_| FilesError::Catalog {
            action: "give an output back whole",
            source: "its SHA-256 has another length".into(),
        })?;
        let last = name.rsplit('/').next().unwrap_or(name);
        Ok(FileRecord {
            name: renamed(&file.name, last),
            location: output.location,
            content_type: output.content_type,
            size: output.size,
            sha256,
            ..file.clone()
        })
    }

    /// A text that was made of a file: a playlist, or an index.
    ///
    /// # Errors
    /// When the store fails, or it is longer than any such text.
    pub async fn read_text(&self, output: &FileRecord) -> Result<String, FilesError> {
        let broken = |source: Box<dyn std::error::Error + Send + Sync>| FilesError::Store {
            action: "read an object",
            source,
        };
        if output.size > TEXT_BYTES {
            return Err(broken("it is too long for a text".into()));
        }
        let mut body = self.read(output, None).await?;
        let mut bytes = Vec::with_capacity(usize::try_from(output.size).unwrap_or(0));
        while let Some(frame) = body.next().await {
            bytes.extend_from_slice(&frame.map_err(|error| broken(error.into()))?);
        }
        String::from_utf8(bytes).map_err(|error| broken(error.into()))
    }

    /// The form of a file that plays best: the MP4 that starts at once, when one was made.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub async fn playable(&self, file: FileRecord) -> Result<FileRecord, FilesError> {
        if file.status != FileStatus::Ready || !file.content_type.starts_with("video/") {
            return Ok(file);
        }
        match self.output(&file, FASTSTART).await {
            Ok(faststart) => Ok(faststart),
            Err(FilesError::NoOutput { .. }) => Ok(file),
            Err(error) => Err(error),
        }
    }
}

/// `film.mov` and `faststart.mp4` make `film.mp4`: the file's own name, with the ending of what it
/// became.
fn renamed(name: &str, output: &str) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    match output.rsplit_once('.') {
        Some((_, ending)) => format!("{stem}.{ending}"),
        None => stem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_called_after_its_file() {
        assert_eq!(renamed("film.mov", "faststart.mp4"), "film.mp4");
        assert_eq!(renamed("film", "poster.jpg"), "film.jpg");
        assert_eq!(renamed("a.b.c", "x"), "a.b");
    }
}
