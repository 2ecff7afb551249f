//! A class that names other servers: what was made at those of before is revoked when no pod uses it any more,
//! and nothing is when they are the same ones at other addresses.

use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};
use sqlx::Executor;
use testbed::servers::{Part, Servers};

use crate::backends::{
    address, bucket_exists, database_exists, iam_at, minio_admin, postgres, put, role_can_log_in,
    s3, s3_at, user_exists, variable,
};
use crate::bed::{Bed, SYSTEM};
use crate::credentials::{apply_key, of_secrets};
use crate::proxy::Proxy;

/// Where another S3, IAM and PostgreSQL server are.
pub struct Others {
    servers: Servers,
}

impl Others {
    /// Starts them.
    pub async fn start() -> Self {
        let parts = [Part::S3, Part::Postgres];
        Self {
            servers: Servers::start(&parts, None).await.unwrap(),
        }
    }

    pub fn variable(&self, name: &str) -> &str {
        let mut variables = self.servers.variables.iter();
        let found = variables.find(|(known, _)| *known == name);
        &found.unwrap().1
    }

    /// Ids of the keys of each user.
    pub async fn users(&self) -> Vec<Vec<String>> {
        let iam = iam_at(
            self.variable("FGW_TEST_IAM_ENDPOINT"),
            self.variable("FGW_TEST_S3_ACCESS_KEY"),
            self.variable("FGW_TEST_S3_SECRET_KEY"),
        );
        let mut all = Vec::new();
        for user in iam.list_users().send().await.unwrap().users() {
            let call = iam.list_access_keys().user_name(user.user_name());
            let keys = call.send().await.unwrap();
            let keys = keys.access_key_metadata().iter();
            all.push(keys.filter_map(|key| key.access_key_id.clone()).collect());
        }
        all
    }

    /// What a class says that names them.
    pub async fn class(&self, bed: &Bed) -> Value {
        let (s3, login) = (
            format!("s3-{}", bed.namespace),
            format!("pg-{}", bed.namespace),
        );
        let key = json!({
            "access-key-id": self.variable("FGW_TEST_S3_ACCESS_KEY"),
            "secret-access-key": self.variable("FGW_TEST_S3_SECRET_KEY"),
        });
        bed.apply_secret(SYSTEM, &s3, key).await;
        let url = self.variable("FGW_TEST_POSTGRES_URL");
        let password = url.split([':', '@']).nth(2).unwrap();
        let data = json!({"username": "postgres", "password": password});
        bed.apply_secret(SYSTEM, &login, data).await;
        let postgres = address(url);
        json!({
            "objectStore": {
                "endpoint": self.variable("FGW_TEST_S3_ENDPOINT"),
                "credentialsSecretRef": {"name": s3},
            },
            "iam": {"endpoint": self.variable("FGW_TEST_IAM_ENDPOINT")},
            "database": {
                "host": postgres.ip().to_string(),
                "port": postgres.port(),
                "credentialsSecretRef": {"name": login},
            },
        })
    }
}

/// Names of the bucket, the user and the database, who is also the role.
async fn made(bed: &Bed) -> (String, String, String) {
    let status = bed.status("files").await;
    let bucket = status.bucket.unwrap();
    let database = status.database.unwrap();
    (bucket.name, bucket.user.unwrap(), database.name)
}

/// How many servers of before there is something to do at.
async fn open(bed: &Bed) -> usize {
    bed.status("files").await.former.len()
}

/// Waits until nothing is left to do, while pods come up.
async fn closed(bed: &Bed) {
    let nothing = bed.until("nothing is left to do", async || {
        (open(bed).await == 0).then_some(())
    });
    while_pods_come_up(bed, nothing).await;
}

async fn while_pods_come_up<T>(bed: &Bed, waiting: impl Future<Output = T>) -> T {
    tokio::select! {
        found = waiting => found,
        () = bed.all_pods_available() => unreachable!(),
    }
}

