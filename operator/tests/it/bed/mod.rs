//! What every test stands on: a namespace and a class of its own, an operator in the process, and
//! words for what tests wait for.

mod operator;
mod wait;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use crds::{FileGateway, FileGatewayClass, FileGatewayStatus};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub use operator::{Operator, Start};

use crate::backends::{address, postgres_login, variable};
use crate::proxy::Proxy;
use operator::kube_config;
use wait::{PATIENCE, within};

pub const SYSTEM: &str = "filegateway-system";

/// One test's part of the cluster.
pub struct Bed {
    pub client: Client,
    kube: kube::Config,
    pub namespace: String,
    pub class: String,
    pub s3: Proxy,
    pub iam: Proxy,
    pub postgres: Proxy,
}

impl Bed {
    /// A namespace called after the test, without a class.
    pub async fn new(test: &str) -> Self {
        Self::at(&variable("FGW_TEST_KUBECONFIG"), test).await
    }

    /// [`new`](Self::new) on another API server.
    pub async fn at(kubeconfig: &str, test: &str) -> Self {
        let kube = kube_config(kubeconfig).await;
        let client = Client::try_from(kube.clone()).unwrap();
        install_definitions(&client).await;
        let unique: u32 = rand::random();
        let namespace = format!("{test}-{unique:08x}");
        let bed = Self {
            client,
            kube,
            class: format!("class-{namespace}"),
            namespace,
            s3: Proxy::to(address(&variable("FGW_TEST_S3_ENDPOINT"))).await,
            iam: Proxy::to(address(&variable("FGW_TEST_IAM_ENDPOINT"))).await,
            postgres: Proxy::to(address(&variable("FGW_TEST_POSTGRES_URL"))).await,
        };
        bed.apply_namespace(SYSTEM, json!({})).await;
        bed.apply_namespace(&bed.namespace, json!({"team": test}))
            .await;
        bed.apply_admin_secrets(SYSTEM).await;
        bed.apply_secret(
            &bed.namespace,
            "identity",
            json!({"secret": "a".repeat(32)}),
        )
        .await;
        bed
    }

    /// The Secrets that the class names.
    pub async fn apply_admin_secrets(&self, namespace: &str) {
        self.apply_admin_key(namespace, "s3-admin").await;
        let (username, password) = postgres_login();
        let login = json!({"username": username, "password": password});
        self.apply_secret(namespace, "postgres-admin", login).await;
    }

    /// A Secret with the key for the object store, called `name`.
    pub async fn apply_admin_key(&self, namespace: &str, name: &str) {
        let key = json!({
            "access-key-id": variable("FGW_TEST_S3_ACCESS_KEY"),
            "secret-access-key": variable("FGW_TEST_S3_SECRET_KEY"),
        });
        self.apply_secret(namespace, name, key).await;
    }

    /// [`new`](Self::new), its class, and an operator.
    pub async fn with_operator(test: &str) -> (Self, Operator) {
        let bed = Self::new(test).await;
        bed.apply_class(json!({})).await;
        let operator = bed.operator(Duration::from_secs(600)).await;
        (bed, operator)
    }

    /// The class, reached through the test's own proxies, with `changes` merged into its spec.
    pub async fn apply_class(&self, changes: Value) {
        self.try_class(changes).await.unwrap();
    }

    /// [`apply_class`](Self::apply_class), which the API server may refuse.
    pub async fn try_class(&self, changes: Value) -> Result<FileGatewayClass, kube::Error> {
        let mut spec = json!({
            "objectStore": {
                "endpoint": format!("http://{}", self.s3.address),
                "credentialsSecretRef": {"name": "s3-admin"},
            },
            "iam": {"endpoint": format!("http://{}", self.iam.address)},
            "database": {
                "host": self.postgres.address.ip().to_string(),
                "port": self.postgres.address.port(),
                "sslMode": "disable",
                "credentialsSecretRef": {"name": "postgres-admin"},
            },
        });
        merge(&mut spec, changes);
        let class: FileGatewayClass = serde_json::from_value(json!({
            "apiVersion": "filegateway.dev/v1alpha1",
            "kind": "FileGatewayClass",
            "metadata": {"name": self.class},
            "spec": spec,
        }))
        .unwrap();
        Api::<FileGatewayClass>::all(self.client.clone())
            .patch(&self.class, &by_test(), &Patch::Apply(&class))
            .await
    }

    pub async fn delete_class(&self) {
        Api::<FileGatewayClass>::all(self.client.clone())
            .delete(&self.class, &DeleteParams::default())
            .await
            .unwrap();
    }

