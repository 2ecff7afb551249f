//! The S3 calls of the operator. API: <https://docs.aws.amazon.com/AmazonS3/latest/API/>.

mod lifecycle;
mod probe;
mod settings;

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Region, RequestChecksumCalculation};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{
    BucketLocationConstraint, CreateBucketConfiguration, Delete, MultipartUpload, ObjectIdentifier,
    Tag, Tagging,
};
use crds::ObjectStore;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::aws::{AccessKey, retries, timeouts, translate};
use super::error::{Kind, RemoteError, System};
use super::metered::Metered;
use crate::metrics::Metrics;

pub use lifecycle::Lifecycle;
pub use settings::Set;

/// Tags of a bucket.
pub type Tags = BTreeMap<String, String>;

/// Where AWS makes buckets when nothing is said.
const DEFAULT_REGION: &str = "us-east-1";
/// What one DeleteObjects call takes.
const BATCH: i32 = 1000;
/// Calls that abort uploads, of which each takes one: enough to hide their latency, few enough for a server
/// that deletes the parts meanwhile.
const ABORTED_AT_ONCE: usize = 16;

/// How an attempt to create a bucket ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is new.
    New,
    /// It was there, in this account.
    Existed,
    /// It was there, in another account.
    Taken,
}

/// How far emptying a bucket came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Emptied {
    /// Objects, versions, delete markers and unfinished uploads that are gone.
    pub count: usize,
    /// Whether nothing is left.
    pub finished: bool,
}

/// An S3 server, with the operator's key.
#[derive(Clone, Debug)]
pub struct S3 {
    client: Client,
    endpoint: String,
    region: String,
}

