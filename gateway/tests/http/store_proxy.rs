//! A relay in front of the object store that notes each request and counts open connections.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::worlds::{ObjectStore, variable};

pub(crate) struct StoreProxy {
    pub(crate) endpoint: String,
    seen: Arc<Seen>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<String>>,
    open: AtomicUsize,
}

impl StoreProxy {
    pub(crate) async fn before(object_store: ObjectStore) -> Self {
        let upstream = variable(&format!("{}_ENDPOINT", object_store.prefix()));
        let upstream = upstream.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Seen::default());
        let noted = seen.clone();
        let accepting = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (upstream, seen) = (upstream.clone(), noted.clone());
                tokio::spawn(async move {
                    seen.open.fetch_add(1, Ordering::SeqCst);
                    relay(client, &upstream, &seen).await;
                    seen.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            endpoint,
            seen,
            accepting,
        }
    }

    /// The request lines since the last call of this.
    pub(crate) fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.requests.lock().unwrap())
    }

    pub(crate) fn open(&self) -> usize {
        self.seen.open.load(Ordering::SeqCst)
    }

    /// Fails unless at most so many connections are open within ten seconds.
    pub(crate) async fn assert_open_at_most(&self, limit: usize) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.open() > limit {
            assert!(
                Instant::now() < deadline,
                "{} connections are open, not at most {limit}",
                self.open()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for StoreProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Passes bytes both ways until one side is done.
async fn relay(mut client: TcpStream, upstream: &str, seen: &Seen) {
    let mut server = TcpStream::connect(upstream).await.unwrap();
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let requests = async {
        let (mut frame, mut line) = (vec![0; 64 * 1024], Vec::new());
        loop {
            let read = from_client.read(&mut frame).await?;
            if read == 0 {
                return Ok::<_, std::io::Error>(());
            }
            seen.note(&frame[..read], &mut line);
            to_server.write_all(&frame[..read]).await?;
        }
    };
    tokio::select! {
        _ = requests => {}
        _ = copy(&mut from_server, &mut to_client) => {}
    }
}

impl Seen {
    fn note(&self, bytes: &[u8], line: &mut Vec<u8>) {
        for byte in bytes {
            line.push(*byte);
            if *byte == b'\n' {
                if line.ends_with(b" HTTP/1.1\r\n") {
                    let line = String::from_utf8_lossy(line);
                    // After a body on the same connection, which ends with no line.
                    let methods = ["DELETE /", "GET /", "HEAD /", "POST /", "PUT /"];
                    let begin = methods.iter().filter_map(|method| line.rfind(method));
                    let line = line[begin.max().unwrap_or(0)..].trim_end().to_owned();
                    self.requests.lock().unwrap().push(line);
                }
                line.clear();
            }
        }
    }
}
