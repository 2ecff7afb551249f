//! Kubernetes' API without a node or controllers: objects are stored, validated and watched, and nothing
//! acts on them. Namespaces stay `Terminating` and owned objects are not collected.

use super::control_plane::ControlPlane;
use super::{Place, Started, free_port, http};
use crate::Result;
use crate::pki::Authority;
use crate::process::Server;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// Starts etcd and kube-apiserver; the kubeconfig is an administrator's.
///
/// # Errors
/// One of them doesn't come up.
pub async fn start(place: &Place) -> Result<Started> {
    let folder = place.make("kubernetes")?;
    let plane = ControlPlane {
        pki: folder.join("pki"),
        etcd_data: folder.join("etcd"),
        address: "127.0.0.1".to_owned(),
        port: free_port()?,
        etcd_port: free_port()?,
        etcd_peer_port: free_port()?,
        service_range: "10.111.0.0/16".to_owned(),
        service_address: "10.111.0.1".to_owned(),
    };
    plane.make_certificates(&[])?;
    let etcd = Server::start("etcd", plane.etcd(&place.toolbox), &place.logs)?;
    let mut command = plane.apiserver(&place.toolbox);
    // Nobody makes service accounts here, and pods without one would be refused.
    command.args(["--disable-admission-plugins", "ServiceAccount"]);
    // Nor is there anybody to reach the API through its own Service.
    command.args([
        "--advertise-address",
        "127.0.0.1",
        "--endpoint-reconciler-type",
        "none",
    ]);
    command.arg("--cert-dir").arg(&plane.pki);
    let mut apiserver = Server::start("kube-apiserver", command, &place.logs)?;
    let client = http::client_trusting(&Authority::certificate(&plane.pki))?;
    let ready = format!("{}/readyz", plane.url());
    apiserver
        .ready(LIMIT, async || http::succeeds(&client, &ready).await)
        .await?;
    let kubeconfig = folder.join("kubeconfig");
    plane.write_kubeconfig(&kubeconfig, "admin")?;
    Ok(Started {
        servers: vec![etcd, apiserver],
        variables: vec![("FGW_TEST_KUBECONFIG", kubeconfig.display().to_string())],
    })
}
