//! What every test stands on: a namespace and a class of its own, an operator in the process, and
//! words for what tests wait for.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crds::{FileGateway, FileGatewayClass, FileGatewayStatus};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Resource, ResourceExt};
use operator::Config;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::backends::{address, postgres_login, variable};
use crate::proxy::Proxy;

pub const SYSTEM: &str = "filegateway-system";
/// How long anything may take that the operator does by itself.
const PATIENCE: Duration = Duration::from_secs(40);

/// One test's part of the cluster.
pub struct Bed {
    pub client: Client,
    pub namespace: String,
    pub class: String,
    pub s3: Proxy,
    pub iam: Proxy,
    pub postgres: Proxy,
}

/// An operator in this process; stops when dropped.
pub struct Operator {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    /// Requests about this test's objects.
    requests: Arc<AtomicUsize>,
    /// Those of them that were not reads.
    writes: Arc<AtomicUsize>,
}

impl Operator {
    /// Asks it to stop and waits until it has.
    pub async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .expect("the operator stops in time")
            .unwrap();
    }

    /// Writes so far.
    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    /// Waits until no pass is under way any more, so that what a test does next is seen by a pass
    /// that begins after it.
    pub async fn quiet(&self) {
        let mut before = usize::MAX;
        while before != self.requests.load(Ordering::SeqCst) {
            before = self.requests.load(Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(1500)).await;
        }
    }
}

async fn kube_config() -> kube::Config {
    let file = Kubeconfig::read_from(variable("FGW_TEST_KUBECONFIG")).unwrap();
    kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .unwrap()
}

