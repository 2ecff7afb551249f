//! etcd and kube-apiserver: how both are run, for tests that need the API alone and for the cluster.

use crate::error::IoContext;
use crate::pki::{Authority, KeyFiles, Subject, signing_keys};
use crate::tools::{Tool, Toolbox};
use crate::{Result, secret};
use base64::Engine;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the control plane keeps its files and listens.
#[derive(Debug, Clone)]
pub struct ControlPlane {
    /// Certificates and keys.
    pub pki: PathBuf,
    /// etcd's data.
    pub etcd_data: PathBuf,
    /// The address of kube-apiserver.
    pub address: String,
    /// Its port.
    pub port: u16,
    /// etcd's port for clients, on 127.0.0.1.
    pub etcd_port: u16,
    /// etcd's port for other members, on 127.0.0.1; there are none, but it always listens.
    pub etcd_peer_port: u16,
    /// Addresses of Services, as a CIDR.
    pub service_range: String,
    /// The first address of that range: Service `kubernetes`.
    pub service_address: String,
}

impl ControlPlane {
    /// Makes certificates and keys, once: the last file written says that all are there. `others` are
    /// file names and subjects beyond those of the control plane.
    ///
    /// # Errors
    /// They can't be made or written.
    pub fn make_certificates(&self, others: &[(&str, Subject<'_>)]) -> Result<()> {
        let complete = self.pki.join("complete");
        if complete.exists() {
            return Ok(());
        }
        let authority = Authority::create(&self.pki)?;
        let client = |name, organization| Subject {
            name,
            organization,
            addresses: &[],
        };
        let addresses = [
            "localhost",
            "127.0.0.1",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            &self.address,
            &self.service_address,
        ];
        let server = |name, addresses| Subject {
            name,
            organization: None,
            addresses,
        };
        authority.issue("etcd", server("etcd", &["localhost", "127.0.0.1"]))?;
        authority.issue("apiserver", server("kube-apiserver", &addresses))?;
        authority.issue(
            "apiserver-client",
            client("kube-apiserver", Some("system:masters")),
        )?;
        authority.issue("admin", client("admin", Some("system:masters")))?;
        for (file, subject) in others {
            authority.issue(file, *subject)?;
        }
        signing_keys(
            &self.service_account_key(),
            &self.service_account_public_key(),
        )?;
        std::fs::write(&complete, "").at("write", &complete)
    }

    /// Signs service-account tokens.
    #[must_use]
    pub fn service_account_key(&self) -> PathBuf {
        self.pki.join("service-account.key")
    }

    /// Checks service-account tokens.
    #[must_use]
    pub fn service_account_public_key(&self) -> PathBuf {
        self.pki.join("service-account.pub")
    }

    /// Where kube-apiserver is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}:{}", self.address, self.port)
    }

    /// etcd, which believes holders of a certificate only, without waiting for the disk.
    #[must_use]
    pub fn etcd(&self, toolbox: &Toolbox) -> Command {
        let client = format!("https://127.0.0.1:{}", self.etcd_port);
        let peer = format!("https://127.0.0.1:{}", self.etcd_peer_port);
        let keys = KeyFiles::named(&self.pki, "etcd");
        let mut command = toolbox.command(Tool::Etcd);
        command
            .args([
                "--name",
                "testbed",
                "--unsafe-no-fsync",
                "--log-level",
                "warn",
            ])
            .arg("--data-dir")
            .arg(&self.etcd_data)
            .args([
                "--listen-client-urls",
                &client,
                "--advertise-client-urls",
                &client,
            ])
            .args([
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
            ])
            .args(["--initial-cluster", &format!("testbed={peer}")])
            .args(["--client-cert-auth", "--peer-client-cert-auth"]);
        for prefix in ["--", "--peer-"] {
            command
                .arg(format!("{prefix}trusted-ca-file"))
                .arg(Authority::certificate(&self.pki))
                .arg(format!("{prefix}cert-file"))
                .arg(&keys.certificate)
                .arg(format!("{prefix}key-file"))
                .arg(&keys.key);
        }
        command
    }

    /// kube-apiserver with role-based access control.
    #[must_use]
    pub fn apiserver(&self, toolbox: &Toolbox) -> Command {
        let authority = Authority::certificate(&self.pki);
        let (server, client) = (
            KeyFiles::named(&self.pki, "apiserver"),
            KeyFiles::named(&self.pki, "apiserver-client"),
        );
        let mut command = toolbox.command(Tool::KubeApiserver);
        command
            .args([
                "--etcd-servers",
                &format!("https://127.0.0.1:{}", self.etcd_port),
            ])
            .args([
                "--bind-address",
                &self.address,
                "--secure-port",
                &self.port.to_string(),
            ])
            .args(["--service-cluster-ip-range", &self.service_range])
            .args(["--authorization-mode", "Node,RBAC", "--allow-privileged"])
            .args(["--service-account-issuer", "https://kubernetes.default.svc"]);
        let files = [
            ("--etcd-cafile", &authority),
            ("--etcd-certfile", &client.certificate),
            ("--etcd-keyfile", &client.key),
            ("--tls-cert-file", &server.certificate),
            ("--tls-private-key-file", &server.key),
            ("--client-ca-file", &authority),
            (
                "--service-account-key-file",
                &self.service_account_public_key(),
            ),
            (
                "--service-account-signing-key-file",
                &self.service_account_key(),
            ),
            ("--kubelet-certificate-authority", &authority),
            ("--kubelet-client-certificate", &client.certificate),
            ("--kubelet-client-key", &client.key),
        ];
        for (flag, path) in files {
            command.arg(flag).arg(path);
        }
        command
    }

    /// Writes a kubeconfig (0600) that holds everything it needs, for one of the client certificates.
    ///
    /// # Errors
    /// The certificate can't be read or the file not written.
    pub fn write_kubeconfig(&self, path: &Path, user: &str) -> Result<()> {
        let keys = KeyFiles::named(&self.pki, user);
        let encoded = |path: &Path| -> Result<String> {
            let bytes = std::fs::read(path).at("read", path)?;
            Ok(base64::engine::general_purpose::STANDARD.encode(bytes))
        };
        // JSON is YAML too.
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "filegateway",
            "clusters": [{"name": "filegateway", "cluster": {
                "server": self.url(),
                "certificate-authority-data": encoded(&Authority::certificate(&self.pki))?,
            }}],
            "users": [{"name": user, "user": {
                "client-certificate-data": encoded(&keys.certificate)?,
                "client-key-data": encoded(&keys.key)?,
            }}],
            "contexts": [{"name": "filegateway", "context": {
                "cluster": "filegateway",
                "user": user,
            }}],
        });
        secret::write(path, &format!("{config:#}\n"))
    }
}
