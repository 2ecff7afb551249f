//! A hundred children deleted at once.

use std::time::{Duration, Instant};

use anyhow::bail;
use futures_util::{StreamExt, TryStreamExt, stream};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams};
use kube::{Client, ResourceExt};
use operator::meta::children_selector;

use crate::field::{Field, namespace};
use crate::gateways::{all_ready, name};
use crate::objects::kinds;
use crate::report::Report;

const CHILDREN: usize = 100;
const PATIENCE: Duration = Duration::from_secs(120);

/// Deletes them, of as many gateways as there are and of each kind, and waits until all are there again.
pub async fn measure(count: usize, field: &Field, report: &mut Report) -> anyhow::Result<()> {
    let client = &field.client;
    let gateways = count.min(CHILDREN);
    let mut doomed = Vec::new();
    for number in 0..gateways {
        let children = children(client, number).await?;
        let each = CHILDREN.div_ceil(gateways).min(children.len());
        // Each gateway loses others than the one before.
        let skip = number % children.len().max(1);
        doomed.extend(children.into_iter().cycle().skip(skip).take(each));
    }
    doomed.truncate(CHILDREN);
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

#[derive(Clone)]
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

/// What a gateway has, with UIDs.
async fn children(client: &Client, number: usize) -> anyhow::Result<Vec<(Child, String)>> {
    let selector = ListParams::default().labels(&children_selector(&name(number)));
    let mut children = Vec::new();
    for kind in kinds() {
        let api = Api::<DynamicObject>::namespaced_with(client.clone(), &namespace(number), &kind);
        for found in api.list_metadata(&selector).await? {
            let child = Child {
                api: api.clone(),
                name: found.name_any(),
            };
            children.push((child, found.uid().unwrap_or_default()));
        }
    }
    Ok(children)
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
