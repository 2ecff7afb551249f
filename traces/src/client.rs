//! One export on the wire.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use reqwest::{Certificate, Client, redirect};
use tokio::runtime::Handle;

use crate::pipeline::ExporterError;
use crate::settings::Settings;

/// How much of an answer is read, in bytes. Nothing follows from what it says.
const MOST_READ: usize = 64 * 1024;

/// The HTTP client that both programs link anyhow. The thread that exports is none of Tokio's, so requests
/// are made on the runtime and waited for from there.
#[derive(Debug)]
pub(crate) struct OnRuntime {
    client: Client,
    runtime: Handle,
}

impl OnRuntime {
    pub(crate) fn new(settings: &Settings) -> Result<Self, ExporterError> {
        let mut client = Client::builder()
            .timeout(settings.timeout)
            // Headers may be secret, and are meant for the endpoint alone.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("filegateway/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &settings.certificate {
            let pem = std::fs::read(path).map_err(|source| ExporterError::Certificate {
                path: path.clone(),
                source,
            })?;
            client = client.tls_certs_merge(
                Certificate::from_pem_bundle(&pem).map_err(ExporterError::Client)?,
            );
        }
        Ok(Self {
            client: client.build().map_err(ExporterError::Client)?,
            runtime: Handle::try_current().map_err(ExporterError::Runtime)?,
        })
    }
}

#[async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        for value in request.headers_mut().values_mut() {
            // Shown by no library's log.
            value.set_sensitive(true);
        }
        let sent = send(self.client.clone(), request.try_into()?);
        Ok(self.runtime.spawn(sent).await??)
    }
}

async fn send(
    client: Client,
    request: reqwest::Request,
) -> Result<Response<Bytes>, reqwest::Error> {
    let mut answer = client.execute(request).await?;
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > MOST_READ {
            break;
        }
    }
    let mut response = Response::new(body.freeze());
    *response.status_mut() = answer.status();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(response)
}
