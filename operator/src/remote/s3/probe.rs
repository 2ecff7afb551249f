//! What a key can do, found out by trying.

use aws_sdk_s3::error::ProvideErrorMetadata;

use super::{Kind, RemoteError, S3};

impl S3 {
    /// Puts the object `key` into `bucket`, reads it, and deletes it.
    ///
    /// # Errors
    /// Any failure.
    pub async fn probe(&self, bucket: &str, key: &str) -> Result<(), RemoteError> {
        let put = self.client.put_object().bucket(bucket).key(key);
        put.send()
            .await
            .map_err(|error| self.failure("write a probe", &error))?;
        let get = self.client.get_object().bucket(bucket).key(key);
        get.send()
            .await
            .map_err(|error| self.failure("read a probe", &error))?;
        let delete = self.client.delete_object().bucket(bucket).key(key);
        delete
            .send()
            .await
            .map_err(|error| self.failure("delete a probe", &error))?;
        let list = self.client.list_objects_v2().bucket(bucket).max_keys(1);
        list.send()
            .await
            .map_err(|error| self.failure("list objects", &error))?;
        Ok(())
    }

    /// Whether the objects of `bucket` can be listed.
    ///
    /// # Errors
    /// Any failure but a refusal, or that the bucket is gone.
    pub async fn opens(&self, bucket: &str) -> Result<bool, RemoteError> {
        match self
            .client
            .list_objects_v2()
            .bucket(bucket)
            .max_keys(1)
            .send()
            .await
        {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("NoSuchBucket") => Ok(false),
            Err(error) => {
                let failure = self.failure("list objects", &error);
                if failure.kind == Kind::Denied {
                    Ok(false)
                } else {
                    Err(failure)
                }
            }
        }
    }
}
