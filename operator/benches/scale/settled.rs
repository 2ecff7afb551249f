//! What goes on while nothing has to.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kube::Client;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use crate::field::Field;
use crate::program::{Program, sum};
use crate::report::Report;
use crate::settings::Settings;

/// For how long the operator has to write nothing before it counts as settled.
const QUIET: Duration = Duration::from_secs(15);
/// The operator's calls to the API server.
pub const CALLS: &str = "filegateway_operator_api_calls_total";
/// Those to S3, IAM and PostgreSQL.
pub const REMOTE: &str = "filegateway_operator_remote_call_duration_seconds_count";
const WRITES: [&str; 5] = ["POST", "PUT", "PATCH", "APPLY", "DELETE"];

/// Everything that is counted, at one moment.
struct Counts {
    writes: f64,
    reads: f64,
    remote: f64,
    /// At the API server, by kind, whoever made them; Leases and what is not stored are left out.
    at_server: BTreeMap<String, f64>,
    /// Sessions that PostgreSQL has seen.
    sessions: i64,
}

impl Counts {
    async fn now(field: &Field, program: &Program) -> anyhow::Result<Self> {
        let mut writes = 0.0;
        for verb in ["create", "update", "patch", "delete"] {
            writes += program
                .metric(CALLS, &[&format!("verb=\"{verb}\"")])
                .await?;
        }
        Ok(Self {
            writes,
            reads: program.metric(CALLS, &["verb=\"read\""]).await?,
            remote: program.metric(REMOTE, &[]).await?,
            at_server: at_server(&field.client).await?,
            sessions: sessions(field.postgres()?).await?,
        })
    }
}

/// Waits until the system is settled, and counts for as long as the settings say.
pub async fn measure(
    settings: &Settings,
    field: &Field,
    program: &Program,
    report: &mut Report,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut before = Counts::now(field, program).await?;
    loop {
        tokio::time::sleep(QUIET).await;
        let now = Counts::now(field, program).await?;
        let quiet = now.at_server == before.at_server;
        before = now;
        if quiet {
            break;
        }
    }
    report.time(
        "settled after that, with the pause that shows it",
        began.elapsed(),
    );
    tokio::time::sleep(settings.settled).await;
    let after = Counts::now(field, program).await?;

    let seconds = settings.settled.as_secs();
    let others: Vec<String> = after
        .at_server
        .iter()
        .filter_map(|(kind, count)| {
            let new = count - before.at_server.get(kind).unwrap_or(&0.0);
            (new > 0.0).then(|| format!("{new} of {kind}"))
        })
        .collect();
    let written = match others.len() {
        0 => "0".to_string(),
        _ => others.join(", "),
    };
    report.add(
        format!("writes at the API server in {seconds} s by anybody, Leases left out (goal: 0)"),
        written,
    );
    let difference = |after: f64, before: f64| (after - before).to_string();
    report.add(
        "writes of the operator meanwhile, all of its Lease",
        difference(after.writes, before.writes),
    );
    report.add(
        "reads of the operator meanwhile: every 30 s it looks for kinds that the cluster lacks",
        difference(after.reads, before.reads),
    );
    // What made the gateways ready was counted, too; if it was not, nothing is known.
    let remote = if before.remote > 0.0 {
        difference(after.remote, before.remote)
    } else {
        "not counted by this operator".to_string()
    };
    report.add(
        "calls to S3, IAM and PostgreSQL meanwhile (goal: 0)",
        remote,
    );
    // One is ours, which asks.
    let sessions = after.sessions - before.sessions - 1;
    report.add(
        "sessions that PostgreSQL saw meanwhile (goal: 0)",
        sessions.to_string(),
    );
    Ok(())
}

async fn at_server(client: &Client) -> anyhow::Result<BTreeMap<String, f64>> {
    let request = http::Request::get("/metrics").body(Vec::new())?;
    let text = client.request_text(request).await?;
    let mut counts = BTreeMap::new();
    for line in text.lines() {
        let Some(labels) = line.strip_prefix("apiserver_request_total{") else {
            continue;
        };
        let label = |name: &str| {
            let (_, rest) = labels.split_once(&format!("{name}=\""))?;
            rest.split('"').next()
        };
        let (Some(kind), Some(verb)) = (label(",resource").or(label("resource")), label("verb"))
        else {
            continue;
        };
        let stored = !["", "leases", "subjectaccessreviews", "tokenreviews"].contains(&kind);
        if stored && WRITES.contains(&verb) && label("dry_run") == Some("") {
            *counts.entry(kind.to_string()).or_default() +=
                sum(line, "apiserver_request_total", &[]);
        }
    }
    Ok(counts)
}

async fn sessions(url: &str) -> anyhow::Result<i64> {
    let mut connection = PgConnection::connect(url).await?;
    // A session that ends is counted half a second later at most.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let sessions = sqlx::query_scalar("SELECT sum(sessions)::bigint FROM pg_stat_database")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    Ok(sessions)
}
