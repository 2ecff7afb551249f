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
    /// What is exchanged for temporary keys; absent, `credentials` has the keys.
    pub web_identity: Option<WebIdentity>,
}

/// A token that an STS server gives temporary keys for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebIdentity {
    /// `FILEGATEWAY_STORE_WEB_IDENTITY_TOKEN_FILE`: the file with the token, read at each exchange.
    pub token_file: PathBuf,
    /// `FILEGATEWAY_STORE_WEB_IDENTITY_ROLE_ARN`: the role that the keys are for; required with a token.
    pub role_arn: String,
    /// `FILEGATEWAY_STORE_WEB_IDENTITY_ENDPOINT`: the STS server; absent, AWS's own for the region.
    pub endpoint: Option<Url>,
}

impl Store {
    pub(super) fn from(reader: &mut Reader<'_>) -> Self {
        Self {
            endpoint: reader.http_url("FILEGATEWAY_STORE_ENDPOINT"),
            region: reader.text("FILEGATEWAY_STORE_REGION", "us-east-1"),
            bucket: reader.required("FILEGATEWAY_STORE_BUCKET"),
            path_style: reader.parsed("FILEGATEWAY_STORE_PATH_STYLE", true, "true or false"),
            credentials: reader.path("FILEGATEWAY_STORE_CREDENTIALS_DIR", "/etc/filegateway/s3"),
            web_identity: web_identity(reader),
        }
    }
}

fn web_identity(reader: &mut Reader<'_>) -> Option<WebIdentity> {
    const TOKEN_FILE: &str = "FILEGATEWAY_STORE_WEB_IDENTITY_TOKEN_FILE";
    const ROLE_ARN: &str = "FILEGATEWAY_STORE_WEB_IDENTITY_ROLE_ARN";
    let token_file = reader.optional(TOKEN_FILE);
    let role_arn = reader.optional(ROLE_ARN);
    let endpoint = reader.http_url("FILEGATEWAY_STORE_WEB_IDENTITY_ENDPOINT");
    match (token_file, role_arn) {
        (Some(token_file), Some(role_arn)) => Some(WebIdentity {
            token_file: token_file.into(),
            role_arn,
            endpoint,
        }),
        (Some(_), None) => {
            reader.problem(
                ROLE_ARN,
                "set it to the role that the token is exchanged for keys of",
            );
            None
        }
        (None, Some(_)) => {
            reader.problem(
                TOKEN_FILE,
                "set it to the file with the token that the role is given for",
            );
            None
        }
        (None, None) => None,
    }
}
