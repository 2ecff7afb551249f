//! The FileGateways: applying them all at once, and waiting until each is ready.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context as _, bail};
use crds::FileGateway;
use futures_util::{StreamExt, TryStreamExt, stream};
use kube::api::{Api, PostParams};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use serde_json::json;

use crate::field::{CLASS, Field, namespace};
use crate::report::Progress;

/// Calls at once of a client that is in a hurry.
pub const AT_ONCE: usize = 32;
/// How long nothing may become ready before it is given up.
const PATIENCE: Duration = Duration::from_secs(90);

/// A gateway by its number.
pub fn name(number: usize) -> String {
    format!("files-{number}")
}

/// A gateway as a person would write it; one without `logins` brings its database along.
pub fn gateway(number: usize, logins: bool) -> anyhow::Result<FileGateway> {
    let database = if logins {
        json!({})
    } else {
        json!({"type": "Secret", "secretRef": {"name": "database"}})
    };
    Ok(serde_json::from_value(json!({
        "apiVersion": "filegateway.dev/v1alpha1",
        "kind": "FileGateway",
        "metadata": {"name": name(number), "namespace": namespace(number)},
        "spec": {
            "className": CLASS,
            "organization": format!("organization-{number}"),
            "database": database,
            "auth": {
                "issuer": "https://id.example.com",
                "audience": "files",
                "secretRef": {"name": "identity"},
            },
        },
    }))?)
}

/// Applies the gateways of these numbers.
pub async fn apply(field: &Field, numbers: std::ops::Range<usize>) -> anyhow::Result<()> {
    stream::iter(numbers)
        .map(|number| async move {
            let gateway = gateway(number, field.logins)?;
            Api::<FileGateway>::namespaced(field.client.clone(), &namespace(number))
                .create(&PostParams::default(), &gateway)
                .await?;
            anyhow::Ok(())
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// Waits until so many are ready at the same time.
pub async fn all_ready(client: &Client, count: usize) -> anyhow::Result<()> {
    let api: Api<FileGateway> = Api::all(client.clone());
    let stream = watcher(api, watcher::Config::default()).default_backoff();
    let mut stream = std::pin::pin!(stream);
    let mut progress = Progress::new("gateways ready:", count);
    let mut ready = HashSet::new();
    let mut last = String::new();
    while ready.len() < count {
        let next = tokio::time::timeout(PATIENCE, stream.next()).await;
        let Ok(event) = next else {
            bail!(
                "{} of {count} are ready, and no more become so; the last said: {last}",
                ready.len()
            );
        };
        let gateway = match event.context("the watch ended")?? {
            Event::Apply(gateway) | Event::InitApply(gateway) => gateway,
            Event::Delete(gateway) => {
                ready.remove(&gateway.name_any());
                continue;
            }
            Event::Init | Event::InitDone => continue,
        };
        let name = gateway.name_any();
        let status = gateway.status.unwrap_or_default();
        let current = status.observed_generation == gateway.metadata.generation;
        let condition = status
            .conditions
            .iter()
            .find(|found| found.type_ == "Ready");
        if current && condition.is_some_and(|found| found.status == "True") {
            ready.insert(name);
        } else {
            last = condition.map_or(String::new(), |found| format!("{name}: {}", found.message));
            ready.remove(&name);
        }
        progress.at(ready.len());
    }
    Ok(())
}
