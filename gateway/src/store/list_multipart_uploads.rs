//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html>

use chrono::{DateTime, Utc};

use super::{MultipartUpload, Store, StoreError};

/// An upload in parts that was neither completed nor aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenUpload {
    /// The upload.
    pub upload: MultipartUpload,
    /// When it was begun, if the server says so.
    pub initiated_at: Option<DateTime<Utc>>,
}

impl Store {
    /// Lists up to 1,000 open uploads whose keys begin with `prefix`, from the first key on: a
    /// caller that wants the rest aborts these and asks again.
    ///
    /// # Errors
    /// When the server does not answer with a list; see [`StoreError::is_unsupported`].
    pub async fn list_multipart_uploads(
        &self,
        prefix: &str,
    ) -> Result<Vec<OpenUpload>, StoreError> {
        let output = self
            .client
            .list_multipart_uploads()
            .bucket(&self.bucket)
            .prefix(prefix)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk("list uploads in parts", error))?;
        let uploads = output
            .uploads
            .unwrap_or_default()
            .into_iter()
            .filter_map(|upload| {
                Some(OpenUpload {
                    upload: MultipartUpload {
                        key: upload.key.filter(|key| key.starts_with(prefix))?,
                        id: upload.upload_id?,
                    },
                    initiated_at: upload
                        .initiated
                        .and_then(|at| DateTime::from_timestamp(at.secs(), at.subsec_nanos())),
                })
            })
            .collect();
        Ok(uploads)
    }
}
