//! A hundred children deleted at once.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use futures_util::{StreamExt, TryStreamExt, stream};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject};
use kube::{Client, ResourceExt};

use crate::field::{Field, namespace};
use crate::gateways::{all_ready, name};
use crate::objects::kinds;
use crate::report::Report;

const CHILDREN: usize = 100;
/// Kinds whose child has its gateway's name.
const KINDS: [&str; 4] = ["ConfigMap", "Service", "NetworkPolicy", "Deployment"];
const PATIENCE: Duration = Duration::from_secs(120);

/// Deletes them, a kind's worth of each gateway after the other, and waits until all are there again.
pub async fn measure(count: usize, field: &Field, report: &mut Report) -> anyhow::Result<()> {
    let kinds: Vec<ApiResource> = kinds()
        .into_iter()
        .filter(|kind| KINDS.contains(&kind.kind.as_str()))
        .collect();
    let gateways = count.min(CHILDREN / kinds.len());
    let client = &field.client;
    let mut doomed = Vec::new();
    for number in 0..gateways {
        for kind in &kinds {
            let child = Child {
                api: Api::namespaced_with(client.clone(), &namespace(number), kind),
                name: name(number),
            };
            let uid = child.uid().await?.context("a child is missing")?;
            doomed.push((child, uid));
        }
    }
    let background = DeleteParams::background();
    let began = Instant::now();
    stream::iter(&doomed)
        .map(|(child, _)| child.api.delete(&child.name, &background))
        .buffer_unordered(CHILDREN)
        .try_collect::<Vec<_>>()
        .await?;
    let deleted = began.elapsed();
    let total = doomed.len();
    wait(doomed).await?;
    report.time(format!("deleting {total} children at once"), deleted);
    report.time(
        "until all are there again, from the first deletion",
        began.elapsed(),
    );
    settle(client, count).await?;
    report.time("until all gateways are ready again", began.elapsed());
    Ok(())
}

struct Child {
    api: Api<DynamicObject>,
    name: String,
}

impl Child {
    async fn uid(&self) -> anyhow::Result<Option<String>> {
        let live = self.api.get_metadata_opt(&self.name).await?;
        Ok(live.and_then(|live| live.uid()))
    }
}

async fn wait(mut missing: Vec<(Child, String)>) -> anyhow::Result<()> {
    let began = Instant::now();
    while !missing.is_empty() {
        if began.elapsed() > PATIENCE {
            bail!("{} children did not come back", missing.len());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let looked = stream::iter(missing)
            .map(|(child, former)| async move {
                let back = child.uid().await?.is_some_and(|uid| uid != former);
                anyhow::Ok((!back).then_some((child, former)))
            })
            .buffer_unordered(CHILDREN);
        missing = looked
            .try_filter_map(|left| async { Ok(left) })
            .try_collect()
            .await?;
    }
    Ok(())
}

/// A gateway whose pods are gone says so a moment later.
async fn settle(client: &Client, count: usize) -> anyhow::Result<()> {
    tokio::time::sleep(Duration::from_secs(2)).await;
    all_ready(client, count).await
}
