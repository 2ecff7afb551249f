//! Old and new gateways on one database, as during a rollout.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use gateway::catalog::{Catalog, Settings};
use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection, PgPool, SqlitePool};
use url::Url;
use uuid::Uuid;

use crate::world::{World, on_both_databases, variable};

on_both_databases!(a_gateway_older_than_the_schema_starts);

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

async fn a_gateway_older_than_the_schema_starts(world: Arc<World>) {
    world
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             SELECT 9999, 'of a newer gateway', success, checksum, 0 FROM _sqlx_migrations \
             WHERE version = 1",
        )
        .await;
    world.catalog.migrate().await.unwrap();
}

/// Everything that the first release said to its database, from an upload to the file's end. Its
/// statements stay as they were, whatever becomes of the gateway's own.
macro_rules! a_life_of_a_file {
    ($pool:expr) => {{
        let (id, job, token) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
        let (now, later) = (Utc::now(), Utc::now() + TimeDelta::seconds(60));
        sqlx::query(
            "INSERT INTO files (id, organization, owner, name, location, content_type, size, \
             status, visibility, created_at, modified_at, touched_at) \
             VALUES ($1, $2, $3, $4, $5, $6, 0, 'uploading', $7, $8, $8, $8)",
        )
        .bind(id)
        .bind("acme")
        .bind("ana")
        .bind("a.mp4")
        .bind(format!("acme/{id}/original"))
        .bind("video/mp4")
        .bind("private")
        .bind(now)
        .execute($pool)
        .await
        .unwrap();
        let touched = sqlx::query("UPDATE files SET touched_at = $2 WHERE id = $1");
        touched.bind(id).bind(now).execute($pool).await.unwrap();
        let stored = sqlx::query_as::<_, (Uuid, String, i64, Option<Vec<u8>>, DateTime<Utc>)>(
            "UPDATE files SET size = $2, sha256 = $3, status = $4, modified_at = $5, \
             touched_at = $5 WHERE id = $1 AND status = 'uploading' \
             RETURNING id, status, size, sha256, modified_at",
        )
        .bind(id)
        .bind(7_i64)
        .bind(vec![1_u8; 32])
        .bind("processing")
        .bind(now);
        let stored = stored.fetch_one($pool).await.unwrap();
        assert_eq!((stored.0, stored.2), (id, 7));
        let queue = sqlx::query(
            "INSERT INTO jobs (id, file_id, kind, state, run_after, created_at) \
             VALUES ($1, $2, 'video', 'queued', $3, $3)",
        );
        queue
            .bind(job)
            .bind(id)
            .bind(now)
            .execute($pool)
            .await
            .unwrap();
        let take = sqlx::query_as::<_, (Uuid, i64)>(
            "UPDATE jobs SET state = 'running', attempts = attempts + 1, lease_token = $1, \
             lease_until = $2 WHERE id = $3 RETURNING file_id, attempts",
        );
        let taken = take
            .bind(token)
            .bind(later)
            .bind(job)
            .fetch_one($pool)
            .await;
        assert_eq!(taken.unwrap(), (id, 1));
        let media = sqlx::query(
            "INSERT INTO media (file_id, duration_ms, width, height, video_codec, audio_codec, \
             poster, faststart) VALUES ($1, 1, 2, 3, 'h264', NULL, NULL, NULL)",
        );
        media.bind(id).execute($pool).await.unwrap();
        let done = sqlx::query_scalar::<_, Uuid>(
            "DELETE FROM jobs WHERE id = $1 AND lease_token = $2 AND state = 'running' \
             RETURNING file_id",
        );
        let done = done.bind(job).bind(token).fetch_one($pool).await;
        assert_eq!(done.unwrap(), id);
        let ready = sqlx::query(
            "UPDATE files SET status = $2, reason = NULL WHERE id = $1 AND status = 'processing'",
        );
        ready.bind(id).bind("ready").execute($pool).await.unwrap();
        let found = sqlx::query_as::<_, (Uuid, String, String, i64, String, Option<String>)>(
            "SELECT id, organization, owner, size, status, reason FROM files WHERE location = $1",
        );
        let location = format!("acme/{id}/original");
        let found = found.bind(location).fetch_one($pool).await.unwrap();
        assert_eq!((found.3, found.4.as_str()), (7, "ready"));
        let unsettled = sqlx::query_as::<_, (Uuid,)>(
            "SELECT id FROM files WHERE (status = 'uploading' AND touched_at < $1) \
             OR (status = 'deleting' AND touched_at < $2) ORDER BY touched_at LIMIT $3",
        );
        let unsettled = unsettled
            .bind(later)
            .bind(later)
            .bind(9_i64)
            .fetch_all($pool);
        assert_eq!(unsettled.await.unwrap(), []);
        let delete = sqlx::query(
            "UPDATE files SET status = 'deleting', touched_at = $2 \
             WHERE id = $1 AND status IN ('processing', 'ready', 'failed')",
        );
        delete.bind(id).bind(now).execute($pool).await.unwrap();
        let gone = sqlx::query("DELETE FROM files WHERE id = $1 AND status = 'deleting'");
        assert_eq!(
            gone.bind(id).execute($pool).await.unwrap().rows_affected(),
            1
        );
    }};
}

