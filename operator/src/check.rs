//! Whether an operator works, as far as the API server can tell: for `helm test`.

use std::time::Duration;

use crds::{FileGateway, FileGatewayClass};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use kube::api::{Api, ListParams};
use thiserror::Error;

use crate::config::Config;

/// How often a leader that goes on is looked for.
const LOOK: Duration = Duration::from_millis(500);

/// Why it does not.
#[derive(Debug, Error)]
pub enum CheckError {
    /// A resource is not served, or may not be read.
    #[error("{kind} can't be listed: {source}")]
    List {
        /// The resource's kind.
        kind: &'static str,
        /// What the API server said.
        source: Box<kube::Error>,
    },
    /// The Lease can't be read.
    #[error("the Lease {name} can't be read: {source}")]
    Lease {
        /// Its name.
        name: String,
        /// What the API server said.
        source: Box<kube::Error>,
    },
    /// Nobody renews the Lease.
    #[error("nobody has renewed the Lease {name} for {} s: no operator leads", .waited.as_secs())]
    NoLeader {
        /// Its name.
        name: String,
        /// How long it was watched.
        waited: Duration,
    },
}

/// Looks whether the resources are served and somebody leads; says who.
///
/// Clocks of two machines are not compared: a leader is one who renews while this looks on.
///
/// # Errors
/// When something is missing.
pub async fn check(config: &Config, client: &Client) -> Result<String, CheckError> {
    let one = ListParams::default().limit(1);
    let list = |kind| {
        move |source| CheckError::List {
            kind,
            source: Box::new(source),
        }
    };
    for gateways in config.watched.apis::<FileGateway>(client) {
        gateways.list(&one).await.map_err(list("FileGateways"))?;
    }
    let classes = Api::<FileGatewayClass>::all(client.clone());
    let classes = classes.list(&one).await;
    classes.map_err(list("FileGatewayClasses"))?;

    let leases: Api<Lease> = Api::namespaced(client.clone(), &config.operator_namespace);
    let name = &config.lease_name;
    let read = async || {
        let lease = leases.get_opt(name).await.map_err(|source| {
            let source = Box::new(source);
            let name = name.clone();
            CheckError::Lease { name, source }
        })?;
        let spec = lease.and_then(|lease| lease.spec);
        Ok(spec.map(|spec| (spec.holder_identity, spec.renew_time)))
    };
    let first = read().await?;
    // A new one may have to wait for the end of one that was lost.
    let waited = config.lease_duration * 2;
    let deadline = tokio::time::Instant::now() + waited;
    while tokio::time::Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
        let now = read().await?;
        if let Some((Some(holder), _)) = now.clone()
            && now != first
        {
            return Ok(format!("the resources are served, and {holder} leads"));
        }
    }
    Err(CheckError::NoLeader {
        name: name.clone(),
        waited,
    })
}
