//! How many files stand at once: their status, and how far their jobs are.

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::pool::read;
use super::{Catalog, CatalogError, Status};

/// As many placeholders as either database takes without a second thought.
const MOST_AT_ONCE: usize = 500;

/// How a file stands.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct StandingRow {
    /// The file.
    pub id: Uuid,
    /// Where it stands in its life.
    #[sqlx(try_from = "String")]
    pub status: Status,
    /// Why its job gave up.
    pub reason: Option<String>,
    /// How far its job is, in percent.
    pub progress: Option<i64>,
}

impl Catalog {
    /// How these files stand; what is not there is left out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn standings(&self, files: &[Uuid]) -> Result<Vec<StandingRow>, CatalogError> {
        let mut found = Vec::with_capacity(files.len());
        for files in files.chunks(MOST_AT_ONCE) {
            let places: Vec<_> = (1..=files.len()).map(|n| format!("${n}")).collect();
            let statement = format!(
                "SELECT files.id, files.status, files.reason, jobs.progress FROM files \
                 LEFT JOIN jobs ON jobs.file_id = files.id WHERE files.id IN ({})",
                places.join(", ")
            );
            // Placeholders alone were put into it.
            let statement = AssertSqlSafe(statement);
            found.extend(read!(self, "find how files stand", |db| {
                let query = sqlx::query_as::<_, StandingRow>(statement);
                files
                    .iter()
                    .fold(query, |query, file| query.bind(*file))
                    .fetch_all(db)
            })?);
        }
        Ok(found)
    }
}
