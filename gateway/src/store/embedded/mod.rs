//! An S3 server in this process that keeps its objects in a folder, for `gateway dev`.
//!
//! The same code path as any other server: the SDK talks to it over a socket on the loopback
//! interface, with a key pair that is new at each start.

mod uploads;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::{fs, io};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use url::Url;
use uuid::Uuid;

use super::Keys;

/// A server that runs until this is dropped.
#[derive(Debug)]
pub struct Embedded {
    /// Where it listens.
    pub endpoint: Url,
    /// The only key pair that it knows.
    pub keys: Keys,
    _server: AbortOnDropHandle<()>,
}

/// Serves `folder` with one bucket in it, making both when they are missing.
///
/// # Errors
/// When the folder can't be written or no port can be had.
pub async fn serve(folder: &Path, bucket: &str) -> io::Result<Embedded> {
    fs::create_dir_all(folder.join(bucket))?;
    uploads::forget_open(folder)?;
    let files = FileSystem::new(folder).map_err(|error| io::Error::other(format!("{error:?}")))?;
    let access_key_id = Uuid::new_v4().simple().to_string();
    let secret_access_key = Uuid::new_v4().simple().to_string();
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(
        access_key_id.as_str(),
        secret_access_key.as_str(),
    ));
    service.set_access(uploads::OnlyOpen::new(folder));
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(accept(listener, service.build()));
    Ok(Embedded {
        endpoint: Url::parse(&format!("http://{address}")).map_err(io::Error::other)?,
        keys: Keys::Fixed {
            access_key_id,
            secret_access_key,
        },
        _server: AbortOnDropHandle::new(server),
    })
}

async fn accept(listener: TcpListener, service: S3Service) {
    loop {
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                tracing::warn!(%error, "the embedded object store could not accept a connection");
                // Out of descriptors, most likely: without a pause this loop would spin.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        socket.set_nodelay(true).ok();
        let service = service.clone();
        tokio::spawn(async move {
            let server = Builder::new(TokioExecutor::new());
            let connection = server.serve_connection(TokioIo::new(socket), service);
            if let Err(error) = connection.await {
                tracing::debug!(
                    error,
                    "a connection to the embedded object store ended badly"
                );
            }
        });
    }
}
