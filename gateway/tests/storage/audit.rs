//! Looking past the gateway at what is really there.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::world::{ObjectStore, World};

impl World {
    /// The keys of all objects in the bucket.
    pub(crate) async fn objects(&self) -> Vec<String> {
        let list = self.s3.list_objects_v2().bucket(&self.bucket);
        let output = list.send().await.unwrap();
        assert_ne!(output.is_truncated, Some(true));
        let objects = output.contents.unwrap_or_default();
        objects.into_iter().filter_map(|o| o.key).collect()
    }

    /// Key and id of every open upload in parts, where the server can list them. MinIO lists those
    /// of one whole key only, so it is asked for each key that has a row.
    pub(crate) async fn every_upload(&self) -> Vec<(String, String)> {
        match self.object_store {
            ObjectStore::Embedded => Vec::new(),
            ObjectStore::Versitygw => self.uploads("").await,
            ObjectStore::Minio => {
                let mut uploads = Vec::new();
                for object in self.objects().await {
                    uploads.extend(self.uploads(&object).await);
                }
                uploads
            }
        }
    }

    /// The open uploads in parts whose keys begin with `prefix`.
    pub(crate) async fn uploads(&self, prefix: &str) -> Vec<(String, String)> {
        if self.object_store == ObjectStore::Embedded {
            return self.embedded_uploads();
        }
        let list = self.s3.list_multipart_uploads().bucket(&self.bucket);
        let output = list.prefix(prefix).send().await.unwrap();
        let uploads = output.uploads.unwrap_or_default();
        uploads
            .into_iter()
            .filter_map(|upload| Some((upload.key?, upload.upload_id?)))
            .collect()
    }

    /// The embedded store can't list uploads, but each of them is files in its folder.
    fn embedded_uploads(&self) -> Vec<(String, String)> {
        let entries = std::fs::read_dir(self.folder().join("s3")).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with(".upload"))
            .map(|name| (name.clone(), name))
            .collect()
    }

    /// What a query of one number says, on a connection of the test's own.
    pub(crate) async fn count(&self, query: &'static str) -> i64 {
        if self.database_url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(&self.database_url).await.unwrap();
            let count = sqlx::query_scalar(query).fetch_one(&mut connection).await;
            count.unwrap()
        } else {
            let mut connection = PgConnection::connect(&self.database_url).await.unwrap();
            let count = sqlx::query_scalar(query).fetch_one(&mut connection).await;
            count.unwrap()
        }
    }

    /// Changes rows behind the gateway's back.
    pub(crate) async fn execute(&self, statement: &'static str) {
        if self.database_url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(&self.database_url).await.unwrap();
            sqlx::raw_sql(statement)
                .execute(&mut connection)
                .await
                .unwrap();
        } else {
            let mut connection = PgConnection::connect(&self.database_url).await.unwrap();
            sqlx::raw_sql(statement)
                .execute(&mut connection)
                .await
                .unwrap();
        }
    }

    /// The locations of all rows.
    pub(crate) async fn locations(&self) -> Vec<String> {
        let query = "SELECT location FROM files ORDER BY location";
        if self.database_url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(&self.database_url).await.unwrap();
            sqlx::query_scalar(query)
                .fetch_all(&mut connection)
                .await
                .unwrap()
        } else {
            let mut connection = PgConnection::connect(&self.database_url).await.unwrap();
            sqlx::query_scalar(query)
                .fetch_all(&mut connection)
                .await
                .unwrap()
        }
    }

    /// Fails unless rows, objects and uploads in parts are all gone within ten seconds.
    pub(crate) async fn assert_nothing_is_left(&self, locations: &[String]) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let rows = self.count("SELECT count(*) FROM files").await;
            let objects = self.objects().await;
            let mut uploads = Vec::new();
            for location in locations {
                uploads.extend(self.uploads(location).await);
            }
            if rows == 0 && objects.is_empty() && uploads.is_empty() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "left: {rows} rows, objects {objects:?}, uploads {uploads:?}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
