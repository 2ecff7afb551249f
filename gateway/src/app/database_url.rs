//! The file with the database's URL, which holds a password and may change under way.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::{info, warn};

use super::AppError;
use crate::catalog::{Catalog, CatalogError};
use crate::causes::causes;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The URL in the file, without the newline that editors put at the end.
pub(super) async fn read(path: &Path) -> Result<String, AppError> {
    let text = tokio::fs::read(path)
        .await
        .map_err(|source| AppError::Secret {
            path: path.to_owned(),
            source,
        })?;
    let text = String::from_utf8(text).map_err(|_| AppError::Catalog(CatalogError::Url))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Has the catalogue take up each new URL, until the catalogue is closed. `used` is the one that it
/// has.
pub(super) fn follow(path: PathBuf, mut used: String, catalog: Catalog) {
    tokio::spawn(async move {
        let mut is_bad = false;
        while !catalog.is_closed() {
            tokio::time::sleep(LOOK_EVERY).await;
            let taken_up = match read(&path).await {
                Ok(url) if url == used => Ok(None),
                Ok(url) => match catalog.take_up(&url) {
                    Ok(()) => Ok(Some(url)),
                    Err(error) => Err(AppError::Catalog(error)),
                },
                Err(error) => Err(error),
            };
            match taken_up {
                Ok(None) => is_bad = false,
                Ok(Some(url)) => {
                    info!("new connections to the database use its new URL");
                    (used, is_bad) = (url, false);
                }
                // Told once, not each second.
                Err(error) if !is_bad => {
                    is_bad = true;
                    warn!(
                        error = causes(&error),
                        "the database's URL can't be used, the last good one stays in use"
                    );
                }
                Err(_) => {}
            }
        }
    });
}