#[tokio::test]
async fn logins_at_former_servers_go_when_every_pod_uses_the_new_ones() {
    let (bed, operator) = Bed::with_operator("moves").await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    let (bucket, user, database) = made(&bed).await;
    let key = bed.secret("files-s3").await;
    let old = s3(&key["access-key-id"], &key["secret-access-key"]);
    put(&old, &bucket, "a").await.unwrap();

    let others = Others::start().await;
    bed.apply_class(others.class(&bed).await).await;
    let new = bed
        .until("a key of the other server", async || {
            let found = bed.secret("files-s3").await;
            (found != key).then_some(found)
        })
        .await;
    let note = bed.event("files", "Moved").await;
    assert!(note.contains("left as it is"), "{note}");
    bed.until("pods are told", async || {
        (bed.status("files").await.bucket?.endpoint == others.variable("FGW_TEST_S3_ENDPOINT"))
            .then_some(())
    })
    .await;
    // Pods that run go on at the former servers.
    let former = [&bed.s3, &bed.postgres].map(|proxy| proxy.address.to_string());
    for server in &former {
        assert!(leads_to(&bed, server).await, "{server}");
    }
    assert!(leads_to(&bed, others.variable("FGW_TEST_S3_ENDPOINT")).await);
    // Longer than a Secret takes to reach pods; but these are not rolled out.
    tokio::time::sleep(std::time::Duration::from_secs(9)).await;
    assert_eq!(open(&bed).await, 1);
    put(&old, &bucket, "b").await.unwrap();
    assert!(role_can_log_in(&database).await);

    closed(&bed).await;
    assert!(!user_exists(&user).await);
    assert!(put(&old, &bucket, "c").await.is_err());
    assert!(!role_can_log_in(&database).await);
    // Data is nobody's to delete.
    assert!(bucket_exists(&bucket).await && database_exists(&database).await);
    let note = bed.event("files", "KeyRevoked").await;
    assert!(
        note.contains(&user) && note.contains("names no more"),
        "{note}"
    );

    bed.condition("files", "Ready", "True", "AllReady").await;
    let endpoint = others.variable("FGW_TEST_S3_ENDPOINT");
    let client = s3_at(endpoint, &new["access-key-id"], &new["secret-access-key"]);
    put(&client, &bucket, "a").await.unwrap();
    let url = bed.secret("files-database").await["url"].clone();
    postgres(&url, None).await.unwrap();
    for server in &former {
        bed.until("nothing leads there", async || {
            (!leads_to(&bed, server).await).then_some(())
        })
        .await;
    }
    operator.quiet().await;
    let writes = operator.writes();
    operator.quiet().await;
    assert_eq!(operator.writes(), writes);
}

/// Whether the NetworkPolicy lets pods reach `server`, which ends with a port.
async fn leads_to(bed: &Bed, server: &str) -> bool {
    let (_, port) = server.rsplit_once(':').unwrap();
    let port = IntOrString::Int(port.parse().unwrap());
    let policy = bed.api::<NetworkPolicy>().get("files").await.unwrap();
    let rules = policy.spec.unwrap().egress.unwrap();
    let mut ports = rules.into_iter().filter_map(|rule| rule.ports).flatten();
    ports.any(|found| found.port.as_ref() == Some(&port))
}

#[tokio::test]
async fn a_login_is_revoked_although_the_way_in_is_wrong() {
    let (bed, _operator) = Bed::with_operator("wayless").await;
    bed.apply_class(json!({"exposure": {"hosts": ["*"], "ingress": {}}}))
        .await;
    bed.strangers_ingress("files").await;
    bed.create("files", json!({"exposure": {"host": "a.example.com"}}))
        .await
        .unwrap();
    let available = bed.condition(
        "files",
        "WorkloadAvailable",
        "True",
        "MinimumReplicasAvailable",
    );
    while_pods_come_up(&bed, available).await;
    bed.condition("files", "RouteReady", "False", "ObjectNotOwned")
        .await;
    let (_, user, database) = made(&bed).await;
    let others = Others::start().await;
    let mut class = others.class(&bed).await;
    class["exposure"] = json!({"hosts": ["*"], "ingress": {}});
    bed.apply_class(class).await;
    bed.until("they are remembered", async || {
        (open(&bed).await == 1).then_some(())
    })
    .await;
    closed(&bed).await;
    assert!(!user_exists(&user).await && !role_can_log_in(&database).await);
}

