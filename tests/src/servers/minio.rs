//! MinIO: a second S3 server, since servers differ in what they leave out.

use super::{Place, Started, free_port, http};
use crate::process::Server;
use crate::tools::Tool;
use crate::{Result, secret};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

/// The one key of its built-in key management service.
const KMS_KEY: &str = "filegateway";

/// Starts it with a random root key and a random key to encrypt with, without its web console.
///
/// # Errors
/// It doesn't come up.
pub async fn start(place: &Place) -> Result<Started> {
    let data = place.make("minio")?;
    let (access_key, secret_key) = (secret::word(20), secret::word(40));
    // 32 bytes in Base64.
    let kms_key = format!("{}A=", secret::word(42));
    let port = free_port()?;
    let mut command = place.toolbox.command(Tool::Minio);
    command
        .env("MINIO_ROOT_USER", &access_key)
        .env("MINIO_ROOT_PASSWORD", &secret_key)
        .env("MINIO_KMS_SECRET_KEY", format!("{KMS_KEY}:{kms_key}"))
        .env("MINIO_BROWSER", "off")
        .env("MINIO_UPDATE", "off")
        .env("HOME", &data)
        .args([
            "server",
            "--quiet",
            "--address",
            &format!("127.0.0.1:{port}"),
        ])
        .arg(data.join("data"));
    let mut server = Server::start("minio", command, &place.logs)?;
    let client = http::client()?;
    let endpoint = format!("http://127.0.0.1:{port}");
    let health = format!("{endpoint}/minio/health/ready");
    server
        .ready(LIMIT, async || http::succeeds(&client, &health).await)
        .await?;
    Ok(Started {
        servers: vec![server],
        variables: vec![
            ("FGW_TEST_MINIO_ENDPOINT", endpoint),
            ("FGW_TEST_MINIO_ACCESS_KEY", access_key),
            ("FGW_TEST_MINIO_SECRET_KEY", secret_key),
            ("FGW_TEST_MINIO_KMS_KEY", KMS_KEY.to_owned()),
        ],
    })
}
