//! Servers that nobody has used yet, with a class and the namespaces that the gateways go into.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use crds::FileGatewayClass;
use k8s_openapi::api::core::v1::{Namespace, Node, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::await_condition;
use kube::{Client, Config, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use testbed::bench::usage::Usage;
use testbed::process::Server;
use testbed::servers::{Part, Servers, folder, nodes};

use crate::settings::Settings;

/// Where the operator and the class's Secrets are.
pub const SYSTEM: &str = "filegateway-system";
/// The only class.
pub const CLASS: &str = "scale";
/// How many namespaces the gateways are spread over.
pub const NAMESPACES: usize = 20;
/// How long servers may take to begin.
const PATIENCE: Duration = Duration::from_secs(30);
/// Of the kernel's clock in a second, on all that matters.
const TICKS: f64 = 100.0;
/// What a gateway's database takes, with PostgreSQL's log of it, in bytes.
const DATABASE: u64 = 9 << 20;
/// What all else of a gateway takes.
const OBJECTS: u64 = 1 << 20;
/// What servers take without any gateway.
const AT_REST: u64 = 2 << 30;
/// Pods that a node takes, as many as a large one does.
const PODS_PER_NODE: usize = 250;
/// Pods of a gateway while it is rolled out, at most.
const PODS_PER_GATEWAY: usize = 6;

/// The servers of one measurement.
pub struct Field {
    servers: Servers,
    nodes: Vec<Server>,
    /// An administrator's client.
    pub client: Client,
    /// An administrator's file.
    pub kubeconfig: PathBuf,
    /// Where programs write what they say.
    pub logs: PathBuf,
    /// Whether gateways get a user and a database.
    pub logins: bool,
}

impl Field {
    /// Starts everything for as many gateways as `settings` says; logs go to a folder called `name` in Cargo's.
    pub async fn start(name: &str, settings: &Settings) -> anyhow::Result<Self> {
        let gateways = settings.gateways;
        eprintln!("scale: starting servers for the {name}");
        let logs = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("scale")
            .join(name);
        std::fs::create_dir_all(&logs).with_context(|| format!("create {}", logs.display()))?;
        let parts = [Part::Postgres, Part::S3, Part::Kubernetes];
        let data = match folder::in_memory(room(settings))? {
            Some(folder) => folder,
            None => {
                eprintln!("scale: too little memory: the servers share a disk, and wait for it");
                folder::anywhere()?
            }
        };
        let servers = Servers::start_in(data, &parts, Some(&logs)).await?;
        let kubeconfig = PathBuf::from(servers.variable("FGW_TEST_KUBECONFIG")?);
        let nodes = nodes::start(&kubeconfig, &logs)?.servers;
        let file = Kubeconfig::read_from(&kubeconfig)?;
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(file, &options).await?;
        let field = Self {
            servers,
            nodes,
            client: Client::try_from(config)?,
            kubeconfig,
            logs,
            logins: settings.logins,
        };
        field.install_definitions().await?;
        field
            .add_nodes(gateways * PODS_PER_GATEWAY / PODS_PER_NODE + 3)
            .await?;
        field.add_class().await?;
        // One gateway is made before the others.
        for number in 0..NAMESPACES.min(gateways + 1) {
            field.add_namespace(&namespace(number)).await?;
            let identity = json!({"secret": "a".repeat(32)});
            field
                .add_secret(&namespace(number), "identity", identity)
                .await?;
            let database = json!({"url": "postgres://files:files@db.example.com/files"});
            field
                .add_secret(&namespace(number), "database", database)
                .await?;
        }
        Ok(field)
    }

    /// Ends all of it.
    pub async fn stop(self) -> anyhow::Result<()> {
        for server in self.nodes {
            server.stop().await?;
        }
        self.servers.stop().await?;
        Ok(())
    }

    /// PostgreSQL, for its superuser.
    pub fn postgres(&self) -> anyhow::Result<&str> {
        Ok(self.servers.variable("FGW_TEST_POSTGRES_URL")?)
    }

    /// Processor seconds of each server so far, and of the whole machine.
    pub fn processor_seconds(&self) -> anyhow::Result<Vec<(String, f64)>> {
        // PostgreSQL's sessions are groups of their own, which come and go.
        let started = ["kube-apiserver", "etcd", "versitygw-s3", "versitygw-iam"];
        let mut groups = Vec::new();
        for name in started {
            groups.push((name.to_string(), self.servers.pid(name)?));
        }
        for server in &self.nodes {
            groups.push((server.name().to_string(), server.pid()));
        }
        let seconds = |(name, group)| Ok((name, Usage::of(group)?.seconds));
        let mut all: Vec<_> = groups
            .into_iter()
            .map(seconds)
            .collect::<anyhow::Result<_>>()?;
        all.push(("everything on this machine".into(), busy_seconds()?));
        Ok(all)
    }

    async fn install_definitions(&self) -> anyhow::Result<()> {
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        for (_, definition) in crds::definitions() {
            let name = definition.name_any();
            api.create(&PostParams::default(), &definition).await?;
            await_condition(api.clone(), &name, is_crd_established()).await?;
        }
        Ok(())
    }

    async fn add_nodes(&self, count: usize) -> anyhow::Result<()> {
        let api: Api<Node> = Api::all(self.client.clone());
        for number in 0..count {
            let name = format!("node-{number}");
            let capacity = json!({"cpu": "1000", "memory": "4000Gi", "pods": PODS_PER_NODE.to_string(),
                "ephemeral-storage": "4000Gi"});
            let node = object(json!({
                "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
                "status": {
                    "capacity": capacity, "allocatable": capacity,
                    "conditions": [{"type": "Ready", "status": "True", "reason": "Kwok"}],
                },
            }))?;
            api.create(&PostParams::default(), &node).await?;
            // Admission holds a new node for one that is not ready, until a controller looks at it that does not
            // run here.
            let ready = json!({"spec": {"taints": null}});
            api.patch(&name, &PatchParams::default(), &Patch::Merge(&ready))
                .await?;
        }
        let known = |node: Option<&Node>| {
            let phase = node.and_then(|node| node.status.as_ref()?.phase.as_deref());
            phase == Some("Running")
        };
        for number in 0..count {
            let name = format!("node-{number}");
            let known = await_condition(api.clone(), &name, known);
            let known = tokio::time::timeout(PATIENCE, known).await;
            known.context("kwok takes no note of a node: see kwok.log")??;
        }
        Ok(())
    }

    async fn add_class(&self) -> anyhow::Result<()> {
        let variable = |name| self.servers.variable(name);
        self.add_namespace(SYSTEM).await?;
        let key = json!({
            "access-key-id": variable("FGW_TEST_S3_ACCESS_KEY")?,
            "secret-access-key": variable("FGW_TEST_S3_SECRET_KEY")?,
        });
        self.add_secret(SYSTEM, "s3-admin", key).await?;
        let postgres = url::Url::parse(self.postgres()?)?;
        let login = json!({
            "username": postgres.username(),
            "password": postgres.password().unwrap_or_default(),
        });
        self.add_secret(SYSTEM, "postgres-admin", login).await?;
        let mut spec = json!({
            "objectStore": {
                "endpoint": variable("FGW_TEST_S3_ENDPOINT")?,
                "credentialsSecretRef": {"name": "s3-admin"},
            },
        });
        if self.logins {
            spec["iam"] = json!({"endpoint": variable("FGW_TEST_IAM_ENDPOINT")?});
            spec["database"] = json!({
                "host": postgres.host_str().unwrap_or_default(),
                "port": postgres.port().unwrap_or(5432),
                "sslMode": "disable",
                "credentialsSecretRef": {"name": "postgres-admin"},
            });
        } else {
            let role = "arn:aws:iam::000000000000:role/{namespace}_{name}";
            let identity = json!({"roleARN": role, "audience": "sts.example.com"});
            spec["credentials"] = json!({"type": "WebIdentity", "webIdentity": identity});
        }
        let class: FileGatewayClass = object(json!({
            "apiVersion": "filegateway.dev/v1alpha1",
            "kind": "FileGatewayClass",
            "metadata": {"name": CLASS},
            "spec": spec,
        }))?;
        self.create(&Api::all(self.client.clone()), &class).await
    }

    async fn add_namespace(&self, name: &str) -> anyhow::Result<()> {
        let namespace: Namespace = object(json!({"metadata": {"name": name}}))?;
        self.create(&Api::all(self.client.clone()), &namespace)
            .await
    }

    async fn add_secret(&self, namespace: &str, name: &str, data: Value) -> anyhow::Result<()> {
        let secret: Secret = object(json!({"metadata": {"name": name}, "stringData": data}))?;
        self.create(&Api::namespaced(self.client.clone(), namespace), &secret)
            .await
    }

    async fn create<K>(&self, api: &Api<K>, object: &K) -> anyhow::Result<()>
    where
        K: Resource + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
    {
        api.create(&PostParams::default(), object).await?;
        Ok(())
    }
}

/// Processor seconds that were spent on anything since the machine was started.
/// Source: <https://docs.kernel.org/filesystems/proc.html#miscellaneous-kernel-statistics-in-proc-stat>.
fn busy_seconds() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat").context("read /proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    let times: Vec<f64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|time| time.parse().ok())
        .collect();
    // All but what is called idle and iowait; guests are counted as users already.
    let waited: f64 = times.iter().skip(3).take(2).sum();
    let all: f64 = times.iter().take(8).sum();
    Ok((all - waited) / TICKS)
}

/// What the servers' data takes at most, in bytes.
fn room(settings: &Settings) -> u64 {
    let each = OBJECTS + if settings.logins { DATABASE } else { 0 };
    AT_REST + each * settings.gateways as u64
}

/// A namespace by its number.
pub fn namespace(number: usize) -> String {
    format!("scale-{}", number % NAMESPACES)
}

fn object<K: DeserializeOwned>(value: Value) -> anyhow::Result<K> {
    Ok(serde_json::from_value(value)?)
}
