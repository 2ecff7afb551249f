//! `gateway migrate`.

use gateway::app::open_catalog;
use gateway::config::{self, Database};
use tracing::info;

/// Brings the database up to date.
pub(crate) async fn run() -> anyhow::Result<()> {
    super::start_logs("info")?;
    let database = Database::read(&config::environment)?;
    open_catalog(&database).await?.close().await;
    info!("the database is up to date");
    Ok(())
}
