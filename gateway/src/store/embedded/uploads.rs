//! The server's uploads in parts: which are open, by the file that it keeps of each.

use std::path::{Path, PathBuf};
use std::{fs, io};

use s3s::access::S3Access;
use s3s::dto::{
    AbortMultipartUploadInput, CompleteMultipartUploadInput, UploadPartCopyInput, UploadPartInput,
};
use s3s::{S3Request, S3Result, s3_error};
use uuid::Uuid;

/// An upload in parts does not outlive the process that feeds it, and the server can't list them.
pub(super) fn forget_open(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_ours = name.to_str().is_some_and(|name| {
            name.starts_with(".upload")
                || (name.starts_with(".bucket-") && name.contains(".upload-"))
        });
        if is_ours && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Says of an upload that has ended what S3 says: that there is none. The server itself says that
/// access is denied, from which nobody could tell that there is nothing left to abort.
pub(super) struct OnlyOpen {
    folder: PathBuf,
}

impl OnlyOpen {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    async fn find(&self, upload_id: &str) -> S3Result<()> {
        let id = Uuid::parse_str(upload_id).map_err(|_| s3_error!(NoSuchUpload))?;
        let kept = self.folder.join(format!(".upload-{id}.json"));
        match tokio::fs::try_exists(kept).await {
            Ok(false) => Err(s3_error!(NoSuchUpload)),
            Ok(true) => Ok(()),
            Err(error) => Err(s3_error!(error, InternalError)),
        }
    }
}

#[async_trait::async_trait]
impl S3Access for OnlyOpen {
    async fn upload_part(&self, request: &mut S3Request<UploadPartInput>) -> S3Result<()> {
        self.find(&request.input.upload_id).await
    }

    async fn upload_part_copy(&self, request: &mut S3Request<UploadPartCopyInput>) -> S3Result<()> {
        self.find(&request.input.upload_id).await
    }

    async fn complete_multipart_upload(
        &self,
        request: &mut S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<()> {
        self.find(&request.input.upload_id).await
    }

    async fn abort_multipart_upload(
        &self,
        request: &mut S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<()> {
        self.find(&request.input.upload_id).await
    }
}
