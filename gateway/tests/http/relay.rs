//! Something between the gateway and the object store, that knows how many connections are open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::worlds::variable;

pub(crate) struct Relay {
    port: u16,
    open: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl Relay {
    pub(crate) async fn to_versitygw() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = variable("FGW_TEST_S3_ENDPOINT");
        let server = server.strip_prefix("http://").unwrap().to_owned();
        let server = server.trim_end_matches('/').to_owned();
        let open = Arc::new(AtomicUsize::new(0));
        let counter = open.clone();
        let task = tokio::spawn(async move {
            loop {
                let (mut here, _) = listener.accept().await.unwrap();
                let (counter, server) = (counter.clone(), server.clone());
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    if let Ok(mut there) = TcpStream::connect(server).await {
                        copy_bidirectional(&mut here, &mut there).await.ok();
                    }
                    counter.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            port,
            open,
            _task: AbortOnDropHandle::new(task),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits until the number of open connections is as wanted.
    pub(crate) async fn wait_for(&self, what: &str, wanted: impl Fn(usize) -> bool) {
        let waiting = async {
            while !wanted(self.open.load(Ordering::SeqCst)) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = timeout(Duration::from_secs(40), waiting).await;
        waited.unwrap_or_else(|_| panic!("{what}: never"));
    }
}
