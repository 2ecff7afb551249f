//! What acts on the objects of a bare API server, for benchmarks: Kubernetes' controllers and scheduler as they are,
//! and kwok in place of kubelets. No container runs, and pods are ready as soon as they have a node.

use super::Started;
use crate::Result;
use crate::process::Server;
use crate::tools::{Tool, Toolbox};
use std::path::Path;

/// What kwok says in a kubelet's place.
const STAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/kwok/stages.yaml");

/// Calls in a second that controllers and scheduler may make: more than they can. By default it is 20, and a
/// benchmark would measure that.
const RATE: &str = "5000";

/// Starts them for the API server of an administrator's `kubeconfig`. Nodes are objects like others: whoever
/// wants some creates them.
///
/// # Errors
/// A tool can't be built or a program not started.
pub fn start(kubeconfig: &Path, logs: &Path) -> Result<Started> {
    let toolbox =
        Toolbox::prepare(&[Tool::KubeControllerManager, Tool::KubeScheduler, Tool::Kwok])?;
    let common = [
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps",
        RATE,
        "--kube-api-burst",
        RATE,
    ];
    let mut controllers = toolbox.command(Tool::KubeControllerManager);
    controllers
        .args(common)
        // No kubelet tells that its node is alive.
        .args(["--controllers", "*,-node-lifecycle-controller"])
        .arg("--kubeconfig")
        .arg(kubeconfig);
    let mut scheduler = toolbox.command(Tool::KubeScheduler);
    scheduler.args(common).arg("--kubeconfig").arg(kubeconfig);
    let mut kwok = toolbox.command(Tool::Kwok);
    kwok.args(["--config", STAGES])
        .arg("--kubeconfig")
        .arg(kubeconfig);
    Ok(Started {
        servers: vec![
            Server::start("kube-controller-manager", controllers, logs)?,
            Server::start("kube-scheduler", scheduler, logs)?,
            Server::start("kwok", kwok, logs)?,
        ],
        variables: Vec::new(),
    })
}
