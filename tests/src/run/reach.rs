//! How this machine reaches a gateway in the cluster.

use std::time::{Duration, Instant};

use crds::FileGateway;
use serde_json::{Value, json};

use super::Access;
use super::organizations::{GATEWAY, Organization};
use crate::error::IoContext;
use crate::process::Server;
use crate::{Error, Result, cache, command, recorded};

/// How long the way to a ready gateway may take to open.
const OPEN_WITHIN: Duration = Duration::from_secs(30);

/// Name of the folder in the cache that holds the records of forwarding processes.
pub(super) const STATE: &str = "forward";

/// A way from this machine to a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// A node port, when this machine is the node.
    NodePort,
    /// `kubectl port-forward`, left running, when the cluster is somewhere else.
    PortForward,
}

impl Reach {
    /// Opens the way and returns the gateway's base URL on 127.0.0.1 once it answers.
    ///
    /// # Errors
    /// The way can't be opened, or the gateway does not answer through it in time.
    pub async fn open(
        self,
        access: &Access,
        organization: &Organization,
        gateway: &FileGateway,
    ) -> Result<String> {
        let port = self.port(organization);
        match self {
            Self::NodePort => {
                let status = gateway.status.as_ref();
                let selector = status.and_then(|status| status.selector.as_deref());
                let selector = selector.unwrap_or_default();
                access.apply(&node_port_service(organization, selector).to_string())?;
            }
            Self::PortForward => forward(access, organization, port)?,
        }
        let url = format!("http://127.0.0.1:{port}");
        let health = format!("{url}/healthz");
        let started = Instant::now();
        while started.elapsed() < OPEN_WITHIN {
            if reqwest::get(&health)
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                return Ok(url);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(Error::Refused(format!(
            "{health} does not answer, though the gateway is ready in the cluster"
        )))
    }
}

impl Reach {
    /// The port on 127.0.0.1. A forwarded one lies outside the range of node ports (30000 to 32767), where
    /// kube-proxy may refuse what has no Service.
    fn port(self, organization: &Organization) -> u16 {
        match self {
            Self::NodePort => organization.node_port,
            Self::PortForward => organization.node_port - 12_000,
        }
    }
}

/// A Service beside the gateway's own that answers on a port of the node.
fn node_port_service(organization: &Organization, selector: &str) -> Value {
    let labels: serde_json::Map<String, Value> = selector
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), json!(value)))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "namespace": organization.name, "name": "files-on-this-machine" },
        "spec": {
            "type": "NodePort",
            "selector": labels,
            "ports": [{
                "name": "http",
                "port": 80,
                "targetPort": "http",
                "nodePort": organization.node_port,
            }],
        },
    })
}

fn forward(access: &Access, organization: &Organization, port: u16) -> Result<()> {
    // A forward stays with the pod that it began with, so that has to be one that will stay.
    let deployment = format!("deployment/{GATEWAY}");
    let namespace = organization.name;
    command::run(&mut access.kubectl(&[
        "rollout",
        "status",
        &deployment,
        "--namespace",
        namespace,
        "--timeout=120s",
    ]))?;
    let state = cache::folder(STATE);
    std::fs::create_dir_all(&state).at("create", &state)?;
    let forward = access.kubectl(&[
        "port-forward",
        "--namespace",
        organization.name,
        &format!("service/{GATEWAY}"),
        &format!("{port}:80"),
    ]);
    let server = Server::start(&format!("forward-{}", organization.name), forward, &state)?;
    recorded::leave_running(server, &state.join("pids"))
}
