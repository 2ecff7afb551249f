//! Looking past the gateway at what is really there.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::worlds::World;

impl World {
    /// The keys of all objects in the bucket.
    pub(crate) async fn objects(&self) -> Vec<String> {
        let list = self.s3.list_objects_v2().bucket(&self.name);
        let objects = list.send().await.unwrap().contents.unwrap_or_default();
        objects
            .into_iter()
            .filter_map(|object| object.key)
            .collect()
    }

    /// Key and id of the open uploads in parts, as far as the server lists them: MinIO does so for
    /// one whole key only.
    pub(crate) async fn uploads(&self) -> Vec<(String, String)> {
        let list = self.s3.list_multipart_uploads().bucket(&self.name);
        let uploads = list.send().await.unwrap().uploads.unwrap_or_default();
        uploads
            .into_iter()
            .filter_map(|upload| Some((upload.key?, upload.upload_id?)))
            .collect()
    }

    /// How many files the catalogue knows, in whatever state.
    pub(crate) async fn rows(&self) -> i64 {
        let query = "SELECT count(*) FROM files";
        if self.database_url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(&self.database_url).await.unwrap();
            sqlx::query_scalar(query)
                .fetch_one(&mut connection)
                .await
                .unwrap()
        } else {
            let mut connection = PgConnection::connect(&self.database_url).await.unwrap();
            sqlx::query_scalar(query)
                .fetch_one(&mut connection)
                .await
                .unwrap()
        }
    }

    /// Shows all files to the organization's members, or hides them.
    pub(crate) async fn set_visibility(&self, visibility: &str) {
        let statement = "UPDATE files SET visibility = $1";
        if self.database_url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(&self.database_url).await.unwrap();
            let update = sqlx::query(statement).bind(visibility);
            update.execute(&mut connection).await.unwrap();
        } else {
            let mut connection = PgConnection::connect(&self.database_url).await.unwrap();
            let update = sqlx::query(statement).bind(visibility);
            update.execute(&mut connection).await.unwrap();
        }
    }

    /// Fails unless there are exactly so many files: rows, objects, and no open upload in parts.
    /// What a broken connection leaves is undone in the background, so it gets ten seconds.
    pub(crate) async fn assert_files(&self, expected: usize) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let rows = self.rows().await;
            let objects = self.objects().await;
            let uploads = self.uploads().await;
            if rows == expected as i64 && objects.len() == expected && uploads.is_empty() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "not {expected} files: {rows} rows, objects {objects:?}, uploads {uploads:?}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
