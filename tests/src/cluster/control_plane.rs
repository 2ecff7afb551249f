//! etcd, the API server, the controllers and the scheduler, as processes of the host.

use super::daemon;
use super::layout::{Layout, NODE, NODE_ADDRESS, POD_RANGE};
use crate::Result;
use crate::pki::{Authority, Subject};
use crate::servers::http;
use crate::tools::{Tool, Toolbox};
use std::time::Duration;

/// The API server brings up a first database in about ten seconds on a busy machine.
const LIMIT: Duration = Duration::from_secs(90);

/// Makes certificates and kubeconfigs, once.
///
/// # Errors
/// They can't be made or written.
pub fn make_identities(layout: &Layout) -> Result<()> {
    let plane = layout.control_plane();
    let client = |name| Subject {
        name,
        organization: None,
        addresses: &[],
    };
    let node_name = format!("system:node:{NODE}");
    let node = Subject {
        name: &node_name,
        organization: Some("system:nodes"),
        addresses: &[NODE, NODE_ADDRESS],
    };
    plane.make_certificates(&[
        (
            "controller-manager",
            client("system:kube-controller-manager"),
        ),
        ("scheduler", client("system:kube-scheduler")),
        ("proxy", client("system:kube-proxy")),
        ("coredns", client("system:coredns")),
        ("kubelet", node),
    ])?;
    for user in [
        "controller-manager",
        "scheduler",
        "proxy",
        "coredns",
        "kubelet",
    ] {
        plane.write_kubeconfig(&layout.path("pki").join(format!("{user}.kubeconfig")), user)?;
    }
    plane.write_kubeconfig(&layout.kubeconfig(), "admin")
}

/// Starts etcd and the API server.
///
/// # Errors
/// One can't be started.
pub fn start_api(layout: &Layout, toolbox: &Toolbox) -> Result<()> {
    let plane = layout.control_plane();
    daemon::ensure(layout, "etcd", plane.etcd(toolbox))?;
    let mut apiserver = plane.apiserver(toolbox);
    apiserver
        .args(["--advertise-address", NODE_ADDRESS])
        .args(["--enable-admission-plugins", "NodeRestriction"])
        .args(["--kubelet-preferred-address-types", "InternalIP"])
        .arg("--cert-dir")
        .arg(&plane.pki);
    daemon::ensure(layout, "kube-apiserver", apiserver)
}

/// Waits until the API server answers.
///
/// # Errors
/// It doesn't.
pub async fn api_ready(layout: &Layout) -> Result<()> {
    let plane = layout.control_plane();
    let client = http::client_trusting(&Authority::certificate(&plane.pki))?;
    let url = format!("{}/readyz", plane.url());
    daemon::ready(layout, "kube-apiserver", LIMIT, async || {
        http::succeeds(&client, &url).await
    })
    .await
}

/// Starts the controllers and the scheduler. There is one of each, so none has to be elected; they
/// serve nothing, so that they need no port.
///
/// # Errors
/// One can't be started.
pub fn start_controllers(layout: &Layout, toolbox: &Toolbox) -> Result<()> {
    let plane = layout.control_plane();
    let kubeconfig = |user: &str| plane.pki.join(format!("{user}.kubeconfig"));
    let common = ["--leader-elect=false", "--secure-port=0"];
    let mut controllers = toolbox.command(Tool::KubeControllerManager);
    controllers
        .args(common)
        .args([
            "--use-service-account-credentials",
            "--cluster-cidr",
            POD_RANGE,
        ])
        .arg("--kubeconfig")
        .arg(kubeconfig("controller-manager"))
        .arg("--root-ca-file")
        .arg(Authority::certificate(&plane.pki))
        .arg("--service-account-private-key-file")
        .arg(plane.service_account_key());
    daemon::ensure(layout, "kube-controller-manager", controllers)?;
    let mut scheduler = toolbox.command(Tool::KubeScheduler);
    scheduler
        .args(common)
        .arg("--kubeconfig")
        .arg(kubeconfig("scheduler"));
    daemon::ensure(layout, "kube-scheduler", scheduler)
}
