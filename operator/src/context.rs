//! Everything that a reconcile may touch.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crds::{ClassSnapshot, IamServer, ObjectStore};
use kube::Client;
use kube::runtime::events::{Recorder, Reporter};

use crate::backoff::Backoff;
use crate::config::Config;
use crate::meta::MANAGER;
use crate::metrics::Metrics;
use crate::remote::AccessKey;
use crate::remote::iam::Iam;
use crate::remote::postgres::Login;
use crate::remote::s3::S3;
use crate::secrets::{self, SecretError};
use crate::usage::Usage;

/// One per process.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// The configuration.
    pub config: Config,
    /// Publishes events.
    pub recorder: Recorder,
    /// What is counted.
    pub metrics: Metrics,
    /// Failures in a row by gateway.
    pub backoff: Backoff,
    /// Which classes are named by FileGateways.
    pub usage: Usage,
    /// Held between finding a bucket absent and marking it, so that two gateways that name the
    /// same bucket can't both make it.
    pub creating_bucket: tokio::sync::Mutex<()>,
    clients: Clients,
}

/// S3 and IAM clients by server: making one loads the system's certificates, so they are kept.
#[derive(Default)]
struct Clients {
    s3: Mutex<HashMap<String, (ObjectStore, AccessKey, S3)>>,
    iam: Mutex<HashMap<String, (AccessKey, Iam)>>,
}

impl Context {
    /// A context without history.
    pub fn new(client: Client, config: Config, metrics: Metrics) -> Self {
        Self {
            recorder: Recorder::new(client.clone(), Reporter::from(MANAGER)),
            client,
            config,
            metrics,
            backoff: Backoff::default(),
            usage: Usage::default(),
            creating_bucket: tokio::sync::Mutex::default(),
            clients: Clients::default(),
        }
    }

    /// The class's S3 server with the class's key.
    ///
    /// # Errors
    /// When the Secret is missing or can't be read.
    pub async fn s3(&self, class: &ClassSnapshot) -> Result<S3, SecretError> {
        let store = &class.object_store;
        let key = self.access_key(&store.credentials_secret_ref.name).await?;
        let mut clients = self
            .clients
            .s3
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((known_store, known_key, s3)) = clients.get(&class.name)
            && known_store == store
            && *known_key == key
        {
            return Ok(s3.clone());
        }
        let s3 = S3::new(store, &key, self.metrics.clone());
        clients.insert(class.name.clone(), (store.clone(), key, s3.clone()));
        Ok(s3)
    }

    /// The class's IAM server with the class's key; `None` when the class has none.
    ///
    /// # Errors
    /// When the Secret is missing or can't be read.
    pub async fn iam(&self, class: &ClassSnapshot) -> Result<Option<Iam>, SecretError> {
        let Some(server) = &class.iam else {
            return Ok(None);
        };
        let secret = iam_secret(server, &class.object_store);
        let key = self.access_key(secret).await?;
        let mut clients = self
            .clients
            .iam
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((known_key, iam)) = clients.get(&server.endpoint)
            && *known_key == key
        {
            return Ok(Some(iam.clone()));
        }
        let iam = Iam::new(&server.endpoint, &key, self.metrics.clone());
        clients.insert(server.endpoint.clone(), (key, iam.clone()));
        Ok(Some(iam))
    }

    /// How to log in to the class's PostgreSQL server; `None` when the class has none.
    ///
    /// # Errors
    /// When the Secret is missing or can't be read.
    pub async fn postgres(&self, class: &ClassSnapshot) -> Result<Option<Login>, SecretError> {
        let Some(server) = &class.database else {
            return Ok(None);
        };
        let [user, password] = secrets::read(
            &self.client,
            &self.config.operator_namespace,
            &server.credentials_secret_ref.name,
            ["username", "password"],
        )
        .await?;
        Ok(Some(Login {
            host: server.host.clone(),
            port: u16::try_from(server.port).unwrap_or(5432),
            ssl_mode: server.ssl_mode.clone(),
            user: user.expose().to_string(),
            password,
        }))
    }

    async fn access_key(&self, secret: &str) -> Result<AccessKey, SecretError> {
        let [id, secret] = secrets::read(
            &self.client,
            &self.config.operator_namespace,
            secret,
            ["access-key-id", "secret-access-key"],
        )
        .await?;
        Ok(AccessKey {
            id: id.expose().to_string(),
            secret,
        })
    }
}

/// Name of the Secret with the key for the IAM server: the object store's unless it has its own.
pub fn iam_secret<'a>(iam: &'a IamServer, store: &'a ObjectStore) -> &'a str {
    iam.credentials_secret_ref
        .as_ref()
        .map_or(&store.credentials_secret_ref.name, |secret| &secret.name)
}
