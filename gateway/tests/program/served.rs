//! `gateway serve` on versitygw and on SQLite or PostgreSQL, in a world of its own.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_sdk_s3::Client as S3;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;
use url::Url;
use uuid::Uuid;

use crate::process::{Process, program};

/// The JWTs' secret, in a form that would show in a log.
const SECRET: &str = "jwt-secret-jwt-secret-jwt-secret";

pub(crate) struct Served {
    pub(crate) process: Process,
    pub(crate) url: String,
    pub(crate) log: PathBuf,
    pub(crate) database_url: String,
    /// Its environment.
    pub(crate) variables: HashMap<String, String>,
    /// Strings that no log may have.
    pub(crate) secrets: Vec<String>,
    /// The name of its PostgreSQL database, if it has one.
    database: Option<String>,
    s3: S3,
    bucket: String,
    _folder: TempDir,
}

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run the tests with `make test`, or under `cargo run -p testbed -- exec -- …`")
    })
}

/// A member's JWT.
pub(crate) fn member() -> String {
    jwt("ana")
}

/// Another member's JWT.
pub(crate) fn other_member() -> String {
    jwt("bo")
}

/// The JWT of whoever is called so.
pub(crate) fn jwt(subject: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let claims = json!({"iss": "issuer", "aud": "files", "sub": subject, "org": "acme",
        "exp": now.as_secs() + 600});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    encode(&Header::default(), &claims, &key).unwrap()
}

impl Served {
    /// Starts a server that logs what `filter` lets through.
    pub(crate) async fn start(filter: &str) -> Self {
        Self::start_with(filter, &[]).await
    }

    /// Starts a server with some more variables.
    pub(crate) async fn start_with(filter: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_on(None, filter, variables).await
    }

    /// Starts a server on a PostgreSQL database of its own.
    pub(crate) async fn start_on_postgres(filter: &str, variables: &[(&str, &str)]) -> Self {
        let name = format!("test-{}", Uuid::new_v4().simple());
        administer(&format!("CREATE DATABASE \"{name}\"")).await;
        Self::start_on(Some(name), filter, variables).await
    }

    async fn start_on(database: Option<String>, filter: &str, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let endpoint = variable("FGW_TEST_S3_ENDPOINT");
        let (id, secret) = (
            variable("FGW_TEST_S3_ACCESS_KEY"),
            variable("FGW_TEST_S3_SECRET_KEY"),
        );
        let bucket = format!("test-{}", Uuid::new_v4().simple());
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&endpoint)
            .force_path_style(true)
            .credentials_provider(Credentials::new(&id, &secret, None, None, "test"));
        let s3 = S3::from_conf(config.build());
        s3.create_bucket().bucket(&bucket).send().await.unwrap();

        let signing = STANDARD.encode([7; 32]);
        let keys = json!({"current": {"kid": "a", "secret": signing}});
        for (name, text) in [
            ("access-key-id", id.as_str()),
            ("secret-access-key", &secret),
            ("jwt-secret", SECRET),
            ("keys.json", &keys.to_string()),
        ] {
            std::fs::write(path(name), text).unwrap();
        }
        let log = path("log");
        let database_url = format!("sqlite://{}", path("catalog.db").display());
        let text = |path: PathBuf| path.display().to_string();
        let mut settings: HashMap<String, String> = [
            ("FILEGATEWAY_ORGANIZATION", "acme"),
            ("FILEGATEWAY_STORE_ENDPOINT", &endpoint),
            ("FILEGATEWAY_STORE_BUCKET", &bucket),
            ("FILEGATEWAY_STORE_CREDENTIALS_DIR", &text(path(""))),
            ("FILEGATEWAY_DATABASE_URL", &database_url),
            ("FILEGATEWAY_AUTH_ISSUER", "issuer"),
            ("FILEGATEWAY_AUTH_AUDIENCE", "files"),
            ("FILEGATEWAY_AUTH_SECRET_FILE", &text(path("jwt-secret"))),
            ("FILEGATEWAY_TOKENS_KEYS_FILE", &text(path("keys.json"))),
            ("FILEGATEWAY_LOG", filter),
            ("FILEGATEWAY_METRICS_LISTEN", "Off"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        if let Some(name) = &database {
            let mut url = Url::parse(&variable("FGW_TEST_POSTGRES_URL")).unwrap();
            url.set_path(name);
            std::fs::write(path("database-url"), url.as_str()).unwrap();
            let file = text(path("database-url"));
            settings.insert("FILEGATEWAY_DATABASE_URL_FILE".to_owned(), file);
            settings.remove("FILEGATEWAY_DATABASE_URL");
        }
        for (name, value) in variables {
            settings.insert((*name).to_owned(), (*value).to_owned());
        }
        let server = Server::start(&settings, log).await;
        Self {
            process: server.process,
            url: server.url,
            log: server.log,
            database_url,
            variables: settings,
            secrets: vec![SECRET.to_owned(), signing, secret],
            database,
            s3,
            bucket,
            _folder: folder,
        }
    }

    /// Starts one more server on the same database and bucket.
    pub(crate) async fn beside(&self) -> Server {
        let log = self.log.with_file_name(format!("log-{}", Uuid::new_v4()));
        Server::start(&self.variables, log).await
    }

    /// Starts the server again, at another port, after it ended.
    pub(crate) async fn start_again(&mut self) {
        let server = Server::start(&self.variables, self.log.clone()).await;
        (self.process, self.url) = (server.process, server.url);
    }

    /// The bytes of an object.
    pub(crate) async fn object(&self, key: &str) -> Vec<u8> {
        let get = self.s3.get_object().bucket(&self.bucket).key(key);
        let body = get.send().await.unwrap().body;
        body.collect().await.unwrap().to_vec()
    }

    /// The keys of the uploads in parts that are open in the bucket.
    pub(crate) async fn open_uploads(&self) -> Vec<String> {
        let list = self.s3.list_multipart_uploads().bucket(&self.bucket);
        let uploads = list.send().await.unwrap().uploads.unwrap_or_default();
        uploads.into_iter().filter_map(|open| open.key).collect()
    }

    /// How many they are.
    pub(crate) async fn uploads(&self) -> usize {
        self.open_uploads().await.len()
    }

    /// The keys of all objects in the bucket.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let list = self.s3.list_objects_v2().bucket(&self.bucket).send();
        let objects = list.await.unwrap().contents.unwrap_or_default();
        objects
            .into_iter()
            .filter_map(|object| object.key)
            .collect()
    }

