//! The bridge that pods hang on, the way from it to the world, and kube-proxy.

use super::daemon;
use super::layout::{BRIDGE, Layout, NODE, NODE_ADDRESS, POD_PREFIX, POD_RANGE};
use super::rules;
use crate::command::run;
use crate::error::IoContext;
use crate::tools::{Tool, Toolbox};
use crate::{Error, Result};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Kernel settings that a node needs.
const SETTINGS: [(&str, &str); 2] = [
    ("/proc/sys/net/ipv4/ip_forward", "1"),
    ("/proc/sys/net/bridge/bridge-nf-call-iptables", "1"),
];
/// kube-proxy sets this one, for node ports on 127.0.0.1.
const ROUTE_LOCALNET: &str = "/proc/sys/net/ipv4/conf/all/route_localnet";

/// Makes the bridge, the settings and the rules, as far as they are missing, and tells CNI about them.
///
/// # Errors
/// The bridge belongs to another cluster, or the kernel refuses.
pub fn up(layout: &Layout) -> Result<()> {
    let ip = |arguments: &[&str]| run(Command::new("ip").args(arguments)).map(drop);
    if Path::new("/sys/class/net").join(BRIDGE).exists() {
        let owner = owner();
        if owner != layout.state().display().to_string() {
            return Err(Error::Refused(format!(
                "the bridge {BRIDGE} belongs to the cluster in {owner}: take that one down first"
            )));
        }
    } else {
        ip(&["link", "add", BRIDGE, "type", "bridge"])?;
        ip(&[
            "link",
            "set",
            BRIDGE,
            "alias",
            &layout.state().display().to_string(),
        ])?;
        ip(&[
            "address",
            "add",
            &format!("{NODE_ADDRESS}/{POD_PREFIX}"),
            "dev",
            BRIDGE,
        ])?;
    }
    ip(&["link", "set", BRIDGE, "up"])?;
    settings(layout)?;
    rules::add()?;
    let folder = layout.path("cni");
    std::fs::create_dir_all(&folder).at("create", &folder)?;
    let path = folder.join("10-filegateway.conflist");
    std::fs::write(&path, format!("{:#}\n", cni(layout))).at("write", &path)
}

/// Which cluster made the bridge.
fn owner() -> String {
    let alias = format!("/sys/class/net/{BRIDGE}/ifalias");
    std::fs::read_to_string(alias)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Changes the kernel's settings and notes what they were, the first time.
fn settings(layout: &Layout) -> Result<()> {
    let note = layout.path("settings.json");
    if !note.exists() {
        let mut before = serde_json::Map::new();
        for path in SETTINGS
            .map(|(path, _)| path)
            .into_iter()
            .chain([ROUTE_LOCALNET])
        {
            if let Ok(value) = std::fs::read_to_string(path) {
                before.insert(path.to_owned(), value.trim().into());
            }
        }
        std::fs::write(&note, Value::from(before).to_string()).at("write", &note)?;
    }
    for (path, value) in SETTINGS {
        // Without the bridge filter module there is nothing to turn on, and Services still work from
        // other nodes' pods; loading it is the system's business.
        if Path::new(path).exists() {
            std::fs::write(path, value).at("write", path)?;
        }
    }
    Ok(())
}

fn cni(layout: &Layout) -> Value {
    json!({
        "cniVersion": "0.4.0",
        "name": "filegateway",
        "plugins": [
            {
                "type": "bridge",
                "bridge": BRIDGE,
                "isGateway": true,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{ "subnet": POD_RANGE, "gateway": NODE_ADDRESS }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                    "dataDir": layout.path("addresses"),
                },
            },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ],
    })
}

/// Starts kube-proxy. Node ports answer on 127.0.0.1 and the bridge alone.
///
/// # Errors
/// It can't be started.
pub fn start_proxy(layout: &Layout, toolbox: &Toolbox) -> Result<()> {
    let mut command = toolbox.command(Tool::KubeProxy);
    command
        .args(["--proxy-mode", "iptables", "--hostname-override", NODE])
        .args(["--cluster-cidr", POD_RANGE])
        .args(["--nodeport-addresses", &format!("127.0.0.0/8,{POD_RANGE}")])
        // Limits of the machine's connection table are not ours to change.
        .args(["--conntrack-max-per-core", "0"])
        .args(["--conntrack-tcp-timeout-established", "0s"])
        .args(["--conntrack-tcp-timeout-close-wait", "0s"])
        .args(["--healthz-bind-address", &format!("{NODE_ADDRESS}:10256")])
        .args(["--metrics-bind-address", &format!("{NODE_ADDRESS}:10249")])
        .arg("--kubeconfig")
        .arg(layout.path("pki/proxy.kubeconfig"));
    daemon::ensure(layout, "kube-proxy", command)
}

/// Takes away the rules and the bridge and sets the kernel's settings back. kube-proxy must be gone.
///
/// # Errors
/// The kernel refuses.
pub fn down(layout: &Layout) -> Result<()> {
    rules::remove()?;
    if owner() == layout.state().display().to_string() {
        run(Command::new("ip").args(["link", "delete", BRIDGE]))?;
    }
    let note = layout.path("settings.json");
    if let Ok(text) = std::fs::read_to_string(&note) {
        let before: serde_json::Map<String, Value> = serde_json::from_str(&text)?;
        for (path, value) in before {
            if let Some(value) = value.as_str() {
                std::fs::write(&path, value).at("write", &path)?;
            }
        }
        std::fs::remove_file(&note).at("delete", &note)?;
    }
    let addresses = layout.path("addresses");
    if addresses.exists() {
        std::fs::remove_dir_all(&addresses).at("delete", &addresses)?;
    }
    Ok(())
}
