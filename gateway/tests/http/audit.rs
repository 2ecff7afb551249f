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
        self.count("SELECT count(*) FROM files").await
    }

    async fn count(&self, query: &'static str) -> i64 {
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

/// Runs a statement on the gateway's database.
macro_rules! execute {
    ($world:expr, $($statement:tt)+) => {{
        let statement = format!($($statement)+);
        if $world.database_url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(&$world.database_url).await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
                .execute(&mut connection)
                .await
                .unwrap()
                .rows_affected()
        } else {
            let mut connection = PgConnection::connect(&$world.database_url).await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
                .execute(&mut connection)
                .await
                .unwrap()
                .rows_affected()
        }
    }};
}

impl World {
    /// Lets the time of every resumable upload be over.
    pub(crate) async fn expire_uploads(&self) {
        let past = "2020-01-01T00:00:00+00:00";
        let changed = execute!(self, "UPDATE resumable_uploads SET expires_at = '{past}'");
        assert!(changed > 0);
    }

    /// Makes every upload so much older, as if it had been continued again and again.
    pub(crate) async fn age_uploads(&self, by: chrono::TimeDelta) {
        let past = |column: &str| match self.database_url.starts_with("sqlite") {
            true => {
                let seconds = by.num_seconds();
                format!("strftime('%Y-%m-%dT%H:%M:%f+00:00', {column}, '-{seconds} seconds')")
            }
            false => format!("{column} - interval '{} seconds'", by.num_seconds()),
        };
        let begun = past("created_at");
        assert!(execute!(self, "UPDATE files SET created_at = {begun}") > 0);
    }

    /// Makes a file `uploading` again, as a gateway leaves it that dies before the commit.
    pub(crate) async fn uncommit(&self, path: &str) {
        let id = self.literal(path);
        let changed = execute!(
            self,
            "UPDATE files SET status = 'uploading', size = 0, sha256 = NULL WHERE id = {id}"
        );
        assert_eq!(changed, 1);
    }

    /// Waits until so many parts of resumable uploads are recorded; says how many there are.
    pub(crate) async fn wait_for_parts(&self, least: i64) -> i64 {
        self.wait_for(least, "SELECT count(*) FROM resumable_parts")
            .await
    }

    /// Waits until a request has taken a resumable upload.
    pub(crate) async fn wait_for_holder(&self) {
        let query = "SELECT count(*) FROM resumable_uploads WHERE fence > 0";
        self.wait_for(1, query).await;
    }

    /// Waits until a request has claimed an idempotency key.
    pub(crate) async fn wait_for_key(&self) {
        let query = "SELECT count(*) FROM idempotency_keys WHERE answer IS NULL";
        self.wait_for(1, query).await;
    }

    /// Ends the lease of every idempotency key that is being worked on.
    pub(crate) async fn expire_keys(&self) {
        let past = "2020-01-01T00:00:00+00:00";
        let changed = execute!(
            self,
            "UPDATE idempotency_keys SET lease_until = '{past}' WHERE answer IS NULL"
        );
        assert_eq!(changed, 1);
    }

    async fn wait_for(&self, least: i64, query: &'static str) -> i64 {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let found = self.count(query).await;
            if found >= least {
                return found;
            }
            assert!(Instant::now() < deadline, "{found} for {query}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The SHA-256 that the catalogue has of a file.
    pub(crate) async fn sha256_of(&self, path: &str) -> String {
        let (id, hash) = (self.literal(path), "sha256");
        if self.database_url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(&self.database_url).await.unwrap();
            let query = format!("SELECT lower(hex({hash})) FROM files WHERE id = {id}");
            sqlx::query_scalar(sqlx::AssertSqlSafe(query))
                .fetch_one(&mut connection)
                .await
                .unwrap()
        } else {
            let mut connection = PgConnection::connect(&self.database_url).await.unwrap();
            let query = format!("SELECT encode({hash}, 'hex') FROM files WHERE id = {id}");
            sqlx::query_scalar(sqlx::AssertSqlSafe(query))
                .fetch_one(&mut connection)
                .await
                .unwrap()
        }
    }

    /// The id at the end of a path, as the database writes it.
    fn literal(&self, path: &str) -> String {
        let id = path.rsplit('/').next().unwrap();
        match self.database_url.starts_with("sqlite") {
            true => format!("x'{}'", id.replace('-', "")),
            false => format!("'{id}'"),
        }
    }

    /// Fails when the file of an upload has an open upload in parts, on MinIO too.
    pub(crate) async fn assert_no_open_parts(&self, path: &str) {
        let key = format!("acme/{}/original", path.rsplit('/').next().unwrap());
        let list = self.s3.list_multipart_uploads().bucket(&self.name);
        let uploads = list.prefix(&key).send().await.unwrap().uploads;
        assert_eq!(uploads.unwrap_or_default(), []);
    }
}
