//! Secrets that change under a running gateway: nobody restarts it, and nobody's request fails for
//! longer than the change takes. (The keys of file tokens: `file_token::rotation_needs_no_restart`.)

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use url::Url;
use uuid::Uuid;

use crate::gateway_under_test::Gateway;
use crate::issuer::{SECRET, claims, member, signed};
use crate::support::{Answer, Stored, UNKNOWN};
use crate::worlds::{Database, ObjectStore, once, within};

once!(
    the_issuers_new_secret_is_taken_up_and_the_old_one_ends,
    a_spoilt_secret_leaves_the_last_good_one_in_use,
    a_new_access_key_of_the_store_is_taken_up,
);

const NEW_SECRET: &str = "another shared secret of more than 32 bytes";

/// A change is taken up within this time.
const TAKEN_UP: Duration = Duration::from_secs(10);

impl Gateway {
    fn write(&self, name: &str, text: &str) {
        // As the kubelet does it: no reader ever sees half a file.
        let (path, new) = (
            self.folder.path().join(name),
            self.folder.path().join("new"),
        );
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, path).unwrap();
    }

    /// Reads a file until the status is the expected one.
    async fn reads_with(&self, stored: &Stored, status: u16) {
        let deadline = Instant::now() + TAKEN_UP;
        loop {
            let request = self.get(&stored.path()).bearer_auth(member("ana"));
            let found = Answer::to(request).await.status;
            if found == status {
                return;
            }
            assert!(Instant::now() < deadline, "{found} instead of {status}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn jwt_by(secret: &str) -> String {
    let header = json!({"alg": "HS256", "typ": "JWT"});
    signed(&header, &claims("ana"), secret.as_bytes())
}

async fn the_issuers_new_secret_is_taken_up_and_the_old_one_ends(gateway: Arc<Gateway>) {
    let status = async |secret: &str| {
        let request = gateway.get(&format!("/v1/files/{UNKNOWN}"));
        let answer = Answer::to(request.bearer_auth(jwt_by(secret))).await;
        answer.status.as_u16()
    };
    assert_eq!((status(SECRET).await, status(NEW_SECRET).await), (404, 401));
    gateway.write("secret", &format!("{NEW_SECRET}\n"));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!((status(SECRET).await, status(NEW_SECRET).await), (401, 404));
}

async fn a_spoilt_secret_leaves_the_last_good_one_in_use(gateway: Arc<Gateway>) {
    let status = async || {
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let request = gateway.get(&format!("/v1/files/{UNKNOWN}"));
        let answer = Answer::to(request.bearer_auth(jwt_by(SECRET))).await;
        answer.status.as_u16()
    };
    for text in ["", "\n", "too short"] {
        gateway.write("secret", text);
        assert_eq!(status().await, 404, "{text:?}");
    }
    std::fs::remove_file(gateway.folder.path().join("secret")).unwrap();
    assert_eq!(status().await, 404, "no file");
}

async fn a_new_access_key_of_the_store_is_taken_up(gateway: Arc<Gateway>) {
    let stored = gateway.store_sample().await;
    let name = "s3/secret-access-key";
    let right = std::fs::read_to_string(gateway.folder.path().join(name)).unwrap();
    gateway.write(name, "not-the-secret-of-this-key");
    gateway.reads_with(&stored, 503).await;
    gateway.write(name, &right);
    gateway.reads_with(&stored, 200).await;
}

/// The role that the gateway signs in as, from outside.
struct Role {
    name: String,
    admin: PgConnection,
    url: Url,
}

impl Role {
    async fn new(gateway: &Gateway) -> Self {
        let url = Url::parse(&gateway.world.database_url).unwrap();
        let mut role = Self {
            name: format!("role_{}", Uuid::new_v4().simple()),
            admin: PgConnection::connect(url.as_str()).await.unwrap(),
            url,
        };
        role.run("CREATE ROLE {role} SUPERUSER LOGIN").await;
        role
    }

    async fn run(&mut self, statement: &str) {
        let statement = statement.replace("{role}", &self.name);
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut self.admin)
            .await
            .unwrap();
    }

    fn url(&self, password: &str) -> String {
        let mut url = self.url.clone();
        url.set_username(&self.name).unwrap();
        url.set_password(Some(password)).unwrap();
        format!("{url}\n")
    }

    /// Ends the gateway's connections, so that it has to open new ones.
    async fn cut(&mut self) {
        self.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE application_name = 'filegateway' AND datname = current_database()",
        )
        .await;
    }

    /// How many connections the gateway has as this role.
    async fn connections(&mut self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE usename = $1")
            .bind(&self.name)
            .fetch_one(&mut self.admin)
            .await
            .unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_password_of_the_database_is_taken_up() {
    within(
        Database::Postgres,
        ObjectStore::Versitygw,
        &[],
        |gateway| async move {
            let stored = gateway.store_sample().await;
            let mut role = Role::new(&gateway).await;
            for password in ["first-password", "second-password"] {
                role.run(&format!("ALTER ROLE {{role}} PASSWORD '{password}'"))
                    .await;
                gateway.write("database-url", &role.url(password));
                tokio::time::sleep(Duration::from_secs(2)).await;
                // Connections that are open go on, whatever they signed in with.
                gateway.reads_with(&stored, 200).await;
                role.cut().await;
                gateway.reads_with(&stored, 200).await;
                assert!(role.connections().await > 0);
            }
            // It is the file that new connections sign in by, and only one that makes sense.
            gateway.write("database-url", &role.url("wrong-password"));
            tokio::time::sleep(Duration::from_secs(2)).await;
            role.cut().await;
            gateway.reads_with(&stored, 503).await;
            gateway.write("database-url", &role.url("second-password"));
            gateway.reads_with(&stored, 200).await;
            for spoilt in ["", "nonsense", "mysql://a:b@c/d", "sqlite:///tmp/x"] {
                gateway.write("database-url", spoilt);
                tokio::time::sleep(Duration::from_millis(1500)).await;
                role.cut().await;
                gateway.reads_with(&stored, 200).await;
            }
            role.cut().await;
            role.run("DROP ROLE {role}").await;
        },
    )
    .await;
}
