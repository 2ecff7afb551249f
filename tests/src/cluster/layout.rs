//! Names, addresses and files of the local cluster. One per machine: the bridge and its addresses are fixed.

use crate::servers::control_plane::ControlPlane;
use std::path::{Path, PathBuf};

/// The node's name.
pub const NODE: &str = "filegateway";
/// The bridge that pods hang on.
pub const BRIDGE: &str = "fgw0";
/// The node's address, the bridge's own. The API server and the name server listen on it alone, so
/// nothing is offered to the machine's network.
pub const NODE_ADDRESS: &str = "10.213.0.1";
/// Addresses of pods.
pub const POD_RANGE: &str = "10.213.0.0/16";
/// The mask of that range.
pub const POD_PREFIX: u8 = 16;
/// Addresses of Services.
pub const SERVICE_RANGE: &str = "10.214.0.0/16";
/// The address of Service `kubernetes`, by convention the first of the range.
pub const SERVICE_ADDRESS: &str = "10.214.0.1";
/// The port of the API server.
pub const API_PORT: u16 = 6443;
const ETCD_PORT: u16 = 23790;
const ETCD_PEER_PORT: u16 = 23791;

/// The folder of one cluster. Everything that it keeps is below it.
#[derive(Debug, Clone)]
pub struct Layout {
    state: PathBuf,
}

impl Layout {
    /// The cluster whose state is in `state`.
    #[must_use]
    pub fn new(state: PathBuf) -> Self {
        Self { state }
    }

    /// The folder itself.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// A file or folder in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.state.join(name)
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.path("kubeconfig")
    }

    /// Records of running processes.
    #[must_use]
    pub fn run(&self) -> PathBuf {
        self.path("run")
    }

    /// Log files of the cluster's processes.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.path("logs")
    }

    /// containerd's socket.
    #[must_use]
    pub fn containerd_socket(&self) -> PathBuf {
        self.path("containerd/containerd.sock")
    }

    /// How etcd and kube-apiserver are run.
    #[must_use]
    pub fn control_plane(&self) -> ControlPlane {
        ControlPlane {
            pki: self.path("pki"),
            etcd_data: self.path("etcd"),
            address: NODE_ADDRESS.to_owned(),
            port: API_PORT,
            etcd_port: ETCD_PORT,
            etcd_peer_port: ETCD_PEER_PORT,
            service_range: SERVICE_RANGE.to_owned(),
            service_address: SERVICE_ADDRESS.to_owned(),
        }
    }
}