impl Bed {
    /// A namespace called after the test, without a class.
    pub async fn new(test: &str) -> Self {
        let client = Client::try_from(kube_config().await).unwrap();
        install_definitions(&client).await;
        let unique: u32 = rand::random();
        let namespace = format!("{test}-{unique:08x}");
        let bed = Self {
            client,
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
        let key = json!({
            "access-key-id": variable("FGW_TEST_S3_ACCESS_KEY"),
            "secret-access-key": variable("FGW_TEST_S3_SECRET_KEY"),
        });
        self.apply_secret(namespace, "s3-admin", key).await;
        let (username, password) = postgres_login();
        let login = json!({"username": username, "password": password});
        self.apply_secret(namespace, "postgres-admin", login).await;
    }

    /// [`new`](Self::new), its class, and an operator.
    pub async fn with_operator(test: &str) -> (Self, Operator) {
        let bed = Self::new(test).await;
        bed.apply_class(json!({})).await;
        let operator = bed.operator(Duration::from_secs(600)).await;
        (bed, operator)
    }

    /// Starts an operator for this namespace.
    pub async fn operator(&self, resync: Duration) -> Operator {
        self.operator_as(kube_config().await, SYSTEM, resync).await
    }

    /// Starts an operator with the permissions of a ServiceAccount.
    pub async fn operator_of(&self, namespace: &str, account: &str) -> Operator {
        let mut kube = kube_config().await;
        kube.auth_info.impersonate = Some(format!("system:serviceaccount:{namespace}:{account}"));
        self.operator_as(kube, namespace, Duration::from_secs(600))
            .await
    }

    async fn operator_as(&self, kube: kube::Config, home: &str, resync: Duration) -> Operator {
        let writes = Arc::new(AtomicUsize::new(0));
        let requests = Arc::new(AtomicUsize::new(0));
        let (all, changing) = (requests.clone(), writes.clone());
        let namespace = self.namespace.clone();
        let count =
            tower::util::MapRequestLayer::new(move |request: http::Request<kube::client::Body>| {
                // The class has the namespace in its name.
                if request.uri().path().contains(&namespace) {
                    all.fetch_add(1, Ordering::SeqCst);
                    if request.method() != http::Method::GET {
                        changing.fetch_add(1, Ordering::SeqCst);
                    }
                }
                request
            });
        let client = kube::client::ClientBuilder::try_from(kube)
            .unwrap()
            .with_layer(&count)
            .build();
        let config = Config {
            operator_namespace: home.into(),
            gateway_image: "filegateway/gateway:test".into(),
            watch_namespace: Some(self.namespace.clone()),
            health_listen: ([127, 0, 0, 1], 0).into(),
            resync,
            log: "info".into(),
        };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            operator::run(config, client, shutdown).await.unwrap();
        });
        Operator {
            stop: Some(stop),
            task,
            requests,
            writes,
        }
    }

    /// The class, reached through the test's own proxies, with `changes` merged into its spec.
    pub async fn apply_class(&self, changes: Value) {
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
            .unwrap();
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
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": namespace},
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

    /// Waits until a condition has this status and reason; answers its message.
    pub async fn condition(&self, name: &str, type_: &str, status: &str, reason: &str) -> String {
        let what = format!("{name}: {type_} {status} {reason}");
        let last = std::sync::Mutex::new(Vec::<Condition>::new());
        let found = within(&what, async || {
            let gateway = self.gateways().get_opt(name).await.unwrap();
            let conditions = gateway?.status?.conditions;
            let found = conditions
                .iter()
                .find(|c| c.type_ == type_ && c.status == status && c.reason == reason)
                .map(|c| c.message.clone());
            *last.lock().unwrap() = conditions;
            found
        });
        match found.await {
            Ok(message) => message,
            Err(what) => panic!("{what}; last seen: {:#?}", last.lock().unwrap()),
        }
    }

    /// Says what the controllers of Kubernetes would say once the pods run.
    pub async fn pods_available(&self, deployment: &str) {
        let api = self.api::<Deployment>();
        let found = self
            .until(deployment, async || api.get_opt(deployment).await.unwrap())
            .await;
        let replicas = found.spec.as_ref().unwrap().replicas;
        let status = json!({"status": {
            "observedGeneration": found.metadata.generation,
            "replicas": replicas,
            "readyReplicas": replicas,
            "availableReplicas": replicas,
            "conditions": [{"type": "Available", "status": "True", "reason": "Simulated"}],
        }});
        api.patch_status(deployment, &PatchParams::default(), &Patch::Merge(&status))
            .await
            .unwrap();
    }

    /// Waits until `name` is ready, simulating its pods.
    pub async fn ready(&self, name: &str) -> FileGateway {
        let pods = self.condition(name, "WorkloadAvailable", "False", "RolloutInProgress");
        pods.await;
        self.pods_available(name).await;
        let database = self.status(name).await.database.unwrap();
        if database.type_ == crds::DatabaseType::PostgreSQL {
            self.pods_available(&format!("{name}-worker")).await;
        }
        self.condition(name, "Ready", "True", "AllReady").await;
        self.gateways().get(name).await.unwrap()
    }

    /// Waits for `look` to find something.
    pub async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        match within(what, look).await {
            Ok(found) => found,
            Err(what) => panic!("{what}"),
        }
    }

    pub async fn delete(&self, name: &str) {
        self.gateways()
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
    }

    pub async fn gone(&self, name: &str) {
        let api = self.gateways();
        self.until(&format!("{name} is gone"), async || {
            api.get_opt(name).await.unwrap().is_none().then_some(())
        })
        .await;
    }

    /// Waits for an event with this reason; answers its note.
    pub async fn event(&self, gateway: &str, reason: &str) -> String {
        let what = format!("event {reason} of {gateway}");
        self.until(&what, async || {
            self.events(gateway)
                .await
                .into_iter()
                .find(|event| event.reason.as_deref() == Some(reason))
                .and_then(|event| event.note)
        })
        .await
    }

    pub async fn events(&self, gateway: &str) -> Vec<Event> {
        let events = self.api::<Event>().list(&ListParams::default()).await;
        events
            .unwrap()
            .items
            .into_iter()
            .filter(|event| {
                let about = event.regarding.as_ref();
                about.and_then(|about| about.name.as_deref()) == Some(gateway)
            })
            .collect()
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

async fn within<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> Result<T, String> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return Ok(found);
        }
        if tokio::time::Instant::now() > deadline {
            return Err(format!(
                "after {} s still waiting for: {what}",
                PATIENCE.as_secs()
            ));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn install_definitions(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for (_, definition) in crds::definitions() {
        let name = definition.name_any();
        api.patch(&name, &by_test(), &Patch::Apply(&definition))
            .await
            .unwrap();
        let established = within("the definition is served", async || {
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
