//! An operator in the test's own process.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kube::config::{KubeConfigOptions, Kubeconfig};
use operator::{Config, RunError, Watched};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::wait::PATIENCE;
use super::{Bed, SYSTEM};

/// An operator in this process; stops when dropped.
pub struct Operator {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), RunError>>,
    /// Its name as a candidate.
    pub pod_name: String,
    /// Where it answers `/readyz` and `/metrics`.
    health: SocketAddr,
    calls: Arc<Calls>,
}

/// Its requests about this test's objects, that for the Lease excepted.
#[derive(Default)]
struct Calls {
    requests: AtomicUsize,
    /// Those of them that were not reads.
    writes: AtomicUsize,
    /// When the first and the last were made.
    between: Mutex<Option<(Instant, Instant)>>,
}

impl Calls {
    fn note(&self, request: &http::Request<kube::client::Body>, namespace: &str) {
        let path = request.uri().path();
        // The class has the namespace in its name, and so has the Lease.
        if !path.contains(namespace) || path.contains("/leases") {
            return;
        }
        self.requests.fetch_add(1, Ordering::SeqCst);
        if request.method() != http::Method::GET {
            self.writes.fetch_add(1, Ordering::SeqCst);
        }
        // Those that stand by look whether the definitions are installed.
        let query = request.uri().query().unwrap_or_default();
        if query.split('&').any(|part| part == "limit=1") {
            return;
        }
        let now = Instant::now();
        let mut between = self.between.lock().unwrap();
        let first = between.map_or(now, |(first, _)| first);
        *between = Some((first, now));
    }
}

/// How an operator is started.
pub struct Start {
    pub kube: kube::Config,
    /// Its own namespace.
    pub home: String,
    /// What it looks after.
    pub watched: Watched,
    pub resync: Duration,
    pub lease_name: String,
    pub lease_duration: Duration,
    pub secret_delay: Duration,
    pub silence: Duration,
}

impl Operator {
    /// Asks it to stop and waits until it has.
    pub async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.ended().await.unwrap();
    }

    /// Asks it to stop.
    pub fn begin_to_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> Result<(), RunError> {
        tokio::time::timeout(PATIENCE, self.over())
            .await
            .expect("the operator ends in time")
    }

    /// The same, however long it takes.
    pub async fn over(&mut self) -> Result<(), RunError> {
        (&mut self.task).await.unwrap()
    }

    /// Ends it as SIGKILL does: nothing of it runs on.
    pub async fn kill(&mut self) {
        self.task.abort();
        assert!((&mut self.task).await.unwrap_err().is_cancelled());
    }

    /// Writes so far.
    pub fn writes(&self) -> usize {
        self.calls.writes.load(Ordering::SeqCst)
    }

    /// When it made its first and its last request about this test's objects.
    pub fn worked(&self) -> Option<(Instant, Instant)> {
        *self.calls.between.lock().unwrap()
    }

    /// Waits until no pass is under way any more, so that what a test does next is seen by a pass
    /// that begins after it.
    pub async fn quiet(&self) {
        let requests = || self.calls.requests.load(Ordering::SeqCst);
        let mut before = usize::MAX;
        while before != requests() {
            before = requests();
            tokio::time::sleep(Duration::from_millis(1500)).await;
        }
    }

    /// Status and body of a path of its health address.
    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.health).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_string()))
    }
}

pub(super) async fn kube_config(path: &str) -> kube::Config {
    let file = Kubeconfig::read_from(path).unwrap();
    kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .unwrap()
}

impl Bed {
    /// Starts an operator for this namespace.
    pub async fn operator(&self, resync: Duration) -> Operator {
        let start = self.start().await;
        self.operator_as(Start { resync, ..start })
    }

    /// Starts an operator with the permissions of a ServiceAccount.
    pub async fn operator_of(&self, namespace: &str, account: &str) -> Operator {
        let start = self.start_of(namespace, account).await;
        self.operator_as(start)
    }

    /// How one with the permissions of a ServiceAccount is started.
    pub async fn start_of(&self, namespace: &str, account: &str) -> Start {
        let mut start = self.start().await;
        let account_name = format!("system:serviceaccount:{namespace}:{account}");
        start.kube.auth_info.impersonate = Some(account_name);
        Start {
            home: namespace.into(),
            lease_name: account.into(),
            ..start
        }
    }

    /// A client of the API server that is `user` to it.
    pub fn as_user(&self, user: &str) -> kube::Client {
        let mut kube = self.kube.clone();
        kube.auth_info.impersonate = Some(user.into());
        kube::Client::try_from(kube).unwrap()
    }

    /// What operators of this test have in common.
    pub async fn start(&self) -> Start {
        Start {
            kube: self.kube.clone(),
            home: SYSTEM.into(),
            watched: Watched::only([&self.namespace]),
            resync: Duration::from_secs(600),
            lease_name: format!("lease-{}", self.namespace),
            lease_duration: Duration::from_secs(60),
            secret_delay: Duration::from_secs(2),
            silence: Duration::from_secs(150),
        }
    }

    /// Starts an operator.
    pub fn operator_as(&self, start: Start) -> Operator {
        let calls = Arc::new(Calls::default());
        let (noted, namespace) = (calls.clone(), self.namespace.clone());
        let count =
            tower::util::MapRequestLayer::new(move |request: http::Request<kube::client::Body>| {
                noted.note(&request, &namespace);
                request
            });
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let health = free.local_addr().unwrap();
        drop(free);
        let pod_name = format!("operator-{:08x}", rand::random::<u32>());
        let config = Config {
            operator_namespace: start.home,
            gateway_image: "filegateway/gateway:test".into(),
            watched: start.watched,
            pod_name: pod_name.clone(),
            lease_name: start.lease_name,
            lease_duration: start.lease_duration,
            health_listen: health,
            resync: start.resync,
            secret_delay: start.secret_delay,
            silence: start.silence,
            log: "info".into(),
        };
        let client = kube::client::ClientBuilder::try_from(config.connection(start.kube))
            .unwrap()
            .with_layer(&count)
            .build();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            operator::run(config, client, shutdown).await
        });
        Operator {
            stop: Some(stop),
            task,
            pod_name,
            health,
            calls,
        }
    }
}
