//! A real Kubernetes cluster of one node on this machine: control plane, kubelet with a containerd of its
//! own, network, DNS, volumes, and an object store and PostgreSQL inside it.
//!
//! All is plain processes with recorded ids and files below one folder, so that `down` can end exactly
//! what `up` started. A tool such as kind was not chosen since it needs a Docker engine and its images.

pub mod containerd;
mod control_plane;
mod daemon;
mod dns;
mod kubelet;
pub mod layout;
mod network;
mod remains;
mod rules;
pub mod storage;
mod volumes;

use crate::command::run;
use crate::error::IoContext;
use crate::images::{self, Built, Image};
use crate::run::Access;
use crate::tools::{Tool, Toolbox, debian};
use crate::{Error, Result, cache, host, recorded};
use layout::Layout;
use std::path::PathBuf;
use std::time::Instant;

/// Programs that the cluster consists of.
pub const TOOLS: [Tool; 9] = [
    Tool::Etcd,
    Tool::KubeApiserver,
    Tool::KubeControllerManager,
    Tool::KubeScheduler,
    Tool::Kubelet,
    Tool::KubeProxy,
    Tool::Kubectl,
    Tool::Coredns,
    Tool::Versitygw,
];
/// Processes that hold connections to the API server.
const CLIENTS: [&str; 4] = [
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "coredns",
];
const MANIFESTS: &str = include_str!("../../manifests/cluster.yaml");
/// containerd's socket has to fit into a socket address with what containerd appends to its path.
const LONGEST_STATE: usize = 70;

/// The cluster of one state folder, running or not.
#[derive(Debug, Clone)]
pub struct Cluster {
    layout: Layout,
}

impl Cluster {
    /// The cluster in `state`; by default in the cache folder.
    #[must_use]
    pub fn new(state: Option<PathBuf>) -> Self {
        let state = state.unwrap_or_else(|| cache::folder("cluster"));
        Self {
            layout: Layout::new(std::path::absolute(&state).unwrap_or(state)),
        }
    }

