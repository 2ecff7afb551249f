//! The table `outputs`: what was made of a video, by the name under which it is asked for.

use uuid::Uuid;

use super::pool::read;
use super::{Catalog, CatalogError};

macro_rules! columns {
    () => {
        "name, location, content_type, size, sha256"
    };
}

/// One object that was made of a video.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct OutputRow {
    /// The name under which it is asked for, such as `poster.jpg` or `hls/720p/index.m3u8`.
    pub name: String,
    /// Its S3 key.
    pub location: String,
    /// Its media type.
    pub content_type: String,
    /// Its length in bytes.
    #[sqlx(try_from = "i64")]
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Vec<u8>,
}

impl Catalog {
    /// What was made of a file under this name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn output(&self, file: Uuid, name: &str) -> Result<Option<OutputRow>, CatalogError> {
        read!(self, "find an output", |db| {
            sqlx::query_as::<_, OutputRow>(concat!(
                "SELECT ",
                columns!(),
                " FROM outputs WHERE file_id = $1 AND name = $2"
            ))
            .bind(file)
            .bind(name)
            .fetch_optional(db)
        })
    }

    /// Everything that was made of a file, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outputs(&self, file: Uuid) -> Result<Vec<OutputRow>, CatalogError> {
        read!(self, "list outputs", |db| {
            sqlx::query_as::<_, OutputRow>(concat!(
                "SELECT ",
                columns!(),
                " FROM outputs WHERE file_id = $1 ORDER BY name"
            ))
            .bind(file)
            .fetch_all(db)
        })
    }
}
