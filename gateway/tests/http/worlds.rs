//! A database and a bucket per test, both gone afterwards.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, RequestChecksumCalculation};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use url::Url;
use uuid::Uuid;

use crate::gateway_under_test::Gateway;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectStore {
    Versitygw,
    Minio,
}

impl ObjectStore {
    /// How the names of the variables begin that say where it is.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Versitygw => "FGW_TEST_S3",
            Self::Minio => "FGW_TEST_MINIO",
        }
    }
}

/// Variables of the gateway, without their prefix.
pub(crate) type Variables<'a> = &'a [(&'a str, &'a str)];

pub(crate) struct World {
    pub(crate) name: String,
    pub(crate) database_url: String,
    pub(crate) endpoint: String,
    pub(crate) s3: Client,
    database: Database,
}

/// Runs `test` against a gateway in a new world, and takes the world down whatever the end is.
pub(crate) async fn within<F>(
    database: Database,
    object_store: ObjectStore,
    variables: Variables<'_>,
    test: impl FnOnce(Arc<Gateway>) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let world = Arc::new(World::new(database, object_store, folder.path()).await);
    let gateway = Arc::new(Gateway::start(world, folder, variables).await);
    let outcome = tokio::spawn(test(gateway.clone())).await;
    gateway.stop().await;
    gateway.world.take_down().await;
    if let Err(error) = outcome {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// Runs `test` against a gateway with these variables on SQLite with versitygw, and then on PostgreSQL
/// with MinIO.
pub(crate) async fn on_both<F>(variables: Variables<'_>, test: impl Fn(Arc<Gateway>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    within(Database::Sqlite, ObjectStore::Versitygw, variables, &test).await;
    within(Database::Postgres, ObjectStore::Minio, variables, &test).await;
}

/// `everywhere!(a, b)`: each test on SQLite with versitygw, and on PostgreSQL with MinIO.
macro_rules! everywhere {
    ($($test:ident),* $(,)?) => { $(
        mod $test {
            use $crate::worlds::{Database, ObjectStore, within};

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite_versitygw() {
                within(Database::Sqlite, ObjectStore::Versitygw, &[], super::$test).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres_minio() {
                within(Database::Postgres, ObjectStore::Minio, &[], super::$test).await;
            }
        }
    )* };
}

/// `once!(a, b)`: each test on SQLite with versitygw, for what database and store have no part in.
macro_rules! once {
    ($($test:ident),* $(,)?) => { $(
        mod $test {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite_versitygw() {
                use $crate::worlds::{Database, ObjectStore, within};
                within(Database::Sqlite, ObjectStore::Versitygw, &[], super::$test).await;
            }
        }
    )* };
}

pub(crate) use {everywhere, once};

impl World {
    async fn new(database: Database, object_store: ObjectStore, folder: &Path) -> Self {
        let name = format!("test-{}", Uuid::new_v4().simple());
        let database_url = match database {
            Database::Sqlite => format!("sqlite://{}", folder.join("catalog.db").display()),
            Database::Postgres => create_database(&name).await,
        };
        let prefix = object_store.prefix();
        let endpoint = variable(&format!("{prefix}_ENDPOINT"));
        let id = variable(&format!("{prefix}_ACCESS_KEY"));
        let secret = variable(&format!("{prefix}_SECRET_KEY"));
        let keys = folder.join("s3");
        std::fs::create_dir(&keys).unwrap();
        std::fs::write(keys.join("access-key-id"), &id).unwrap();
        std::fs::write(keys.join("secret-access-key"), &secret).unwrap();
        let s3 = client(&endpoint, &id, &secret);
        s3.create_bucket().bucket(&name).send().await.unwrap();
        Self {
            name,
            database_url,
            endpoint,
            s3,
            database,
        }
    }

    async fn take_down(&self) {
        for (key, id) in self.uploads().await {
            let abort = self.s3.abort_multipart_upload().bucket(&self.name);
            abort.key(key).upload_id(id).send().await.ok();
        }
        for key in self.objects().await {
            let delete = self.s3.delete_object().bucket(&self.name);
            delete.key(key).send().await.unwrap();
        }
        let delete = self.s3.delete_bucket().bucket(&self.name);
        delete.send().await.unwrap();
        if self.database == Database::Postgres {
            let drop = format!("DROP DATABASE \"{}\" WITH (FORCE)", self.name);
            administer(&drop).await;
        }
    }
}

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run the tests with `make test`, or under `cargo run -p testbed -- exec -- …`")
    })
}

async fn create_database(name: &str) -> String {
    administer(&format!("CREATE DATABASE \"{name}\"")).await;
    let mut url = Url::parse(&variable("FGW_TEST_POSTGRES_URL")).unwrap();
    url.set_path(name);
    url.into()
}

pub(crate) async fn administer(statement: &str) {
    let url = variable("FGW_TEST_POSTGRES_URL");
    let mut admin = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(&mut admin)
        .await
        .unwrap();
}

/// A client of the test's own, to look at the bucket past the gateway.
fn client(endpoint: &str, id: &str, secret: &str) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .credentials_provider(Credentials::new(id, secret, None, None, "test"));
    Client::from_conf(config.build())
}
