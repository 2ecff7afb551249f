//! What the servers take at least: the objects of as many gateways created by a client that does nothing else, until
//! their pods are ready, after that their statuses and Events, and at last the calls to S3, IAM and PostgreSQL.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use crds::{ClassSnapshot, FileGateway};
use futures_util::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, PostParams};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use operator::meta::{Owner, managed_selector};

use crate::calls::Calls;
use crate::field::{Field, namespace};
use crate::gateways::{AT_ONCE, all_ready, apply, gateway, name};
use crate::objects::Pattern;
use crate::program::Program;
use crate::report::{Progress, Report};
use crate::settings::Settings;
use crate::told::Told;

const PATIENCE: Duration = Duration::from_secs(90);

/// How long each part of it takes.
#[derive(Clone, Copy, Debug)]
pub struct Floor {
    /// The objects, until their pods are ready.
    pub objects: Duration,
    /// What is said of them at the end: one status and a few Events for each gateway.
    pub told: Duration,
    /// The calls to S3, IAM and PostgreSQL.
    pub calls: Duration,
}

/// Measures all parts, on servers that nobody has used before.
pub async fn measure(settings: &Settings, report: &mut Report) -> anyhow::Result<Floor> {
    let count = settings.gateways;
    let field = Field::start("floor", settings).await?;
    let (pattern, told, class) = pattern(settings, &field).await?;
    report.add(
        "objects of a gateway, itself left out",
        pattern.len().to_string(),
    );
    report.add("Events of a gateway", told.events().to_string());

    let before = field.processor_seconds()?;
    let began = Instant::now();
    let (owners, ()) = tokio::try_join!(
        objects(&field, count, &pattern),
        available(&field.client, (count + 1) * pattern.deployments),
    )?;
    let objects = began.elapsed();
    report.time("floor: the objects, until their pods are ready", objects);

    let began = Instant::now();
    for_each("floor: gateways told of:", &owners, |owner| {
        told.say(&field.client, owner)
    })
    .await?;
    let told = began.elapsed();
    report.time("floor: the statuses and Events", told);

    let calls = Calls::new(&field.client, &class).await?;
    let began = Instant::now();
    for_each("floor: gateways called for:", &owners, |owner| {
        calls.make(owner)
    })
    .await?;
    let calls = began.elapsed();
    report.time("floor: the calls to S3, IAM and PostgreSQL", calls);
    for ((name, before), (_, after)) in before.into_iter().zip(field.processor_seconds()?) {
        let seconds = after - before;
        report.add(
            format!("floor: processor time of {name}"),
            format!("{seconds:.1} s"),
        );
    }
    field.stop().await?;
    Ok(Floor {
        objects,
        told,
        calls,
    })
}

/// What the operator makes of one gateway and says of it, and the class as it sees it; it is stopped again.
async fn pattern(
    settings: &Settings,
    field: &Field,
) -> anyhow::Result<(Pattern, Told, ClassSnapshot)> {
    let number = settings.gateways;
    let program = Program::start(settings, field, "operator").await?;
    apply(field, number..number + 1).await?;
    all_ready(&field.client, 1).await?;
    program.stop().await?;
    let made = Api::<FileGateway>::namespaced(field.client.clone(), &namespace(number))
        .get(&name(number))
        .await?;
    let owner = Owner::of(&made).context("no owner")?;
    let class = made.status.as_ref().and_then(|status| status.class.clone());
    let pattern = Pattern::of(&field.client, owner).await?;
    let told = Told::of(&field.client, made).await?;
    Ok((pattern, told, class.context("no class in the status")?))
}

async fn objects(field: &Field, count: usize, pattern: &Pattern) -> anyhow::Result<Vec<Owner>> {
    let client = &field.client;
    stream::iter(0..count)
        .map(|number| async move {
            let made = Api::<FileGateway>::namespaced(client.clone(), &namespace(number))
                .create(&PostParams::default(), &gateway(number, field.logins)?)
                .await?;
            let owner = Owner::of(&made).context("no owner")?;
            pattern.make(client, &owner).await?;
            anyhow::Ok(owner)
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// Waits until so many Deployments have all their pods.
async fn available(client: &Client, count: usize) -> anyhow::Result<()> {
    let api: Api<Deployment> = Api::all(client.clone());
    let managed = watcher::Config::default().labels(&managed_selector());
    let mut stream = std::pin::pin!(watcher(api, managed).default_backoff());
    let mut progress = Progress::new("floor: Deployments available:", count);
    let mut ready = HashSet::new();
    while ready.len() < count {
        let Ok(event) = tokio::time::timeout(PATIENCE, stream.next()).await else {
            bail!(
                "{} of {count} Deployments are available, and no more become so",
                ready.len()
            );
        };
        if let Event::Apply(deployment) | Event::InitApply(deployment) =
            event.context("the watch ended")??
        {
            let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
            let available = deployment
                .status
                .as_ref()
                .and_then(|status| status.available_replicas);
            if available.is_some() && available == wanted {
                ready.insert(deployment.name_any());
            }
        }
        progress.at(ready.len());
    }
    Ok(())
}

async fn for_each<'a, F>(
    what: &'static str,
    owners: &'a [Owner],
    act: impl Fn(&'a Owner) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let mut progress = Progress::new(what, owners.len());
    let mut done = 0;
    let mut acts = stream::iter(owners.iter().map(act)).buffer_unordered(AT_ONCE);
    while let Some(outcome) = acts.next().await {
        outcome?;
        done += 1;
        progress.at(done);
    }
    Ok(())
}