    /// Runs statements on its database.
    pub(crate) async fn execute(&self, statements: &'static str) {
        match &self.database {
            None => {
                let mut database = SqliteConnection::connect(&self.database_url).await.unwrap();
                let statements = sqlx::raw_sql(statements);
                statements.execute(&mut database).await.unwrap();
            }
            Some(name) => {
                let mut url = Url::parse(&variable("FGW_TEST_POSTGRES_URL")).unwrap();
                url.set_path(name);
                let mut database = PgConnection::connect(url.as_str()).await.unwrap();
                let statements = sqlx::raw_sql(statements);
                statements.execute(&mut database).await.unwrap();
            }
        }
    }

    /// How many files the catalogue knows, in whatever state.
    pub(crate) async fn rows(&self) -> i64 {
        let mut connection = SqliteConnection::connect(&self.database_url).await.unwrap();
        let rows = sqlx::query_scalar("SELECT count(*) FROM files");
        rows.fetch_one(&mut connection).await.unwrap()
    }

    /// Empties and removes the bucket, and the database.
    pub(crate) async fn take_down(&self) {
        let list = self.s3.list_multipart_uploads().bucket(&self.bucket);
        for upload in list.send().await.unwrap().uploads.unwrap_or_default() {
            let abort = self.s3.abort_multipart_upload().bucket(&self.bucket);
            let abort = abort.key(upload.key.unwrap());
            let abort = abort.upload_id(upload.upload_id.unwrap());
            abort.send().await.unwrap();
        }
        loop {
            let list = self.s3.list_objects_v2().bucket(&self.bucket).send();
            let objects = list.await.unwrap().contents.unwrap_or_default();
            if objects.is_empty() {
                break;
            }
            for object in objects {
                let delete = self.s3.delete_object().bucket(&self.bucket);
                delete.key(object.key.unwrap()).send().await.unwrap();
            }
        }
        let delete = self.s3.delete_bucket().bucket(&self.bucket);
        delete.send().await.unwrap();
        if let Some(name) = &self.database {
            administer(&format!("DROP DATABASE \"{name}\" WITH (FORCE)")).await;
        }
    }
}

/// A process of `gateway serve`, in a world that somebody else takes down.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) url: String,
    pub(crate) log: PathBuf,
}

impl Server {
    /// Starts one at a port of its own, and adds to the log.
    pub(crate) async fn start(variables: &HashMap<String, String>, log: PathBuf) -> Self {
        // Taken and freed again: the program can't be asked which port it took.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let file = OpenOptions::new().create(true).append(true).open(&log);
        let mut command = program();
        command
            .arg("serve")
            .env("FILEGATEWAY_LISTEN", &address)
            .envs(variables)
            .stdout(Stdio::null())
            .stderr(file.unwrap());
        let server = Self {
            process: Process::start(&mut command),
            url: format!("http://{address}"),
            log,
        };
        server.wait_until_ready().await;
        server
    }

    async fn wait_until_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let ready = reqwest::get(format!("{}/readyz", self.url)).await;
            if ready.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            assert!(Instant::now() < deadline, "the server does not get ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn administer(statement: &str) {
    let url = variable("FGW_TEST_POSTGRES_URL");
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let statement = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
    statement.execute(&mut admin).await.unwrap();
}
