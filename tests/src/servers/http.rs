//! Asking servers over HTTP whether they are there.

use crate::Result;
use crate::error::IoContext;
use std::path::Path;
use std::time::Duration;

/// A client for probes: short patience, no proxy, and it stays on the machine whatever the server says.
///
/// # Errors
/// The client can't be made.
pub fn client() -> Result<reqwest::Client> {
    Ok(builder().build()?)
}

/// The same, trusting one authority alone.
///
/// # Errors
/// The certificate can't be read.
pub fn client_trusting(authority: &Path) -> Result<reqwest::Client> {
    let pem = std::fs::read(authority).at("read", authority)?;
    let certificate = reqwest::Certificate::from_pem(&pem)?;
    Ok(builder().tls_certs_only([certificate]).build()?)
}

fn builder() -> reqwest::ClientBuilder {
    // The IAM server answers an unsigned request with a redirect to somebody's web site.
    let redirects = reqwest::redirect::Policy::none();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(redirects)
        .timeout(Duration::from_secs(2))
}

/// Whether the server gives any answer at all.
pub async fn answers(client: &reqwest::Client, url: &str) -> bool {
    client.get(url).send().await.is_ok()
}

/// Whether the server answers with success.
pub async fn succeeds(client: &reqwest::Client, url: &str) -> bool {
    client
        .get(url)
        .send()
        .await
        .is_ok_and(|answer| answer.status().is_success())
}
