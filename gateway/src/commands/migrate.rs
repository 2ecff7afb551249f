//! `gateway migrate`.

use gateway::app::open_catalog;
use tracing::info;

use super::ConfigArguments;

/// Brings the database up to date.
pub(crate) async fn run(arguments: &ConfigArguments) -> anyhow::Result<()> {
    let database = arguments
        .sources_and_logs("filegateway-migrate")?
        .database()?;
    open_catalog(&database).await?.close().await;
    info!("the database is up to date");
    Ok(())
}
