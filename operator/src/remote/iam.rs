//! The IAM calls of the operator. API: <https://docs.aws.amazon.com/IAM/latest/APIReference/>.

use aws_sdk_iam::Client;
use aws_sdk_iam::config::{BehaviorVersion, Region};
use aws_sdk_iam::types::StatusType;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::aws::{AccessKey, retries, timeouts, translate};
use super::error::{Kind, RemoteError, System};
use super::metered::Metered;
use crate::metrics::Metrics;
use crate::sensitive::Sensitive;

/// IAM is one service per partition, signed for its home region; versitygw takes no other either.
const REGION: &str = "us-east-1";

/// An IAM server, with the operator's key.
#[derive(Clone, Debug)]
pub struct Iam {
    client: Client,
    endpoint: String,
}

impl Iam {
    /// A client for `endpoint`, a URL, whose calls are counted in `metrics`. Connects only when used.
    pub fn new(endpoint: &str, key: &AccessKey, metrics: Metrics) -> Self {
        let config = aws_sdk_iam::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::new(REGION))
            .credentials_provider(key.credentials())
            .retry_config(retries())
            .timeout_config(timeouts())
            .interceptor(Metered {
                system: "iam",
                metrics,
            })
            .build();
        Self {
            client: Client::from_conf(config),
            endpoint: endpoint.into(),
        }
    }

    /// The path of the user called `name`; `None` when there is none. User names are unique in an
    /// account whatever their path, so the path can say whose the user is.
    ///
    /// # Errors
    /// Any failure but `NoSuchEntity`.
    pub async fn user_path(&self, name: &str) -> Result<Option<String>, RemoteError> {
        match self.client.get_user().user_name(name).send().await {
            Ok(answer) => Ok(Some(answer.user.map(|user| user.path).unwrap_or_default())),
            Err(error) if missing(&error) => Ok(None),
            Err(error) => Err(self.failure("read the S3 user", &error)),
        }
    }

    /// Creates the user `name` under `path`, in one step, so that no crash can separate the two. Whether there
    /// was none.
    ///
    /// # Errors
    /// Any failure but `EntityAlreadyExists`.
    pub async fn create_user(&self, name: &str, path: &str) -> Result<bool, RemoteError> {
        let call = self.client.create_user().user_name(name).path(path);
        match call.send().await {
            Ok(_) => Ok(true),
            Err(error) if exists(&error) => Ok(false),
            Err(error) => Err(self.failure("create the S3 user", &error)),
        }
    }

    /// The user's inline policy called `policy` as JSON text; `None` when there is none.
    ///
    /// # Errors
    /// Any failure but `NoSuchEntity`.
    pub async fn policy(&self, user: &str, policy: &str) -> Result<Option<String>, RemoteError> {
        let call = self
            .client
            .get_user_policy()
            .user_name(user)
            .policy_name(policy);
        match call.send().await {
            Ok(answer) => Ok(Some(percent_decoded(&answer.policy_document))),
            Err(error) if missing(&error) => Ok(None),
            Err(error) => Err(self.failure("read the S3 user's policy", &error)),
        }
    }

    /// Writes the user's inline policy called `policy`.
    ///
    /// # Errors
    /// Any failure.
    pub async fn set_policy(
        &self,
        user: &str,
        policy: &str,
        document: &str,
    ) -> Result<(), RemoteError> {
        let call = self
            .client
            .put_user_policy()
            .user_name(user)
            .policy_name(policy)
            .policy_document(document);
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failure("write the S3 user's policy", &error)),
        }
    }

    /// Ids of the user's access keys; none when there is no such user.
    ///
    /// # Errors
    /// Any failure but `NoSuchEntity`.
    pub async fn key_ids(&self, user: &str) -> Result<Vec<String>, RemoteError> {
        match self.client.list_access_keys().user_name(user).send().await {
            Ok(answer) => Ok(answer
                .access_key_metadata
                .into_iter()
                .filter_map(|key| key.access_key_id)
                .collect()),
            Err(error) if missing(&error) => Ok(Vec::new()),
            Err(error) => Err(self.failure("list the S3 user's keys", &error)),
        }
    }

    /// A new access key of the user.
    ///
    /// # Errors
    /// Any failure; `LimitExceeded` when the user has two.
    pub async fn create_key(&self, user: &str) -> Result<AccessKey, RemoteError> {
        const ACTION: &str = "create an access key";
        match self.client.create_access_key().user_name(user).send().await {
            Ok(answer) => match answer.access_key {
                Some(key) => Ok(AccessKey {
                    id: key.access_key_id,
                    secret: Sensitive::new(key.secret_access_key),
                }),
                None => Err(RemoteError {
                    system: System::Iam,
                    endpoint: self.endpoint.clone(),
                    action: ACTION,
                    kind: Kind::Other,
                    code: "an answer without a key".into(),
                }),
            },
            Err(error) => Err(self.failure(ACTION, &error)),
        }
    }

    /// Makes a key of the user useless, but keeps it, so that a person can activate it again; one that
    /// is gone already is fine.
    ///
    /// # Errors
    /// Any failure but `NoSuchEntity`.
    pub async fn deactivate_key(&self, user: &str, id: &str) -> Result<(), RemoteError> {
        let call = self
            .client
            .update_access_key()
            .user_name(user)
            .access_key_id(id)
            .status(StatusType::Inactive);
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) if missing(&error) => Ok(()),
            Err(error) => Err(self.failure("deactivate an access key", &error)),
        }
    }

    /// Deletes a key of the user; one that is gone already is fine.
    ///
    /// # Errors
    /// Any failure but `NoSuchEntity`.
    pub async fn delete_key(&self, user: &str, id: &str) -> Result<(), RemoteError> {
        let call = self
            .client
            .delete_access_key()
            .user_name(user)
            .access_key_id(id);
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) if missing(&error) => Ok(()),
            Err(error) => Err(self.failure("delete an access key", &error)),
        }
    }

    /// Deletes the user with all keys and inline policies; one that is gone already is fine.
    ///
    /// # Errors
    /// Any failure but `NoSuchEntity`.
    pub async fn delete_user(&self, user: &str) -> Result<(), RemoteError> {
        for id in self.key_ids(user).await? {
            self.delete_key(user, &id).await?;
        }
        for policy in self.policy_names(user).await? {
            let call = self
                .client
                .delete_user_policy()
                .user_name(user)
                .policy_name(policy);
            match call.send().await {
                Ok(_) => {}
                Err(error) if missing(&error) => {}
                Err(error) => return Err(self.failure("delete the S3 user's policy", &error)),
            }
        }
        match self.client.delete_user().user_name(user).send().await {
            Ok(_) => Ok(()),
            Err(error) if missing(&error) => Ok(()),
            Err(error) => Err(self.failure("delete the S3 user", &error)),
        }
    }

    async fn policy_names(&self, user: &str) -> Result<Vec<String>, RemoteError> {
        match self
            .client
            .list_user_policies()
            .user_name(user)
            .send()
            .await
        {
            Ok(answer) => Ok(answer.policy_names),
            Err(error) if missing(&error) => Ok(Vec::new()),
            Err(error) => Err(self.failure("list the S3 user's policies", &error)),
        }
    }

    fn failure<E>(&self, action: &'static str, error: &SdkError<E, HttpResponse>) -> RemoteError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        translate(System::Iam, &self.endpoint, action, error)
    }
}

fn missing<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    matches!(error.code(), Some("NoSuchEntity" | "NoSuchEntityException"))
}

fn exists<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    matches!(
        error.code(),
        Some("EntityAlreadyExists" | "EntityAlreadyExistsException")
    )
}

/// IAM answers policies percent-encoded (RFC 3986).
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let hex = after
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match hex {
            Some(byte) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            None => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_decoded_and_plain_text_stays() {
        assert_eq!(percent_decoded("%7B%22a%22%3A1%7D"), r#"{"a":1}"#);
        assert_eq!(percent_decoded(r#"{"a":"100%"}"#), r#"{"a":"100%"}"#);
        assert_eq!(percent_decoded("%C3%A4%2"), "ä%2");
    }
}