#[tokio::test]
async fn servers_at_other_addresses_are_the_same() {
    let (bed, operator) = Bed::with_operator("readdressed").await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    let (bucket, user, database) = made(&bed).await;
    let key = bed.secret("files-s3").await;
    let url = bed.secret("files-database").await["url"].clone();
    let mut session = postgres(&url, None).await.unwrap();

    let s3_server = Proxy::to(address(&variable("FGW_TEST_S3_ENDPOINT"))).await;
    let iam = Proxy::to(address(&variable("FGW_TEST_IAM_ENDPOINT"))).await;
    let sql = Proxy::to(address(&variable("FGW_TEST_POSTGRES_URL"))).await;
    bed.apply_class(json!({
        "objectStore": {"endpoint": format!("http://{}", s3_server.address)},
        "iam": {"endpoint": format!("http://{}", iam.address)},
        "database": {"port": sql.address.port()},
    }))
    .await;
    bed.until("they are remembered", async || {
        (open(&bed).await == 1).then_some(())
    })
    .await;
    closed(&bed).await;
    operator.quiet().await;
    assert_eq!(bed.secret("files-s3").await, key, "no key was deleted");
    let client = s3(&key["access-key-id"], &key["secret-access-key"]);
    put(&client, &bucket, "a").await.unwrap();
    assert!(user_exists(&user).await && role_can_log_in(&database).await);
    session
        .execute("SELECT 1")
        .await
        .expect("no session was ended");
}

#[tokio::test]
async fn a_former_server_that_is_gone_is_told_and_can_be_forgotten() {
    let (bed, _operator) = Bed::with_operator("gone").await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    let (_, user, database) = made(&bed).await;
    let others = Others::start().await;
    let class = others.class(&bed).await;
    bed.iam.cut();
    bed.postgres.cut();
    bed.apply_class(class).await;
    bed.until("they are remembered", async || {
        (open(&bed).await == 1).then_some(())
    })
    .await;
    let told = bed.event("files", "BackendUnreachable");
    let note = while_pods_come_up(&bed, told).await;
    assert!(note.contains("filegateway.dev/forget-server="), "{note}");
    bed.condition("files", "Ready", "True", "AllReady").await;
    assert_eq!(open(&bed).await, 1);

    bed.iam.mend();
    let forget = json!({"metadata": {"annotations": {
        "filegateway.dev/forget-server": bed.postgres.address.to_string(),
    }}});
    bed.patch("files", forget).await.unwrap();
    closed(&bed).await;
    assert!(!user_exists(&user).await);
    assert!(role_can_log_in(&database).await, "it could not be asked");
    let note = bed.event("files", "Released").await;
    assert!(note.contains(&bed.postgres.address.to_string()), "{note}");
}

#[tokio::test]
async fn a_deletion_reaches_former_servers_too() {
    let (bed, _operator) = Bed::with_operator("movedgone").await;
    let spec = json!({"deletionPolicy": "Delete"});
    bed.create("files", spec).await.unwrap();
    bed.ready("files").await;
    let (bucket, user, database) = made(&bed).await;
    let others = Others::start().await;
    bed.apply_class(others.class(&bed).await).await;
    bed.until("they are remembered", async || {
        (open(&bed).await == 1).then_some(())
    })
    .await;
    bed.iam.cut();
    bed.delete("files").await;
    bed.condition("files", "DeletionBlocked", "True", "BackendUnreachable")
        .await;
    bed.iam.mend();
    bed.gone("files").await;
    assert!(!user_exists(&user).await && !role_can_log_in(&database).await);
    assert!(bucket_exists(&bucket).await && database_exists(&database).await);
}

#[tokio::test]
async fn a_store_without_users_takes_over_from_one_with_them() {
    let (bed, _operator) = Bed::with_operator("otherway").await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    let (bucket, user, _) = made(&bed).await;
    let key = json!({
        "access-key-id": variable("FGW_TEST_MINIO_ACCESS_KEY"),
        "secret-access-key": variable("FGW_TEST_MINIO_SECRET_KEY"),
    });
    bed.apply_secret(SYSTEM, "minio-moved", key.clone()).await;
    apply_key(&bed, &format!("keys.{}.files", bed.namespace), key).await;
    let mut class = of_secrets();
    class["objectStore"] = json!({
        "endpoint": variable("FGW_TEST_MINIO_ENDPOINT"),
        "credentialsSecretRef": {"name": "minio-moved"},
    });
    class["iam"] = Value::Null;
    bed.apply_class(class).await;
    bed.condition("files", "CredentialsReady", "True", "Copied")
        .await;
    assert!(user_exists(&user).await);
    closed(&bed).await;
    assert!(!user_exists(&user).await);
    assert!(bucket_exists(&bucket).await);
    put(&minio_admin(), &bucket, "a").await.unwrap();
}
