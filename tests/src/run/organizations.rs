//! Two organizations, each with a FileGateway, reached from this machine.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crds::FileGateway;
use crds::conditions::READY;
use serde_json::{Value, json};

use super::Access;
use super::install::{namespace, secret_manifest};
use crate::journey::identity::Issuer;
use crate::journey::{Gateway, Steps};
use crate::{Error, Result};

/// How long a gateway may take to become ready; pulling images on a slow network is part of it.
const READY_WITHIN: Duration = Duration::from_secs(240);

/// One organization of the demonstration.
#[derive(Debug, Clone, Copy)]
pub struct Organization {
    /// Its name, which is its namespace's too.
    pub name: &'static str,
    /// Its FileGateway, in YAML.
    pub manifest: &'static str,
    /// The node port that its gateway is reached by on the local cluster.
    pub node_port: u16,
}

/// The name of both FileGateways.
pub const GATEWAY: &str = "files";

/// The two organizations: one on PostgreSQL with two replicas, one on SQLite.
#[must_use]
pub fn organizations() -> [Organization; 2] {
    [
        Organization {
            name: "acme",
            manifest: include_str!("../../manifests/organizations/acme.yaml"),
            node_port: 30080,
        },
        Organization {
            name: "globex",
            manifest: include_str!("../../manifests/organizations/globex.yaml"),
            node_port: 30081,
        },
    ]
}

/// The issuer whose secret the organizations' Secrets hold already, or a new one, so that tokens of an
/// earlier run stay good.
///
/// # Errors
/// The cluster can't be asked.
pub fn issuer(access: &Access) -> Result<Issuer> {
    let known: Option<Value> = access.get("secret", organizations()[0].name, "identity")?;
    let secret = known
        .and_then(|secret| STANDARD.decode(secret["data"]["secret"].as_str()?).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(secret.map_or_else(Issuer::random, Issuer::with_secret))
}

/// Applies namespace, auth Secret and FileGateway.
///
/// # Errors
/// The API server refuses one of them.
pub fn apply(access: &Access, organization: &Organization, issuer: &Issuer) -> Result<()> {
    access.apply(&namespace(organization.name).to_string())?;
    let data = json!({ "secret": STANDARD.encode(issuer.secret()) });
    access.apply(&secret_manifest(organization.name, "identity", &data).to_string())?;
    access.apply(organization.manifest)
}

/// Waits until the FileGateway is ready, telling each change of its reason.
///
/// # Errors
/// It is not ready in time; the message is the `Ready` condition's.
pub async fn wait_ready(
    access: &Access,
    organization: &Organization,
    steps: &Steps,
) -> Result<FileGateway> {
    let started = Instant::now();
    let mut told = String::new();
    loop {
        let gateway: Option<FileGateway> =
            access.get("filegateways.filegateway.dev", organization.name, GATEWAY)?;
        let ready = gateway.as_ref().and_then(|gateway| {
            let current = gateway.metadata.generation;
            let status = gateway.status.as_ref()?;
            let fresh = status.observed_generation == current;
            status
                .conditions
                .iter()
                .find(|condition| fresh && condition.type_ == READY)
        });
        if let (Some(gateway), Some(ready)) = (&gateway, ready) {
            if ready.status == "True" {
                return Ok(gateway.clone());
            }
            let now = format!("{}: {}", ready.reason, ready.message);
            if now != told {
                steps.say(&format!("{}: {now}", organization.name));
                told = now;
            }
        }
        if started.elapsed() > READY_WITHIN {
            return Err(Error::Refused(format!(
                "FileGateway {}/{GATEWAY} is not ready after {} s; its last word: {told}",
                organization.name,
                READY_WITHIN.as_secs()
            )));
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// What scripts need to know of a ready gateway.
///
/// # Errors
/// Signing fails, or the status lacks the bucket.
pub fn describe(gateway: &FileGateway, url: String, issuer: &Issuer) -> Result<Gateway> {
    let organization = gateway.spec.organization.clone();
    let bucket = gateway
        .status
        .as_ref()
        .and_then(|status| status.bucket.as_ref());
    let bucket = bucket.map(|bucket| bucket.name.clone()).ok_or_else(|| {
        Error::Refused("a ready FileGateway names its bucket in status.bucket".into())
    })?;
    Ok(Gateway {
        namespace: gateway.metadata.namespace.clone().unwrap_or_default(),
        name: gateway.metadata.name.clone().unwrap_or_default(),
        tokens: issuer.tokens(&organization)?,
        organization,
        url,
        bucket,
    })
}