/// An upload in pieces, in the words of the release before the reservations (migration 0009).
macro_rules! an_upload_in_pieces {
    ($pool:expr, $status:literal, $length:expr, $offset:literal) => {{
        let (id, now) = (Uuid::new_v4(), Utc::now());
        let is_ready = $status == "ready";
        sqlx::query(
            "INSERT INTO files (id, organization, owner, name, location, content_type, size, \
             sha256, status, visibility, created_at, modified_at, touched_at) \
             VALUES ($1, 'acme', 'ana', 'a', $2, 'text/plain', $3, $4, $5, 'private', $6, $6, $6)",
        )
        .bind(id)
        .bind(format!("acme/{id}/original"))
        .bind(if is_ready { $offset } else { 0_i64 })
        .bind(is_ready.then(|| vec![1_u8; 32]))
        .bind($status)
        .bind(now)
        .execute($pool)
        .await
        .unwrap();
        sqlx::query(
            "INSERT INTO resumable_uploads (file_id, length, upload_offset, metadata, part_size, \
             next_part, tail_size, digest, video, fence, expires_at) \
             VALUES ($1, $2, $3, '', 10, 1, 0, $4, $5, 0, $6)",
        )
        .bind(id)
        .bind($length)
        .bind($offset)
        .bind(vec![1_u8])
        .bind(false)
        .bind(now)
        .execute($pool)
        .await
        .unwrap();
    }};
}

/// Fails unless the organization and its only owner have these bytes and files, stored and promised.
macro_rules! assert_totals {
    ($pool:expr, $stored:expr, $reserved:expr) => {{
        let totals = sqlx::query_as::<_, (i64, i64, i64, i64)>(
            "SELECT bytes, files, reserved_bytes, reserved_files FROM usage_totals",
        );
        let of = ($stored.0, $stored.1, $reserved.0, $reserved.1);
        assert_eq!(totals.fetch_all($pool).await.unwrap(), [of, of]);
    }};
}

/// What unfinished uploads were promised by the release before counts, and what it promises still.
macro_rules! promises_of_before_count {
    ($pool:expr, $url:expr) => {{
        an_upload_in_pieces!($pool, "uploading", Some(70_i64), 20_i64);
        an_upload_in_pieces!($pool, "uploading", None::<i64>, 5_i64);
        an_upload_in_pieces!($pool, "deleting", Some(1000_i64), 10_i64);
        an_upload_in_pieces!($pool, "ready", Some(7_i64), 7_i64);
        bring_up_to_date($url).await;
        assert_totals!($pool, (7, 1), (75, 2));
        an_upload_in_pieces!($pool, "uploading", Some(30_i64), 0_i64);
        assert_totals!($pool, (7, 1), (105, 3));
        let ended = sqlx::query("UPDATE files SET status = 'deleting' WHERE status = 'uploading'");
        assert_eq!(ended.execute($pool).await.unwrap().rows_affected(), 3);
        assert_totals!($pool, (7, 1), (0, 0));
        let gone = sqlx::query("DELETE FROM files");
        gone.execute($pool).await.unwrap();
        assert_totals!($pool, (0, 0), (0, 0));
        an_upload_in_pieces!($pool, "uploading", Some(30_i64), 0_i64);
        let gone = sqlx::query("DELETE FROM files");
        gone.execute($pool).await.unwrap();
        assert_totals!($pool, (0, 0), (0, 0));
    }};
}

async fn bring_up_to_date(url: &str) {
    let settings = Settings {
        url: url.into(),
        max_connections: 2,
    };
    let catalog = Catalog::connect(settings).await.unwrap();
    catalog.migrate().await.unwrap();
    catalog.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_release_goes_on_beside_the_newest_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/catalog.db", folder.path().display());
    let pool = sqlite_at(1, &url).await;
    a_life_of_a_file!(&pool);
    bring_up_to_date(&url).await;
    // With the statements that it had prepared before.
    a_life_of_a_file!(&pool);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_release_goes_on_beside_the_newest_on_postgres() {
    let (name, url, pool) = postgres_at(1).await;
    a_life_of_a_file!(&pool);
    bring_up_to_date(url.as_str()).await;
    a_life_of_a_file!(&pool);
    pool.close().await;
    administer(&format!("DROP DATABASE \"{name}\" WITH (FORCE)")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promises_of_before_count_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/catalog.db", folder.path().display());
    let pool = sqlite_at(8, &url).await;
    promises_of_before_count!(&pool, &url);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promises_of_before_count_on_postgres() {
    let (name, url, pool) = postgres_at(8).await;
    promises_of_before_count!(&pool, url.as_str());
    pool.close().await;
    administer(&format!("DROP DATABASE \"{name}\" WITH (FORCE)")).await;
}

/// A new database with the schema of a version.
async fn sqlite_at(version: i64, url: &str) -> SqlitePool {
    let pool = SqlitePool::connect(&format!("{url}?mode=rwc"))
        .await
        .unwrap();
    let mut connection = pool.acquire().await.unwrap();
    let migrated = SQLITE.run_direct(Some(version), &mut *connection, false);
    migrated.await.unwrap();
    drop(connection);
    pool
}

/// The same, with its name and URL.
async fn postgres_at(version: i64) -> (String, Url, PgPool) {
    let name = format!("test-{}", Uuid::new_v4().simple());
    administer(&format!("CREATE DATABASE \"{name}\"")).await;
    let mut url = Url::parse(&variable("FGW_TEST_POSTGRES_URL")).unwrap();
    url.set_path(&name);
    let pool = PgPool::connect(url.as_str()).await.unwrap();
    let mut connection = pool.acquire().await.unwrap();
    let migrated = POSTGRES.run_direct(Some(version), &mut *connection, false);
    migrated.await.unwrap();
    drop(connection);
    (name, url, pool)
}

async fn administer(statement: &str) {
    let url = variable("FGW_TEST_POSTGRES_URL");
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let statement = sqlx::AssertSqlSafe(statement.to_owned());
    sqlx::raw_sql(statement).execute(&mut admin).await.unwrap();
}
