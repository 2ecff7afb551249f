//! Where the bytes are.

use std::path::PathBuf;

use url::Url;

use super::reader::Reader;

/// One S3 bucket, and the credentials for it.
#[derive(Debug, Clone)]
pub struct Store {
    /// `FILEGATEWAY_STORE_ENDPOINT`: the S3 endpoint; absent, AWS's own for the region.
    pub endpoint: Option<Url>,
    /// `FILEGATEWAY_STORE_REGION`: `us-east-1` by default.
    pub region: String,
    /// `FILEGATEWAY_STORE_BUCKET`: the bucket; required.
    pub bucket: String,
    /// `FILEGATEWAY_STORE_PATH_STYLE`: whether the bucket is in the path rather than the host name;
    /// true by default.
    pub path_style: bool,
    /// `FILEGATEWAY_STORE_CREDENTIALS_DIR`: the folder with the files `access-key-id` and
    /// `secret-access-key`, read again when they change; `/etc/filegateway/s3` by default.
    pub credentials: PathBuf,
}

impl Store {
    pub(super) fn from(reader: &mut Reader<'_>) -> Self {
        Self {
            endpoint: reader.http_url("FILEGATEWAY_STORE_ENDPOINT"),
            region: reader.text("FILEGATEWAY_STORE_REGION", "us-east-1"),
            bucket: reader.required("FILEGATEWAY_STORE_BUCKET"),
            path_style: reader.parsed("FILEGATEWAY_STORE_PATH_STYLE", true, "true or false"),
            credentials: reader.path("FILEGATEWAY_STORE_CREDENTIALS_DIR", "/etc/filegateway/s3"),
        }
    }
}
