//! The schema, and transactions beside each other.

use std::sync::Arc;
use std::time::Duration;

use gateway::catalog::{Catalog, Settings};
use gateway::files::NewFile;
use sqlx::{Connection, PgConnection};
use url::Url;
use uuid::Uuid;

use crate::support::{caller, commit, frames, pattern};
use crate::world::{World, on_both_databases, variable};

on_both_databases!(migrations_run_twice, uploads_beside_each_other,);

async fn migrations_run_twice(world: Arc<World>) {
    let applied = "SELECT count(*) FROM _sqlx_migrations";
    let before = world.count(applied).await;
    world.catalog.migrate().await.unwrap();
    assert!(before > 0);
    assert_eq!(world.count(applied).await, before);
}

/// Forty uploads at once through a pool of five connections (and, on SQLite, one writer).
async fn uploads_beside_each_other(world: Arc<World>) {
    let uploads: Vec<_> = (0..40)
        .map(|n| {
            let world = world.clone();
            tokio::spawn(async move {
                let mut batch = world
                    .files
                    .begin_upload(&caller(&format!("user-{n}")), None)
                    .unwrap();
                batch
                    .add(NewFile::default(), frames(pattern(n * 100)))
                    .await
                    .unwrap();
                commit(batch).await.unwrap()
            })
        })
        .collect();
    for upload in uploads {
        assert_eq!(upload.await.unwrap().len(), 1);
    }
    assert_eq!(
        world
            .count("SELECT count(*) FROM files WHERE status = 'ready'")
            .await,
        40
    );
}

/// Four gateways start on an empty database at the same moment.
async fn four_start_at_once(url: &str) {
    let starts: Vec<_> = (0..4)
        .map(|_| {
            let settings = Settings {
                url: url.into(),
                max_connections: 2,
            };
            tokio::spawn(async move {
                let catalog = Catalog::connect(settings).await.unwrap();
                catalog.migrate().await.unwrap();
                catalog.find(Uuid::nil()).await.unwrap();
                catalog.close().await;
            })
        })
        .collect();
    for start in starts {
        tokio::time::timeout(Duration::from_secs(20), start)
            .await
            .unwrap()
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_start_at_once_on_sqlite() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        four_start_at_once(&format!("sqlite://{}/catalog.db", folder.path().display())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_start_at_once_on_postgres() {
    let url = variable("FGW_TEST_POSTGRES_URL");
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let name = format!("test-{}", Uuid::new_v4().simple());
    let create = format!("CREATE DATABASE \"{name}\"");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create))
        .execute(&mut admin)
        .await
        .unwrap();
    let mut url = Url::parse(&url).unwrap();
    url.set_path(&name);
    four_start_at_once(url.as_str()).await;
    let drop = format!("DROP DATABASE \"{name}\" WITH (FORCE)");
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop))
        .execute(&mut admin)
        .await
        .unwrap();
}

#[tokio::test]
async fn other_databases_are_refused() {
    for url in ["", "mysql://x/y", "postgres", "sqlite"] {
        let settings = Settings {
            url: url.into(),
            max_connections: 1,
        };
        let error = Catalog::connect(settings).await.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the database URL must begin with"),
            "{url}"
        );
    }
}
