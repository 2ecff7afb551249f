//! A cable that can be pulled: forwards TCP connections until it is told to cut them, and shows requests to
//! whoever wants to see them.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Forwards to one address while it is up.
pub struct Proxy {
    pub address: SocketAddr,
    up: watch::Sender<bool>,
    hung: watch::Sender<()>,
    sight: Arc<Sight>,
}

/// What is seen of the requests.
#[derive(Default)]
struct Sight {
    writes: AtomicUsize,
    /// Milliseconds.
    delay: AtomicU64,
    witness: OnceLock<Box<dyn Witness>>,
}

/// When something happens, as seen from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The request does not reach it.
    Before,
    /// It has done what was asked, and its answer reaches nobody.
    After,
}

/// Sees what clients send, a read at a time: their requests begin with a read of their own.
pub trait Witness: Send + Sync {
    /// Whether and when the connection ends because of `bytes`.
    fn sees(&self, bytes: &[u8]) -> Option<Moment>;
    /// Called when it does.
    fn strikes(&self);
}

impl Proxy {
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (up, state) = watch::channel(true);
        let (hung, hang) = watch::channel(());
        let sight = Arc::new(Sight::default());
        let seen = sight.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut hang = hang.clone();
                hang.mark_unchanged();
                tokio::spawn(forward(client, target, state.clone(), hang, seen.clone()));
            }
        });
        Self {
            address,
            up,
            hung,
            sight,
        }
    }

    /// HTTP requests so far that were not reads.
    pub fn writes(&self) -> usize {
        self.sight.writes.load(Ordering::SeqCst)
    }

    /// Shows all that comes from now on to `witness`, the only one.
    pub fn show(&self, witness: impl Witness + 'static) {
        assert!(self.sight.witness.set(Box::new(witness)).is_ok());
    }

    /// Holds each request up for `milliseconds`.
    pub fn delay(&self, milliseconds: u64) {
        self.sight.delay.store(milliseconds, Ordering::SeqCst);
    }

    /// Ends all connections, and each new one at once.
    pub fn cut(&self) {
        self.up.send_replace(false);
    }

    /// Lets all connections that there are stay open and carry nothing any more, as if the other end had
    /// lost its power; new ones work.
    pub fn hang(&self) {
        self.hung.send_replace(());
    }

    pub fn mend(&self) {
        self.up.send_replace(true);
    }
}

async fn forward(
    client: TcpStream,
    target: SocketAddr,
    mut up: watch::Receiver<bool>,
    mut hang: watch::Receiver<()>,
    sight: Arc<Sight>,
) {
    if !*up.borrow() {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let answer_is_last = AtomicBool::new(false);
    let answers = answers(from_server, to_client, &sight, &answer_is_last);
    let requests = requests(from_client, to_server, &sight, &answer_is_last);
    let mut both = pin!(async { tokio::join!(answers, requests) });
    let hung = tokio::select! {
        _ = &mut both => false,
        _ = up.wait_for(|up| !*up) => false,
        hung = hang.changed() => hung.is_ok(),
    };
    if hung {
        // What is open is kept: to drop it would tell the client.
        let _ = up.wait_for(|up| !*up).await;
    }
}

/// Copies until the end, and counts what begins as a request that writes: clients send a request's head
/// by itself.
async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    sight: &Sight,
    answer_is_last: &AtomicBool,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..length];
        let write = [&b"PUT "[..], b"POST ", b"DELETE "];
        if write.iter().any(|method| bytes.starts_with(method)) {
            sight.writes.fetch_add(1, Ordering::SeqCst);
        }
        if let Some(witness) = sight.witness.get() {
            match witness.sees(bytes) {
                None => {}
                Some(Moment::Before) => return witness.strikes(),
                Some(Moment::After) => answer_is_last.store(true, Ordering::SeqCst),
            }
        }
        let delay = Duration::from_millis(sight.delay.load(Ordering::SeqCst));
        tokio::time::sleep(delay).await;
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    sight: &Sight,
    answer_is_last: &AtomicBool,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if let Some(witness) = sight.witness.get()
            && answer_is_last.load(Ordering::SeqCst)
        {
            return witness.strikes();
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