    pub async fn apply_namespace(&self, name: &str, labels: Value) {
        let namespace: Namespace = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": labels},
        }))
        .unwrap();
        Api::<Namespace>::all(self.client.clone())
            .patch(name, &by_test(), &Patch::Apply(&namespace))
            .await
            .unwrap();
    }

    pub async fn apply_secret(&self, namespace: &str, name: &str, data: Value) {
        self.apply_labelled_secret(namespace, name, json!({}), data)
            .await;
    }

    pub async fn apply_labelled_secret(
        &self,
        namespace: &str,
        name: &str,
        labels: Value,
        data: Value,
    ) {
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "stringData": data,
        }))
        .unwrap();
        Api::<Secret>::namespaced(self.client.clone(), namespace)
            .patch(name, &by_test(), &Patch::Apply(&secret))
            .await
            .unwrap();
    }

    /// A FileGateway of this test's class, with `changes` merged into its spec.
    pub fn gateway(&self, name: &str, changes: Value) -> Value {
        let mut spec = json!({
            "className": self.class,
            "organization": "acme",
            "auth": {
                "issuer": "https://id.example.com",
                "audience": "files",
                "secretRef": {"name": "identity"},
            },
        });
        merge(&mut spec, changes);
        json!({
            "apiVersion": "filegateway.dev/v1alpha1",
            "kind": "FileGateway",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        })
    }

    /// Creates a FileGateway; the API server's message when it refuses.
    pub async fn create(&self, name: &str, changes: Value) -> Result<FileGateway, String> {
        let gateway = self.gateway(name, changes);
        let created = Api::<kube::api::DynamicObject>::namespaced_with(
            self.client.clone(),
            &self.namespace,
            &kube::api::ApiResource::erase::<FileGateway>(&()),
        )
        .create(
            &PostParams::default(),
            &serde_json::from_value(gateway).unwrap(),
        )
        .await;
        match created {
            Ok(object) => Ok(object.try_parse().unwrap()),
            Err(kube::Error::Api(status)) => Err(status.message),
            Err(error) => panic!("{error}"),
        }
    }

    /// An Ingress of this name that is not the operator's.
    pub async fn strangers_ingress(&self, name: &str) {
        let ingress = serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"rules": [{"host": "stranger.example.com"}]},
        }));
        let api = self.api::<Ingress>();
        let made = api.create(&PostParams::default(), &ingress.unwrap()).await;
        made.unwrap();
    }

    pub fn gateways(&self) -> Api<FileGateway> {
        self.api()
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Changes the spec.
    pub async fn patch(&self, name: &str, patch: Value) -> Result<FileGateway, kube::Error> {
        let api = self.gateways();
        api.patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
    }

    pub async fn status(&self, name: &str) -> FileGatewayStatus {
        let gateway = self.gateways().get(name).await.unwrap();
        gateway.status.unwrap_or_default()
    }

    pub async fn secret(&self, name: &str) -> BTreeMap<String, String> {
        let secret = self.api::<Secret>().get(name).await.unwrap();
        secret
            .data
            .unwrap()
            .into_iter()
            .map(|(key, value)| (key, String::from_utf8(value.0).unwrap()))
            .collect()
    }

    /// Deletes all objects of a kind.
    pub async fn all_gone<K>(&self)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let (plain, all) = (DeleteParams::default(), ListParams::default());
        self.api::<K>()
            .delete_collection(&plain, &all)
            .await
            .unwrap();
    }

    /// Resource versions of a kind's objects by name.
    pub async fn versions<K>(&self) -> BTreeMap<String, String>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Serialize,
    {
        let list = self.api::<K>().list(&ListParams::default()).await.unwrap();
        list.items
            .iter()
            .map(|object| {
                let kind = K::kind(&());
                let name = format!("{kind}/{}", object.name_any());
                (name, object.resource_version().unwrap())
            })
            .collect()
    }
}

fn by_test() -> PatchParams {
    PatchParams::apply("test").force()
}

fn merge(target: &mut Value, changes: Value) {
    match (target, changes) {
        (Value::Object(target), Value::Object(changes)) => {
            for (key, change) in changes {
                if change.is_null() {
                    target.remove(&key);
                } else {
                    merge(target.entry(key).or_insert(Value::Null), change);
                }
            }
        }
        (target, changes) => *target = changes,
    }
}

async fn install_definitions(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for (_, definition) in crds::definitions() {
        let name = definition.name_any();
        api.patch(&name, &by_test(), &Patch::Apply(&definition))
            .await
            .unwrap();
        let established = within("the definition is served", PATIENCE, async || {
            let live = api.get(&name).await.unwrap();
            let conditions = live.status?.conditions.unwrap_or_default();
            conditions
                .iter()
                .any(|c| c.type_ == "Established" && c.status == "True")
                .then_some(())
        });
        established.await.unwrap();
    }
}
