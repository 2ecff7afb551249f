//! The servers outside the cluster, seen with an administrator's or a gateway's credentials.

use std::net::SocketAddr;
use std::str::FromStr;

use aws_credential_types::Credentials;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::error::ProvideErrorMetadata;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};

/// The value of a variable that the test bed sets.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: run the tests with `make test`, or under \
             `cargo run -p testbed -- exec -- …`"
        )
    })
}

/// Host and port of a URL.
pub fn address(url: &str) -> SocketAddr {
    let host = url.split("://").nth(1).unwrap();
    let host = host.rsplit('@').next().unwrap().split('/').next().unwrap();
    host.parse().unwrap()
}

/// User and password of the superuser.
pub fn postgres_login() -> (String, String) {
    let url = variable("FGW_TEST_POSTGRES_URL");
    let login = url.split("://").nth(1).unwrap().split('@').next().unwrap();
    let (user, password) = login.split_once(':').unwrap();
    (user.into(), password.into())
}

/// An S3 client of the real server.
pub fn s3(key: &str, secret: &str) -> aws_sdk_s3::Client {
    s3_at(&variable("FGW_TEST_S3_ENDPOINT"), key, secret)
}

pub fn s3_at(endpoint: &str, key: &str, secret: &str) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .force_path_style(true)
        .credentials_provider(Credentials::new(key, secret, None, None, "test"))
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

pub fn s3_admin() -> aws_sdk_s3::Client {
    s3(
        &variable("FGW_TEST_S3_ACCESS_KEY"),
        &variable("FGW_TEST_S3_SECRET_KEY"),
    )
}

/// An administrator's client of MinIO.
pub fn minio_admin() -> aws_sdk_s3::Client {
    s3_at(
        &variable("FGW_TEST_MINIO_ENDPOINT"),
        &variable("FGW_TEST_MINIO_ACCESS_KEY"),
        &variable("FGW_TEST_MINIO_SECRET_KEY"),
    )
}

pub fn iam_admin() -> aws_sdk_iam::Client {
    iam_at(
        &variable("FGW_TEST_IAM_ENDPOINT"),
        &variable("FGW_TEST_S3_ACCESS_KEY"),
        &variable("FGW_TEST_S3_SECRET_KEY"),
    )
}

pub fn iam_at(endpoint: &str, key: &str, secret: &str) -> aws_sdk_iam::Client {
    let config = aws_sdk_iam::Config::builder()
        .behavior_version(aws_sdk_iam::config::BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(aws_sdk_iam::config::Region::new("us-east-1"))
        .credentials_provider(Credentials::new(key, secret, None, None, "test"))
        .build();
    aws_sdk_iam::Client::from_conf(config)
}

pub async fn user_exists(user: &str) -> bool {
    match iam_admin().get_user().user_name(user).send().await {
        Ok(_) => true,
        Err(error) if error.code() == Some("NoSuchEntity") => false,
        Err(error) => panic!("{error:?}"),
    }
}

pub async fn put(client: &aws_sdk_s3::Client, bucket: &str, key: &str) -> Result<(), String> {
    let body = b"hello".to_vec().into();
    let call = client.put_object().bucket(bucket).key(key).body(body);
    match call.send().await {
        Ok(_) => Ok(()),
        Err(error) => Err(error.code().unwrap_or("no code").into()),
    }
}

pub async fn get(client: &aws_sdk_s3::Client, bucket: &str, key: &str) -> Result<Vec<u8>, String> {
    match client.get_object().bucket(bucket).key(key).send().await {
        Ok(answer) => Ok(answer.body.collect().await.unwrap().to_vec()),
        Err(error) => Err(error.code().unwrap_or("no code").into()),
    }
}

pub async fn bucket_exists(bucket: &str) -> bool {
    let call = s3_admin().get_bucket_location().bucket(bucket).send().await;
    match call {
        Ok(_) => true,
        Err(error) if error.code() == Some("NoSuchBucket") => false,
        Err(error) => panic!("{error:?}"),
    }
}

/// Tags of a bucket as `key=value`.
pub async fn tags(bucket: &str) -> Vec<String> {
    tags_at(&s3_admin(), bucket).await
}

pub async fn tags_at(client: &aws_sdk_s3::Client, bucket: &str) -> Vec<String> {
    match client.get_bucket_tagging().bucket(bucket).send().await {
        Ok(answer) => answer
            .tag_set()
            .iter()
            .map(|tag| format!("{}={}", tag.key(), tag.value()))
            .collect(),
        Err(_) => Vec::new(),
    }
}

pub async fn tag(client: &aws_sdk_s3::Client, bucket: &str, tags: &[(&str, &str)]) {
    use aws_sdk_s3::types::{Tag, Tagging};
    let tags = tags
        .iter()
        .map(|(key, value)| Tag::builder().key(*key).value(*value).build().unwrap());
    let tags = Tagging::builder().set_tag_set(Some(tags.collect())).build();
    let call = client.put_bucket_tagging().bucket(bucket);
    call.tagging(tags.unwrap()).send().await.unwrap();
}

pub async fn postgres_admin() -> PgConnection {
    PgConnection::connect(&variable("FGW_TEST_POSTGRES_URL"))
        .await
        .unwrap()
}

/// Connects by a URL to `database`, or the URL's own.
pub async fn postgres(url: &str, database: Option<&str>) -> Result<PgConnection, sqlx::Error> {
    let mut options = PgConnectOptions::from_str(url).unwrap();
    if let Some(database) = database {
        options = options.database(database);
    }
    PgConnection::connect_with(&options).await
}

pub async fn database_exists(name: &str) -> bool {
    exists("SELECT 1 FROM pg_database WHERE datname = $1", name).await
}

pub async fn role_exists(name: &str) -> bool {
    exists("SELECT 1 FROM pg_roles WHERE rolname = $1", name).await
}

pub async fn role_can_log_in(name: &str) -> bool {
    exists(
        "SELECT 1 FROM pg_roles WHERE rolname = $1 AND rolcanlogin",
        name,
    )
    .await
}

async fn exists(query: &'static str, name: &str) -> bool {
    let mut admin = postgres_admin().await;
    let row = sqlx::query(query)
        .bind(name)
        .fetch_optional(&mut admin)
        .await
        .unwrap();
    row.is_some()
}

/// Runs a statement as the superuser.
pub async fn execute(sql: String) {
    let mut admin = postgres_admin().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(&mut admin)
        .await
        .unwrap();
}
