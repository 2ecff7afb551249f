//! A gateway's storage with a database and a bucket of its own, both gone afterwards.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, RequestChecksumCalculation};
use gateway::auth::policy::LocationAccess;
use gateway::catalog::{self, Catalog};
use gateway::files::{Files, Quota, Settings, TypeRules};
use gateway::store::{Keys, Store, StoreSettings, embedded};
use gateway::telemetry::Metrics;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use url::Url;
use uuid::Uuid;

pub(crate) const LIMIT: u64 = 48 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectStore {
    Versitygw,
    Minio,
    Embedded,
}

pub(crate) struct World {
    pub(crate) files: Files,
    pub(crate) catalog: Catalog,
    pub(crate) store: Store,
    pub(crate) object_store: ObjectStore,
    pub(crate) s3: Client,
    pub(crate) bucket: String,
    pub(crate) database_url: String,
    pub(crate) keys: PathBuf,
    folder: TempDir,
    database: Option<String>,
    _embedded: Option<embedded::Embedded>,
}

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run the tests with `make test`, or under `cargo run -p testbed -- exec -- …`")
    })
}

/// Runs a test in a new world, and takes the world down whatever the test's end is.
pub(crate) async fn within<F>(
    database: Database,
    object_store: ObjectStore,
    test: impl FnOnce(Arc<World>) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let world = Arc::new(World::new(database, object_store).await);
    let outcome = tokio::spawn(test(world.clone())).await;
    world.take_down().await;
    if let Err(error) = outcome {
        std::panic::resume_unwind(error.into_panic());
    }
}

pub(crate) fn settings(organization: &str) -> Settings {
    Settings {
        organization: organization.into(),
        max_file_bytes: LIMIT,
        max_files: 3,
        types: TypeRules::default(),
        quota: Quota::default(),
        uploads_in_flight: 256,
        upload_memory_bytes: 256 << 20,
        uploads_unfinished: 100,
        uploads_expire: Duration::from_secs(3600),
        uploads_max_age: Duration::from_secs(7 * 24 * 3600),
        locations: LocationAccess::Members,
        video: true,
    }
}

impl World {
    async fn new(database: Database, object_store: ObjectStore) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("test-{}", Uuid::new_v4().simple());
        let (database_url, created) = match database {
            Database::Sqlite => (sqlite_url(&folder), None),
            Database::Postgres => (create_database(&name).await, Some(name.clone())),
        };
        let settings_of_catalog = catalog::Settings {
            url: database_url.clone(),
            max_connections: 5,
        };
        let catalog = Catalog::connect(settings_of_catalog).await.unwrap();
        catalog.migrate().await.unwrap();