impl S3 {
    /// A client for `store`, whose calls are counted in `metrics`. Connects only when used.
    pub fn new(store: &ObjectStore, key: &AccessKey, metrics: Metrics) -> Self {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&store.endpoint)
            .region(Region::new(store.region.clone()))
            .force_path_style(store.path_style)
            .credentials_provider(key.credentials())
            .retry_config(retries())
            .timeout_config(timeouts())
            .interceptor(Metered {
                system: "s3",
                metrics,
            })
            // Trailing checksums that nobody asked for are refused by some servers.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .build();
        Self {
            client: Client::from_conf(config),
            endpoint: store.endpoint.clone(),
            region: store.region.clone(),
        }
    }

    /// The tags of `bucket`; `None` when there is no such bucket.
    ///
    /// One call answers both questions with a code in its body, which HeadBucket's answer lacks.
    ///
    /// # Errors
    /// Any failure but `NoSuchBucket` and `NoSuchTagSet`.
    pub async fn tags(&self, bucket: &str) -> Result<Option<Tags>, RemoteError> {
        match self.client.get_bucket_tagging().bucket(bucket).send().await {
            Ok(answer) => Ok(Some(
                answer
                    .tag_set
                    .into_iter()
                    .map(|tag| (tag.key, tag.value))
                    .collect(),
            )),
            Err(error) => match error.code() {
                Some("NoSuchBucket") => Ok(None),
                // MinIO says so of buckets that do not exist, too.
                Some("NoSuchTagSet" | "NoSuchTagSetError") => {
                    Ok(self.exists(bucket).await?.then(Tags::new))
                }
                _ => Err(self.failure("read the bucket's tags", &error)),
            },
        }
    }

    /// Asks in a way whose answer has a code in its body, which HeadBucket's lacks.
    async fn exists(&self, bucket: &str) -> Result<bool, RemoteError> {
        let call = self.client.get_bucket_location().bucket(bucket);
        match call.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("NoSuchBucket") => Ok(false),
            Err(error) => Err(self.failure("look for the bucket", &error)),
        }
    }

    /// Creates `bucket`.
    ///
    /// # Errors
    /// Any failure but "exists already".
    pub async fn create(&self, bucket: &str) -> Result<Created, RemoteError> {
        let place = (self.region != DEFAULT_REGION).then(|| {
            CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(self.region.as_str()))
                .build()
        });
        let call = self
            .client
            .create_bucket()
            .bucket(bucket)
            .set_create_bucket_configuration(place);
        // Tried once: a second attempt would find what the first one made, and take it for a stranger's.
        let once = aws_sdk_s3::config::Builder::new().retry_config(RetryConfig::disabled());
        match call.customize().config_override(once).send().await {
            Ok(_) => Ok(Created::New),
            Err(error) => match error.code() {
                Some("BucketAlreadyOwnedByYou") => Ok(Created::Existed),
                Some("BucketAlreadyExists") => Ok(Created::Taken),
                _ => Err(self.failure("create the bucket", &error)),
            },
        }
    }

    /// Whether there is no object in `bucket`.
    ///
    /// # Errors
    /// Any failure.
    pub async fn is_empty(&self, bucket: &str) -> Result<bool, RemoteError> {
        let call = self.client.list_objects_v2().bucket(bucket).max_keys(1);
        match call.send().await {
            Ok(answer) => Ok(answer.contents().is_empty()),
            Err(error) => Err(self.failure("look into the bucket", &error)),
        }
    }

    /// Replaces the tags of `bucket`; no tags removes them.
    ///
    /// # Errors
    /// Any failure.
    pub async fn set_tags(&self, bucket: &str, tags: &Tags) -> Result<(), RemoteError> {
        if tags.is_empty() {
            let call = self.client.delete_bucket_tagging().bucket(bucket);
            return match call.send().await {
                Ok(_) => Ok(()),
                Err(error) => Err(self.failure("remove the bucket's tags", &error)),
            };
        }
        let tags = tags
            .iter()
            .map(|(key, value)| Tag::builder().key(key).value(value).build())
            .collect::<Result<Vec<_>, _>>()
            .and_then(|tags| Tagging::builder().set_tag_set(Some(tags)).build())
            .map_err(|error| self.invalid("tag the bucket", &error))?;
        let call = self
            .client
            .put_bucket_tagging()
            .bucket(bucket)
            .tagging(tags);
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failure("tag the bucket", &error)),
        }
    }

    /// Deletes up to `batches` thousands of objects, versions and delete markers, then up to as
    /// many unfinished uploads. A bucket that is gone counts as empty.
    ///
    /// # Errors
    /// Any failure; an object that can't be deleted (object lock) is one.
    pub async fn empty(&self, bucket: &str, batches: usize) -> Result<Emptied, RemoteError> {
        let mut emptied = Emptied::default();
        for _ in 0..batches {
            match self.delete_batch(bucket).await {
                Ok(0) => {
                    self.abort_uploads(bucket, batches, &mut emptied).await?;
                    return Ok(emptied);
                }
                Ok(count) => emptied.count += count,
                Err(error) if error.code == "NoSuchBucket" => {
                    emptied.finished = true;
                    return Ok(emptied);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(emptied)
    }

    /// Deletes the empty `bucket`; one that is gone already is fine.
    ///
    /// # Errors
    /// Any failure but `NoSuchBucket`.
    pub async fn delete(&self, bucket: &str) -> Result<(), RemoteError> {
        match self.client.delete_bucket().bucket(bucket).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchBucket") => Ok(()),
            Err(error) => Err(self.failure("delete the bucket", &error)),
        }
    }

    async fn delete_batch(&self, bucket: &str) -> Result<usize, RemoteError> {
        let objects = self.some_objects(bucket).await?;
        if objects.is_empty() {
            return Ok(0);
        }
        let count = objects.len();
        let delete = Delete::builder()
            .set_objects(Some(objects))
            .quiet(true)
            .build()
            .map_err(|error| self.invalid("empty the bucket", &error))?;
        let call = self.client.delete_objects().bucket(bucket).delete(delete);
        let answer = match call.send().await {
            Ok(answer) => answer,
            Err(error) => return Err(self.failure("empty the bucket", &error)),
        };
        match answer
            .errors()
            .iter()
            .find(|error| error.code() != Some("NoSuchKey"))
        {
            None => Ok(count),
            Some(error) => Err(RemoteError {
                system: System::S3,
                endpoint: self.endpoint.clone(),
                action: "delete an object of the bucket",
                kind: Kind::Other,
                code: error.code().unwrap_or("no code").into(),
            }),
        }
    }

    async fn some_objects(&self, bucket: &str) -> Result<Vec<ObjectIdentifier>, RemoteError> {
        const ACTION: &str = "list the bucket";
        let call = self
            .client
            .list_object_versions()
            .bucket(bucket)
            .max_keys(BATCH);
        let found: Vec<(Option<String>, Option<String>)> = match call.send().await {
            Ok(answer) => {
                let versions = answer.versions.unwrap_or_default().into_iter();
                let markers = answer.delete_markers.unwrap_or_default().into_iter();
                versions
                    .map(|version| (version.key, version.version_id))
                    .chain(markers.map(|marker| (marker.key, marker.version_id)))
                    .collect()
            }
            // A server without versions may lack the call.
            Err(error) if error.code() == Some("NotImplemented") => {
                let call = self.client.list_objects_v2().bucket(bucket).max_keys(BATCH);
                match call.send().await {
                    Ok(answer) => answer
                        .contents
                        .unwrap_or_default()
                        .into_iter()
                        .map(|object| (object.key, None))
                        .collect(),
                    Err(error) => return Err(self.failure(ACTION, &error)),
                }
            }
            Err(error) => return Err(self.failure(ACTION, &error)),
        };
        found
            .into_iter()
            .filter_map(|(key, version)| Some((key?, version)))
            .map(|(key, version)| {
                ObjectIdentifier::builder()
                    .key(key)
                    .set_version_id(version)
                    .build()
                    .map_err(|error| self.invalid(ACTION, &error))
            })
            .collect()
    }

    async fn abort_uploads(
        &self,
        bucket: &str,
        batches: usize,
        emptied: &mut Emptied,
    ) -> Result<(), RemoteError> {
        for _ in 0..batches {
            let call = self
                .client
                .list_multipart_uploads()
                .bucket(bucket)
                .max_uploads(BATCH);
            let uploads = match call.send().await {
                Ok(answer) => answer.uploads.unwrap_or_default(),
                Err(error) if error.code() == Some("NotImplemented") => Vec::new(),
                Err(error) => return Err(self.failure("list unfinished uploads", &error)),
            };
            if uploads.is_empty() {
                emptied.finished = true;
                return Ok(());
            }
            let aborted = uploads.into_iter().map(|upload| self.abort(bucket, upload));
            emptied.count += stream::iter(aborted)
                .buffer_unordered(ABORTED_AT_ONCE)
                .try_fold(0, async |count, ()| Ok(count + 1))
                .await?;
        }
        Ok(())
    }

    async fn abort(&self, bucket: &str, upload: MultipartUpload) -> Result<(), RemoteError> {
        let call = self
            .client
            .abort_multipart_upload()
            .bucket(bucket)
            .set_key(upload.key)
            .set_upload_id(upload.upload_id);
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
            Err(error) => Err(self.failure("abort an unfinished upload", &error)),
        }
    }

    fn failure<E>(&self, action: &'static str, error: &SdkError<E, HttpResponse>) -> RemoteError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        translate(System::S3, &self.endpoint, action, error)
    }

    fn invalid(&self, action: &'static str, error: &impl std::fmt::Display) -> RemoteError {
        RemoteError {
            system: System::S3,
            endpoint: self.endpoint.clone(),
            action,
            kind: Kind::Other,
            code: error.to_string(),
        }
    }
}
