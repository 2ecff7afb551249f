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

/// At most 1,000 open uploads, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenUploadPage {
    /// The uploads.
    pub uploads: Vec<OpenUpload>,
    /// What to ask for the next page with: the last key. Absent on the last one.
    pub next: Option<String>,
}

impl Store {
    /// Lists the open uploads whose keys begin with `prefix` and come after the key `after`. Of one key
    /// that has several, a page's end may hide some until the others are gone: versitygw (1.8.0) refuses
    /// every `upload-id-marker`, which would tell them apart.
    ///
    /// # Errors
    /// When the server does not answer with a list; see [`StoreError::is_unsupported`].
    pub async fn list_multipart_uploads(
        &self,
        prefix: &str,
        after: Option<String>,
    ) -> Result<OpenUploadPage, StoreError> {
        let output = self
            .client
            .list_multipart_uploads()
            .bucket(&self.bucket)
            .prefix(prefix)
            .set_key_marker(after)
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
        Ok(OpenUploadPage {
            uploads,
            next: output
                .next_key_marker
                .filter(|_| output.is_truncated == Some(true)),
        })
    }
}
