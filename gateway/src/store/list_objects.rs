//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>

use chrono::{DateTime, Utc};

use super::{Store, StoreError};

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// Its key.
    pub key: String,
    /// Its length in bytes, as far as the server says.
    pub size: u64,
    /// When it was written, if the server says so.
    pub modified_at: Option<DateTime<Utc>>,
}

/// At most 1,000 objects, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPage {
    /// The objects.
    pub objects: Vec<StoredObject>,
    /// What to ask for the next page with; absent on the last one.
    pub next: Option<String>,
}

impl Store {
    /// Lists the objects whose keys begin with `prefix`.
    ///
    /// # Errors
    /// When the server does not answer with a list.
    pub async fn list_objects(
        &self,
        prefix: &str,
        after: Option<String>,
    ) -> Result<ObjectPage, StoreError> {
        let output = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(prefix)
            .set_continuation_token(after)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk("list objects", error))?;
        let objects = output
            .contents
            .unwrap_or_default()
            .into_iter()
            .filter_map(|object| {
                Some(StoredObject {
                    key: object.key?,
                    size: object
                        .size
                        .and_then(|size| u64::try_from(size).ok())
                        .unwrap_or(0),
                    modified_at: object
                        .last_modified
                        .and_then(|at| DateTime::from_timestamp(at.secs(), at.subsec_nanos())),
                })
            })
            .collect();
        Ok(ObjectPage {
            objects,
            next: output
                .next_continuation_token
                .filter(|_| output.is_truncated == Some(true)),
        })
    }
}
