//! The node agent.

use super::daemon;
use super::layout::{Layout, NODE, NODE_ADDRESS};
use crate::Result;
use crate::error::IoContext;
use crate::pki::{Authority, KeyFiles};
use crate::tools::{Tool, Toolbox};
use serde_json::{Value, json};

/// The port that the API server reaches it on.
pub const PORT: u16 = 10250;

/// Starts the kubelet.
///
/// # Errors
/// Its configuration can't be written, or it can't be started.
pub fn start(layout: &Layout, toolbox: &Toolbox) -> Result<()> {
    let folder = layout.path("kubelet");
    std::fs::create_dir_all(&folder).at("create", &folder)?;
    let config = layout.path("kubelet.json");
    std::fs::write(&config, format!("{:#}\n", configuration(layout))).at("write", &config)?;
    let pki = layout.path("pki");
    let mut command = toolbox.command(Tool::Kubelet);
    command
        .args(["--hostname-override", NODE, "--node-ip", NODE_ADDRESS])
        .arg("--config")
        .arg(&config)
        .arg("--kubeconfig")
        .arg(pki.join("kubelet.kubeconfig"))
        .arg("--root-dir")
        .arg(&folder)
        .arg("--cert-dir")
        .arg(folder.join("pki"));
    daemon::ensure(layout, "kubelet", command)
}

fn configuration(layout: &Layout) -> Value {
    let pki = layout.path("pki");
    let keys = KeyFiles::named(&pki, "kubelet");
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "port": PORT,
        "healthzPort": 0,
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true },
            "x509": { "clientCAFile": Authority::certificate(&pki) },
        },
        "authorization": { "mode": "Webhook" },
        "tlsCertFile": keys.certificate,
        "tlsPrivateKeyFile": keys.key,
        "containerRuntimeEndpoint": format!("unix://{}", layout.containerd_socket().display()),
        "clusterDomain": "cluster.local",
        "clusterDNS": [NODE_ADDRESS],
        "podLogsDir": layout.path("pod-logs"),
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": false,
        "failSwapOn": false,
        // Pods share a machine with whatever else it does: no reservations, late evictions.
        "enforceNodeAllocatable": [],
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        // There is no registry to get an image back from.
        "imageGCHighThresholdPercent": 100,
        "makeIPTablesUtilChains": false,
        // Mounted ConfigMaps and Secrets follow within seconds, for tests of rotation.
        "syncFrequency": "10s",
        "configMapAndSecretChangeDetectionStrategy": "Watch",
    })
}