        let mut served = None;
        let (endpoint, id, secret) = match object_store {
            ObjectStore::Versitygw => from_environment("FGW_TEST_S3"),
            ObjectStore::Minio => from_environment("FGW_TEST_MINIO"),
            ObjectStore::Embedded => {
                let server = embedded::serve(&folder.path().join("s3"), &name)
                    .await
                    .unwrap();
                let endpoint = server.endpoint.clone();
                let Keys::Fixed {
                    access_key_id,
                    secret_access_key,
                } = server.keys.clone()
                else {
                    panic!("the embedded store has fixed keys");
                };
                served = Some(server);
                (endpoint, access_key_id, secret_access_key)
            }
        };
        let keys = folder.path().join("keys");
        std::fs::create_dir(&keys).unwrap();
        std::fs::write(keys.join("access-key-id"), &id).unwrap();
        std::fs::write(keys.join("secret-access-key"), format!("{secret}\n")).unwrap();
        let s3 = client(&endpoint, &id, &secret);
        if object_store != ObjectStore::Embedded {
            s3.create_bucket().bucket(&name).send().await.unwrap();
        }
        let store = Store::connect(
            StoreSettings {
                endpoint: Some(endpoint),
                region: "us-east-1".into(),
                bucket: name.clone(),
                path_style: true,
                credentials: Keys::Folder(keys.clone()),
            },
            Metrics::new(),
        )
        .unwrap();
        Self {
            files: Files::new(catalog.clone(), store.clone(), settings("acme")),
            catalog,
            store,
            object_store,
            s3,
            bucket: name,
            database_url,
            keys,
            folder,
            database: created,
            _embedded: served,
        }
    }

    /// The same storage, seen by the gateway of another organization.
    pub(crate) fn seen_by(&self, settings: Settings) -> Files {
        Files::new(self.catalog.clone(), self.store.clone(), settings)
    }

    /// A folder that goes with the world.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().into()
    }

    async fn take_down(&self) {
        self.files.settle().await;
        self.catalog.close().await;
        if self.object_store != ObjectStore::Embedded {
            for (key, id) in self.every_upload().await {
                let abort = self.s3.abort_multipart_upload().bucket(&self.bucket);
                abort.key(key).upload_id(id).send().await.ok();
            }
            for key in self.objects().await {
                let delete = self.s3.delete_object().bucket(&self.bucket);
                delete.key(key).send().await.unwrap();
            }
            let delete = self.s3.delete_bucket().bucket(&self.bucket);
            delete.send().await.unwrap();
        }
        if let Some(name) = &self.database {
            let mut admin = PgConnection::connect(&variable("FGW_TEST_POSTGRES_URL"))
                .await
                .unwrap();
            let drop = format!("DROP DATABASE \"{name}\" WITH (FORCE)");
            sqlx::raw_sql(sqlx::AssertSqlSafe(drop))
                .execute(&mut admin)
                .await
                .unwrap();
        }
    }
}

fn sqlite_url(folder: &TempDir) -> String {
    format!("sqlite://{}", folder.path().join("catalog.db").display())
}

async fn create_database(name: &str) -> String {
    let url = variable("FGW_TEST_POSTGRES_URL");
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let create = format!("CREATE DATABASE \"{name}\"");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create))
        .execute(&mut admin)
        .await
        .unwrap();
    let mut url = Url::parse(&url).unwrap();
    url.set_path(name);
    url.into()
}

fn from_environment(prefix: &str) -> (Url, String, String) {
    let endpoint = Url::parse(&variable(&format!("{prefix}_ENDPOINT"))).unwrap();
    let id = variable(&format!("{prefix}_ACCESS_KEY"));
    (endpoint, id, variable(&format!("{prefix}_SECRET_KEY")))
}

/// A client of the test's own, to look at the bucket past the gateway.
fn client(endpoint: &Url, id: &str, secret: &str) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint.as_str())
        .force_path_style(true)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .credentials_provider(Credentials::new(id, secret, None, None, "test"));
    Client::from_conf(config.build())
}

/// `on!(test, Postgres, Minio)`: one test function, in one world.
macro_rules! on {
    ($test:ident, $name:ident, $database:ident, $store:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            use $crate::world::{Database, ObjectStore, within};
            within(Database::$database, ObjectStore::$store, super::$test).await;
        }
    };
}

/// `everywhere!(test)`: the test in each world.
macro_rules! everywhere {
    ($($test:ident),* $(,)?) => { $(
        mod $test {
            $crate::world::on!($test, sqlite_versitygw, Sqlite, Versitygw);
            $crate::world::on!($test, postgres_versitygw, Postgres, Versitygw);
            $crate::world::on!($test, postgres_minio, Postgres, Minio);
            $crate::world::on!($test, sqlite_embedded, Sqlite, Embedded);
        }
    )* };
}

/// `on_both_databases!(test)`: for what the object store has no part in.
macro_rules! on_both_databases {
    ($($test:ident),* $(,)?) => { $(
        mod $test {
            $crate::world::on!($test, sqlite, Sqlite, Versitygw);
            $crate::world::on!($test, postgres, Postgres, Versitygw);
        }
    )* };
}

pub(crate) use {everywhere, on, on_both_databases};
