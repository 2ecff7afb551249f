//! `make bench-operator`: a thousand FileGateways applied at once, on a real API server with real S3, IAM and
//! PostgreSQL servers, and what the operator that is shipped takes for it.
//!
//! Nothing here judges: it prints figures, beside what the same servers take at least for the same work.

mod calls;
mod field;
mod floor;
mod gateways;
mod objects;
mod program;
mod repair;
mod report;
mod settings;
mod settled;
mod subject;
mod takeover;
mod told;

use report::Report;
use settings::Settings;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = Settings::from_env()?;
    // Dropped, the servers are ended and their folders removed.
    let report = tokio::select! {
        report = measure(&settings) => report?,
        () = operator::shutdown::signal() => anyhow::bail!("ended by a signal"),
    };
    print!("{report}");
    Ok(())
}

async fn measure(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let floor = if settings.floor {
        Some(floor::measure(settings, &mut report).await?)
    } else {
        None
    };
    subject::measure(settings, floor, &mut report).await?;
    Ok(report)
}