    /// Where the administrator's kubeconfig is once the cluster has been up.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.layout.kubeconfig()
    }

    /// kubectl and Helm on this cluster.
    ///
    /// # Errors
    /// One of them can't be built.
    pub fn access(&self) -> Result<Access> {
        let toolbox = Toolbox::prepare(&[Tool::Kubectl, Tool::Helm])?;
        Ok(self.access_with(&toolbox))
    }

    fn access_with(&self, toolbox: &Toolbox) -> Access {
        Access {
            kubectl: toolbox.path(Tool::Kubectl),
            helm: toolbox.path(Tool::Helm),
            kubeconfig: Some(self.kubeconfig()),
            context: None,
        }
    }

    /// Brings up whatever is not up, and returns when the node, S3 and PostgreSQL are ready.
    ///
    /// # Errors
    /// This machine can't host a node, or a part doesn't come up.
    pub async fn up(&self) -> Result<()> {
        let started = Instant::now();
        self.check()?;
        let _lock = self.lock()?;
        debian::ensure(debian::NODE)?;
        let toolbox = Toolbox::prepare(&TOOLS)?;
        let built = images::ensure(&[Image::Pause, Image::Storage])?;
        let layout = &self.layout;
        for folder in [layout.state().to_owned(), layout.logs()] {
            std::fs::create_dir_all(&folder).at("create", &folder)?;
        }
        say("network, API server and containerd");
        network::up(layout)?;
        control_plane::make_identities(layout)?;
        control_plane::start_api(layout, &toolbox)?;
        containerd::start(layout).await?;
        containerd::import(layout, &built)?;
        control_plane::api_ready(layout).await?;
        say("controllers, scheduler, kubelet, proxy and DNS");
        control_plane::start_controllers(layout, &toolbox)?;
        network::start_proxy(layout, &toolbox)?;
        kubelet::start(layout, &toolbox)?;
        let access = self.access_with(&toolbox);
        access.apply(MANIFESTS)?;
        dns::start(layout, &toolbox)?;
        volumes::offer(layout, &access)?;
        say("object store and PostgreSQL");
        storage::apply(&access, None)?;
        wait_for_node(&access)?;
        storage::wait(&access)?;
        say(&format!(
            "up in {:.0} s; export KUBECONFIG={}",
            started.elapsed().as_secs_f32(),
            self.kubeconfig().display()
        ));
        Ok(())
    }

    /// Gives the node images that were built; new pods run them. Which ones were new to it.
    ///
    /// # Errors
    /// The cluster isn't up, or containerd doesn't take them.
    pub fn import(&self, built: &[Built]) -> Result<Vec<Built>> {
        if !self.is_running() {
            return Err(Error::Refused(
                "the cluster is not up: testbed cluster up".to_owned(),
            ));
        }
        containerd::import(&self.layout, built)
    }

    /// Whether its processes run.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let run = self.layout.run();
        ["kube-apiserver", "containerd", "kubelet"]
            .iter()
            .all(|name| recorded::is_running(&run, name))
    }

    /// Ends all that `up` started and takes back what it changed on the machine; data stays.
    ///
    /// # Errors
    /// Something can't be undone.
    pub async fn down(&self) -> Result<()> {
        if !self.layout.state().exists() {
            return Ok(());
        }
        let _lock = self.lock()?;
        self.take_down().await
    }

    async fn take_down(&self) -> Result<()> {
        let started = Instant::now();
        let layout = &self.layout;
        recorded::stop(&layout.run(), &["kubelet"])?;
        if remains::has_pods(layout) {
            // Pods outlive a containerd that was killed; a new one finds them again.
            containerd::start(layout).await?;
            containerd::remove_pods(layout)?;
        }
        // The API server waits for its clients to leave, and itself takes its leave of etcd.
        recorded::stop(&layout.run(), &CLIENTS)?;
        recorded::stop(&layout.run(), &["kube-apiserver"])?;
        recorded::stop_all(&layout.run())?;
        remains::clear(layout)?;
        network::down(layout)?;
        say(&format!("down in {:.0} s", started.elapsed().as_secs_f32()));
        Ok(())
    }

    /// Takes it down, deletes its data, and brings up a new one.
    ///
    /// # Errors
    /// As [`Cluster::down`] and [`Cluster::up`].
    pub async fn reset(&self) -> Result<()> {
        let state = self.layout.state();
        if state.exists() {
            let _lock = self.lock()?;
            self.take_down().await?;
            std::fs::remove_dir_all(state).at("delete", state)?;
        }
        self.up().await
    }

    /// What runs, as lines for a person.
    ///
    /// # Errors
    /// The records can't be read.
    pub fn status(&self) -> Result<String> {
        let run_folder = self.layout.run();
        let mut lines = vec![format!("state      {}", self.layout.state().display())];
        let mut names = Vec::new();
        for entry in run_folder.read_dir().into_iter().flatten() {
            names.push(
                entry
                    .at("read", &run_folder)?
                    .file_name()
                    .to_string_lossy()
                    .into_owned(),
            );
        }
        names.sort();
        for name in &names {
            let running = recorded::is_running(&run_folder, name);
            lines.push(format!(
                "{name:<24} {}",
                if running { "running" } else { "ended" }
            ));
        }
        if !self.is_running() {
            lines.push("the cluster is not up".to_owned());
            return Ok(lines.join("\n"));
        }
        lines.push(format!("kubeconfig {}", self.kubeconfig().display()));
        let access = self.access_with(&Toolbox::prepare(&[Tool::Kubectl])?);
        for arguments in [
            ["get", "nodes", "--output=wide"],
            ["get", "pods", "--all-namespaces"],
        ] {
            lines.push(run(&mut access.kubectl(&arguments))?);
        }
        Ok(lines.join("\n"))
    }

    fn check(&self) -> Result<()> {
        host::can_host_a_node().map_err(|reason| Error::Refused(reason.to_string()))?;
        let length = self.layout.state().as_os_str().len();
        if length > LONGEST_STATE {
            return Err(Error::Refused(format!(
                "{} is too long for the path of a cluster (at most {LONGEST_STATE} characters)",
                self.layout.state().display()
            )));
        }
        let foreign = std::net::TcpStream::connect(("127.0.0.1", kubelet::PORT)).is_ok();
        if foreign && !self.is_running() {
            return Err(Error::Refused(format!(
                "a kubelet runs on this machine already (port {} answers)",
                kubelet::PORT
            )));
        }
        Ok(())
    }

    /// One command at a time may change the cluster. Beside the folder, since `reset` deletes that.
    fn lock(&self) -> Result<std::fs::File> {
        let path = self.layout.state().with_extension("lock");
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).at("create", parent)?;
        }
        let file = std::fs::File::create(&path).at("create", &path)?;
        file.lock().at("lock", &path)?;
        Ok(file)
    }
}

fn wait_for_node(access: &Access) -> Result<()> {
    let node = format!("node/{}", layout::NODE);
    run(&mut access.kubectl(&["wait", "--for=create", "--timeout=60s", &node]))?;
    run(&mut access.kubectl(&["wait", "--for=condition=Ready", "--timeout=60s", &node])).map(drop)
}

fn say(what: &str) {
    eprintln!("cluster: {what}");
}
