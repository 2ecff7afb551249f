//! The cluster that a person means, and its FileGateways.

use anyhow::{Context, bail};
use crds::FileGateway;
use kube::api::{Api, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

use crate::Place;

/// One namespace of one cluster.
pub struct Cluster {
    pub client: Client,
    pub namespace: String,
}

impl Cluster {
    /// Reads the kubeconfig. Connects only when used.
    pub async fn connect(place: &Place) -> anyhow::Result<Self> {
        let file = match &place.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let options = KubeConfigOptions {
            context: place.context.clone(),
            ..KubeConfigOptions::default()
        };
        let config = Config::from_custom_kubeconfig(file.context("no kubeconfig")?, &options)
            .await
            .context("the kubeconfig can't be used")?;
        let namespace = place
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        Ok(Self {
            client: Client::try_from(config).context("the kubeconfig can't be used")?,
            namespace,
        })
    }

    pub fn gateways(&self) -> Api<FileGateway> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub async fn gateway(&self, name: &str) -> anyhow::Result<FileGateway> {
        let namespace = &self.namespace;
        match self.gateways().get_opt(name).await {
            Ok(Some(gateway)) => Ok(gateway),
            Ok(None) => bail!(
                "there is no FileGateway {name} in namespace {namespace}; `kubectl get fgw -A` lists \
                 all of them"
            ),
            Err(error) => Err(said(error)).context(format!(
                "FileGateway {name} in namespace {namespace} can't be read"
            )),
        }
    }

    /// Sets annotations, or removes those that are null.
    pub async fn annotate(&self, name: &str, annotations: Value) -> anyhow::Result<()> {
        let patch = json!({"metadata": {"annotations": annotations}});
        self.gateways()
            .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .map_err(said)
            .with_context(|| format!("FileGateway {name} can't be annotated"))?;
        Ok(())
    }
}

/// The API server's own words, without what surrounds them in the type's.
pub fn said(error: kube::Error) -> anyhow::Error {
    match error {
        kube::Error::Api(status) => anyhow::anyhow!("{}", status.message),
        error => error.into(),
    }
}
