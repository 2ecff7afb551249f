//! kubectl and Helm on one cluster.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::de::DeserializeOwned;

use crate::command;
use crate::error::IoContext;
use crate::{Error, Result};

/// How a cluster is reached.
#[derive(Debug, Clone)]
pub struct Access {
    /// The kubectl program.
    pub kubectl: PathBuf,
    /// The Helm program.
    pub helm: PathBuf,
    /// The kubeconfig; absent: the user's own.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; absent: the current one.
    pub context: Option<String>,
}

impl Access {
    /// kubectl with `arguments` after the flags that choose the cluster.
    #[must_use]
    pub fn kubectl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl);
        if let Some(kubeconfig) = &self.kubeconfig {
            command.arg("--kubeconfig").arg(kubeconfig);
        }
        if let Some(context) = &self.context {
            command.arg("--context").arg(context);
        }
        command.args(arguments);
        command
    }

    /// Helm with `arguments` after the flags that choose the cluster.
    #[must_use]
    pub fn helm(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.helm);
        if let Some(kubeconfig) = &self.kubeconfig {
            command.arg("--kubeconfig").arg(kubeconfig);
        }
        if let Some(context) = &self.context {
            command.arg("--kube-context").arg(context);
        }
        command.args(arguments);
        command
    }

    /// Applies manifests (YAML or JSON), which may hold Secrets: they go by standard input.
    ///
    /// # Errors
    /// kubectl can't be run, or the API server refuses them.
    pub fn apply(&self, manifests: &str) -> Result<()> {
        let mut command = self.kubectl(&[
            "apply",
            "--server-side",
            "--force-conflicts",
            "--field-manager=filegateway-testbed",
            "-f",
            "-",
        ]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .at("run", &self.kubectl)?;
        if let Some(mut input) = child.stdin.take() {
            input
                .write_all(manifests.as_bytes())
                .at("write to", &self.kubectl)?;
        }
        let output = child.wait_with_output().at("wait for", &self.kubectl)?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::Command {
            command: "kubectl apply -f -".into(),
            status: output.status,
            output: command::tail(&String::from_utf8_lossy(&output.stderr)),
        })
    }

    /// One object, or `None` when it is not there.
    ///
    /// # Errors
    /// kubectl can't be run, the API server can't be reached, or the object has another shape.
    pub fn get<T: DeserializeOwned>(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<T>> {
        let json = command::run(&mut self.kubectl(&[
            "get",
            kind,
            name,
            "--namespace",
            namespace,
            "--ignore-not-found",
            "--output=json",
        ]))?;
        if json.trim().is_empty() {
            return Ok(None);
        }
        let object = serde_json::from_str(&json).map_err(|error| {
            Error::Refused(format!(
                "{kind} {namespace}/{name} has an unexpected shape: {error}"
            ))
        })?;
        Ok(Some(object))
    }
}
