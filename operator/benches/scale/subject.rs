//! The operator under the same load, and what becomes of it after that.

use std::time::{Duration, Instant};

use crate::field::Field;
use crate::floor::Floor;
use crate::gateways::{all_ready, apply};
use crate::program::Program;
use crate::report::Report;
use crate::settings::Settings;
use crate::settled::{CALLS, REMOTE};
use crate::{repair, settled, takeover};

const PASSES: &str = "filegateway_operator_reconciles_total";

/// Measures everything, beside the `floor` where it is known.
pub async fn measure(
    settings: &Settings,
    floor: Option<Floor>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let count = settings.gateways;
    let field = Field::start("operator", settings).await?;
    let program = Program::start(settings, &field, "operator").await?;
    let empty = program.resident()?;
    // The API server has made one already where the floor is measured.
    let began = Instant::now();
    apply(&field, count..count + 1).await?;
    all_ready(&field.client, 1).await?;
    report.time("one gateway alone, until it is ready", began.elapsed());

    let before = field.processor_seconds()?;
    let began = Instant::now();
    tokio::try_join!(apply(&field, 0..count), all_ready(&field.client, count + 1))?;
    let took = began.elapsed();
    report.time(
        format!("{count} gateways applied at once, until all are ready"),
        took,
    );
    if let Some(floor) = floor {
        let all = floor.objects + floor.told + floor.calls;
        report.time("floor, all together", all);
        let through = |floor: Duration| format!("{:.2}", took.as_secs_f64() / floor.as_secs_f64());
        report.add("through the floor (goal: at most 1.3)", through(all));
        report.add(
            "through the floor without statuses and Events",
            through(floor.objects + floor.calls),
        );
    }
    calls(count, &program, report).await?;
    let usage = program.usage()?;
    report.add(
        "processor time of the operator",
        format!("{:.1} s", usage.seconds),
    );
    for ((name, before), (_, after)) in before.into_iter().zip(field.processor_seconds()?) {
        report.add(
            format!("processor time of {name}"),
            format!("{:.1} s", after - before),
        );
    }
    report.add("memory of the operator without a gateway", mebibytes(empty));
    report.add("at most until all were ready", mebibytes(usage.peak));

    settled::measure(settings, &field, &program, report).await?;
    report.add(
        "memory after that (goal: at most 64 MiB)",
        mebibytes(program.resident()?),
    );
    let count = count + 1;
    repair::measure(count, &field, report).await?;
    let program = takeover::measure(settings, &field, program, report).await?;
    report.add(
        "memory of the second operator",
        mebibytes(program.resident()?),
    );
    program.stop().await?;
    field.stop().await
}

/// What the operator did for one gateway.
async fn calls(count: usize, program: &Program, report: &mut Report) -> anyhow::Result<()> {
    let each = |all: f64| format!("{:.1}", all / count as f64);
    let passes = program.metric(PASSES, &["kind=\"FileGateway\""]).await?;
    report.add("passes over a gateway", each(passes));
    for verb in ["read", "create", "patch"] {
        let calls = program
            .metric(CALLS, &[&format!("verb=\"{verb}\"")])
            .await?;
        report.add(
            format!("calls to kube-apiserver for it: {verb}"),
            each(calls),
        );
    }
    for system in ["s3", "iam", "sql"] {
        let calls = program
            .metric(REMOTE, &[&format!("system=\"{system}\"")])
            .await?;
        report.add(format!("calls for it: {system}"), each(calls));
    }
    Ok(())
}

fn mebibytes(amount: f64) -> String {
    format!("{amount:.1} MiB")
}
