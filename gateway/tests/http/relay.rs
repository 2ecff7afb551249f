//! Something between the gateway and what it depends on, that counts, may tell a wrong time, and may
//! fall silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use crate::worlds::variable;

/// How the bytes pass.
#[derive(Debug, Clone, Copy)]
struct Way {
    /// So many seconds later it is there, by the answers.
    later: i64,
    /// So many bytes of a connection's answers pass, and then nothing more.
    most: usize,
    /// How many bytes pass at once.
    piece: usize,
    /// How long each piece takes.
    pause: Duration,
}

const PLAIN: Way = Way {
    later: 0,
    most: usize::MAX,
    piece: 64 << 10,
    pause: Duration::ZERO,
};

pub(crate) struct Relay {
    port: u16,
    open: Arc<AtomicUsize>,
    heads: Arc<AtomicUsize>,
    hung: watch::Sender<bool>,
    _task: AbortOnDropHandle<()>,
}

impl Relay {
    pub(crate) async fn to_versitygw() -> Self {
        Self::to(&versitygw(), PLAIN).await
    }

    /// One that takes so many bytes a second from a connection, and no more.
    pub(crate) async fn slow(piece: usize) -> Self {
        let pause = Duration::from_secs(1);
        let way = Way {
            piece,
            pause,
            ..PLAIN
        };
        Self::to(&versitygw(), way).await
    }

    /// One to `server`, whose packets are as small as any and each of them late.
    pub(crate) async fn crumbling(server: &str) -> Self {
        let way = Way {
            piece: 536,
            pause: Duration::from_millis(3),
            ..PLAIN
        };
        Self::to(server, way).await
    }

    pub(crate) async fn crumbling_to_versitygw() -> Self {
        Self::crumbling(&versitygw()).await
    }

    pub(crate) async fn to_postgres() -> Self {
        let url = Url::parse(&variable("FGW_TEST_POSTGRES_URL")).unwrap();
        let (host, port) = (url.host_str().unwrap(), url.port().unwrap_or(5432));
        Self::to(&format!("{host}:{port}"), PLAIN).await
    }

    /// One whose answers say that it is so many seconds later than it is.
    pub(crate) async fn with_time(later: i64) -> Self {
        Self::to(&versitygw(), Way { later, ..PLAIN }).await
    }

    /// One that passes so many bytes of a connection's answers, and then nothing more.
    pub(crate) async fn silent_after(most: usize) -> Self {
        Self::to(&versitygw(), Way { most, ..PLAIN }).await
    }

    async fn to(server: &str, way: Way) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = server.to_owned();
        let (hung, hanging) = watch::channel(false);
        let (open, heads) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (counter, asked) = (open.clone(), heads.clone());
        let task = tokio::spawn(async move {
            loop {
                let (here, _) = listener.accept().await.unwrap();
                let (counter, asked, server) = (counter.clone(), asked.clone(), server.clone());
                let mut hanging = hanging.clone();
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    answers(&mut hanging).await;
                    if let Ok(there) = TcpStream::connect(server).await {
                        relay(here, there, way, &asked, hanging).await;
                    }
                    counter.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            port,
            open,
            heads,
            hung,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// How many HEAD requests have passed.
    pub(crate) fn heads(&self) -> usize {
        self.heads.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From now on takes every connection, and passes nothing.
    pub(crate) fn hang(&self) {
        self.hung.send_replace(true);
    }

    /// Passes on all that came meanwhile, and goes on.
    pub(crate) fn go_on(&self) {
        self.hung.send_replace(false);
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

fn versitygw() -> String {
    let server = variable("FGW_TEST_S3_ENDPOINT");
    let server = server.strip_prefix("http://").unwrap();
    server.trim_end_matches('/').to_owned()
}

/// Waits while the relay hangs.
async fn answers(hanging: &mut watch::Receiver<bool>) {
    hanging.wait_for(|hung| !hung).await.ok();
}

async fn relay(
    here: TcpStream,
    there: TcpStream,
    way: Way,
    asked: &AtomicUsize,
    mut hanging: watch::Receiver<bool>,
) {
    let mut hanging_too = hanging.clone();
    for socket in [&here, &there] {
        socket.set_nodelay(true).unwrap();
    }
    let ((mut from_here, mut to_here), (mut from_there, mut to_there)) =
        (here.into_split(), there.into_split());
    let asking = async {
        let mut buffer = vec![0; way.piece];
        while let Ok(read @ 1..) = from_here.read(&mut buffer).await {
            if !way.pause.is_zero() {
                sleep(way.pause).await;
            }
            if buffer.starts_with(b"HEAD ") {
                asked.fetch_add(1, Ordering::SeqCst);
            }
            answers(&mut hanging).await;
            if to_there.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    };
    let answering = async {
        let mut buffer = vec![0; way.piece];
        let mut passed = 0;
        while let Ok(read @ 1..) = from_there.read(&mut buffer).await {
            if !way.pause.is_zero() {
                sleep(way.pause).await;
            }
            passed += read;
            if passed > way.most {
                std::future::pending::<()>().await;
            }
            answers(&mut hanging_too).await;
            if way.later != 0 {
                shift(&mut buffer[..read], way.later);
            }
            if to_here.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    };
    // Whichever ends, the other one goes with it.
    tokio::select! {
        () = asking => {}
        () = answering => {}
    }
}

/// Moves the date of an answer, which has one length whatever it is.
fn shift(answer: &mut [u8], later: i64) {
    const NAME: &[u8] = b"\r\nDate: ";
    const LENGTH: usize = "Sun, 06 Nov 1994 08:49:37 GMT".len();
    let Some(at) = answer
        .windows(NAME.len())
        .position(|some| some.eq_ignore_ascii_case(NAME))
    else {
        return;
    };
    let date = &mut answer[at + NAME.len()..][..LENGTH];
    let time = httpdate::parse_http_date(std::str::from_utf8(date).unwrap()).unwrap();
    let by = Duration::from_secs(later.unsigned_abs());
    let moved = if later > 0 { time + by } else { time - by };
    date.copy_from_slice(httpdate::fmt_http_date(moved).as_bytes());
}
