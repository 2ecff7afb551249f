//! Everything that a reconcile may touch.

mod class_secrets;
mod lengths;
mod silent;
mod turns;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crds::conditions::READY;
use crds::{ClassSnapshot, FileGateway, FileGatewayClass, IamServer, ObjectStore};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::PartialObjectMeta;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::{ObjectRef, Store};

use crate::backoff::Backoff;
use crate::cluster::{Cluster, Known, Rollouts, Served};
use crate::config::Config;
use crate::gateway::Hosts;
use crate::meta::MANAGER;
use crate::metrics::Metrics;
use crate::outside::Outside;
use crate::remote::AccessKey;
use crate::remote::iam::Iam;
use crate::remote::postgres::Login;
use crate::remote::s3::S3;
use crate::secrets::SecretError;
use crate::usage::Usage;
use crate::writes::Writes;
use class_secrets::ClassSecrets;
pub use class_secrets::OWN_SECRETS;
use lengths::Lengths;
use silent::Silent;
use turns::{Turn, Turns};

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
    /// What watches tell of the objects that gateways are made of.
    pub known: Known,
    /// How gateways' Deployments do.
    pub rollouts: Rollouts,
    /// Which optional kinds the cluster has.
    pub served: Served,
    /// Which gateway has which host.
    pub hosts: Hosts,
    /// What many gateways refer to, once the controllers run.
    pub stores: OnceLock<Stores>,
    /// What was found outside of the cluster.
    pub outside: Outside,
    /// FileGateways as they were written last.
    pub writes: Writes,
    /// Servers that classes named before, and that do not answer.
    pub silent: Silent,
    class_secrets: ClassSecrets,
    lengths: Lengths,
    turns: Turns,
    creating_bucket: [tokio::sync::Mutex<()>; BUCKETS],
    clients: Clients,
}

/// Kept up to date by watches.
pub struct Stores {
    /// The watched gateways, all of them before the first pass.
    pub gateways: Store<FileGateway>,
    /// All classes.
    pub classes: Store<FileGatewayClass>,
    /// The watched namespaces, with their labels.
    pub namespaces: Store<PartialObjectMeta<Namespace>>,
}

/// How many buckets can be created at once, at most.
const BUCKETS: usize = 64;

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
            hosts: Hosts::default(),
            known: Known::default(),
            rollouts: Rollouts::default(),
            served: Served::default(),
            stores: OnceLock::new(),
            outside: Outside::default(),
            writes: Writes::default(),
            silent: Silent::default(),
            class_secrets: ClassSecrets::default(),
            lengths: Lengths::default(),
            turns: Turns::default(),
            creating_bucket: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            clients: Clients::default(),
        }
    }

    /// The API server, and what is known of it.
    pub fn cluster(&self) -> Cluster<'_> {
        Cluster {
            client: &self.client,
            known: &self.known,
            rollouts: &self.rollouts,
            served: &self.served,
        }
    }

    /// Forgets all about a gateway that is gone.
    pub fn forget(&self, uid: &str) {
        self.outside.forget(uid);
        self.writes.forget(uid);
        self.lengths.forget(uid);
        self.turns.forget(uid);
    }

    /// A place among those that look at the outside world, where a pass over `gateway` would look although
    /// nothing says that it has to be at once.
    ///
    /// # Errors
    /// When there is none: how long to wait before asking again.
    pub fn turn(&self, gateway: &FileGateway) -> Result<Option<Turn>, Duration> {
        let uid = gateway.metadata.uid.as_deref().unwrap_or_default();
        if !is_at_rest(gateway) || self.outside.is_known(uid, Timestamp::now()) {
            // It may have waited before it was changed.
            self.turns.forget(uid);
            return Ok(None);
        }
        self.turns.take(uid).map(Some)
    }

    /// Whether a namespace is being deleted: then what is in it goes, and a Role there is among the first.
    pub fn is_ending(&self, namespace: &str) -> bool {
        self.stores.get().is_some_and(|stores| {
            let found = stores.namespaces.get(&ObjectRef::new(namespace));
            found.is_none_or(|found| found.metadata.deletion_timestamp.is_some())
        })
    }

    /// Held between finding `bucket` absent and marking it, so that two gateways that name the same bucket
    /// can't both make it.
    pub async fn creating(&self, bucket: &str) -> tokio::sync::MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        bucket.hash(&mut hasher);
        let turn = hasher.finish() % BUCKETS as u64;
        self.creating_bucket[turn as usize].lock().await
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
        let name = &server.credentials_secret_ref.name;
        let keys = ["username", "password"];
        let [user, password] = self.class_secret(name, keys).await?;
        Ok(Some(Login {
            host: server.host.clone(),
            port: u16::try_from(server.port).unwrap_or(5432),
            ssl_mode: server.ssl_mode.clone(),
            user: user.expose().to_string(),
            password,
        }))
    }

    async fn access_key(&self, secret: &str) -> Result<AccessKey, SecretError> {
        let keys = ["access-key-id", "secret-access-key"];
        let [id, secret] = self.class_secret(secret, keys).await?;
        Ok(AccessKey {
            id: id.expose().to_string(),
            secret,
        })
    }
}

/// Whether its status says that all is as its spec wants it.
fn is_at_rest(gateway: &FileGateway) -> bool {
    gateway.metadata.deletion_timestamp.is_none()
        && gateway.status.as_ref().is_some_and(|status| {
            let mut conditions = status.conditions.iter();
            status.observed_generation == gateway.metadata.generation
                && conditions.any(|found| found.type_ == READY && found.status == "True")
        })
}

/// Name of the Secret with the key for the IAM server: the object store's unless it has its own.
pub fn iam_secret<'a>(iam: &'a IamServer, store: &'a ObjectStore) -> &'a str {
    iam.credentials_secret_ref
        .as_ref()
        .map_or(&store.credentials_secret_ref.name, |secret| &secret.name)
}
