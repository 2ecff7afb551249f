//! The leader is killed, or told to stop, and another one goes on.

use std::time::{Duration, Instant};

use anyhow::ensure;
use crds::FileGateway;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use operator::meta::config_map_name;
use serde_json::json;

use crate::field::{Field, namespace};
use crate::gateways::name;
use crate::program::Program;
use crate::report::Report;
use crate::settings::Settings;

const PATIENCE: Duration = Duration::from_secs(120);

/// Measures how long a change waits that is made when the leader goes; answers who leads in the end.
pub async fn measure(
    settings: &Settings,
    field: &Field,
    mut first: Program,
    report: &mut Report,
) -> anyhow::Result<Program> {
    let second = stand_by(settings, field, "operator-2").await?;
    let began = Instant::now();
    first.crash()?;
    change(field, 1234).await?;
    report.time(
        "the leader killed: until a change arrives (a Lease of 15 s has to end)",
        began.elapsed(),
    );

    let third = stand_by(settings, field, "operator-3").await?;
    let began = Instant::now();
    let (stopped, changed) = tokio::join!(second.stop(), change(field, 2345));
    stopped?;
    changed?;
    report.time(
        "the leader stopped: until a change arrives",
        began.elapsed(),
    );
    Ok(third)
}

async fn stand_by(settings: &Settings, field: &Field, name: &str) -> anyhow::Result<Program> {
    let program = Program::start(settings, field, name).await?;
    let leads = program.metric("filegateway_operator_leader", &[]).await?;
    ensure!(leads == 0.0, "two lead at once");
    Ok(program)
}

/// Changes a spec and waits until pods are told.
async fn change(field: &Field, seconds: i32) -> anyhow::Result<()> {
    let (name, namespace) = (name(0), namespace(0));
    let client = &field.client;
    let patch = json!({"spec": {"tokens": {"lifetimeSeconds": seconds}}});
    Api::<FileGateway>::namespaced(client.clone(), &namespace)
        .patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
        .await?;
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    let began = Instant::now();
    loop {
        let data = api
            .get(&config_map_name(&name))
            .await?
            .data
            .unwrap_or_default();
        if data
            .values()
            .any(|value| value.contains(&seconds.to_string()))
        {
            return Ok(());
        }
        ensure!(began.elapsed() < PATIENCE, "nobody takes note of a change");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
