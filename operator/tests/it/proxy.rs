//! A cable that can be pulled: forwards TCP connections until it is told to cut them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Forwards to one address while it is up.
pub struct Proxy {
    pub address: SocketAddr,
    up: watch::Sender<bool>,
    writes: Arc<AtomicUsize>,
}

impl Proxy {
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (up, state) = watch::channel(true);
        let writes = Arc::new(AtomicUsize::new(0));
        let count = writes.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, target, state.clone(), count.clone()));
            }
        });
        Self {
            address,
            up,
            writes,
        }
    }

    /// HTTP requests so far that were not reads.
    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    /// Ends all connections, and each new one at once.
    pub fn cut(&self) {
        self.up.send_replace(false);
    }

    pub fn mend(&self) {
        self.up.send_replace(true);
    }
}

async fn forward(
    client: TcpStream,
    target: SocketAddr,
    mut up: watch::Receiver<bool>,
    writes: Arc<AtomicUsize>,
) {
    if !*up.borrow() {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let answers = copy(from_server, to_client, None);
    let requests = copy(from_client, to_server, Some(writes));
    tokio::select! {
        _ = async { tokio::join!(answers, requests) } => {}
        _ = up.wait_for(|up| !*up) => {}
    }
}

/// Copies until the end, and counts what begins as a request that writes: clients send a request's head
/// by itself.
async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, writes: Option<Arc<AtomicUsize>>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..length];
        let write = [&b"PUT "[..], b"POST ", b"DELETE "];
        if let Some(writes) = &writes
            && write.iter().any(|method| bytes.starts_with(method))
        {
            writes.fetch_add(1, Ordering::SeqCst);
        }
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
