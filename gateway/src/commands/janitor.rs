//! `gateway janitor`.

use std::time::Duration;

use clap::Args;
use gateway::app::App;
use serde_json::json;

use super::ConfigArguments;

/// What to settle, and how to tell of it.
#[derive(Args)]
pub(crate) struct JanitorArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Only say what would be settled; changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// How long nobody must have been at work on it, in seconds. A running upload gives a sign of
    /// life every ten minutes, so less than twenty is refused.
    #[arg(long, value_name = "SECONDS", default_value_t = 24 * 3600, value_parser = clap::value_parser!(u64).range(1200..))]
    age: u64,
    /// Print one line of JSON for scripts.
    #[arg(long)]
    json: bool,
}

/// Settles once what crashes left, and prints what it found.
pub(crate) async fn run(arguments: &JanitorArguments) -> anyhow::Result<()> {
    let sources = arguments.config.sources();
    // What is printed is the report; the log tells of what is amiss.
    super::start_logs(&sources.log_filter("warn"), "filegateway-janitor")?;
    let backends = sources.backends()?;
    let keys = super::keys(&backends.store);
    let app = App::open(&backends, keys, true).await?;
    let age = Duration::from_secs(arguments.age);
    let swept = if arguments.dry_run {
        Some(app.files.survey(age).await?)
    } else {
        app.files.sweep(age).await?
    };
    app.files.settle().await;
    app.catalog.close().await;
    if arguments.json {
        let report = json!({"dry_run": arguments.dry_run, "busy": swept.is_none(), "swept": swept});
        println!("{report}");
    } else {
        match &swept {
            Some(swept) => print!("{swept}"),
            None => println!("another janitor is at work"),
        }
    }
    match swept.map_or(0, |swept| swept.failed()) {
        0 => Ok(()),
        failed => anyhow::bail!("{failed} could not be settled; the log says why"),
    }
}
