//! An operator in the test's own process.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use operator::Config;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::wait::PATIENCE;
use super::{Bed, SYSTEM};
use crate::backends::variable;

/// An operator in this process; stops when dropped.
pub struct Operator {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    /// Where it answers `/readyz`.
    pub health: SocketAddr,
    /// Requests about this test's objects.
    requests: Arc<AtomicUsize>,
    /// Those of them that were not reads.
    writes: Arc<AtomicUsize>,
}

impl Operator {
    /// Asks it to stop and waits until it has.
    pub async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .expect("the operator stops in time")
            .unwrap();
    }

    /// Writes so far.
    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    /// Waits until no pass is under way any more, so that what a test does next is seen by a pass
    /// that begins after it.
    pub async fn quiet(&self) {
        let mut before = usize::MAX;
        while before != self.requests.load(Ordering::SeqCst) {
            before = self.requests.load(Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(1500)).await;
        }
    }
}

pub(super) async fn kube_config() -> kube::Config {
    let file = Kubeconfig::read_from(variable("FGW_TEST_KUBECONFIG")).unwrap();
    kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .unwrap()
}

impl Bed {
    /// Starts an operator for this namespace.
    pub async fn operator(&self, resync: Duration) -> Operator {
        self.operator_as(kube_config().await, SYSTEM, resync).await
    }

    /// Starts an operator with the permissions of a ServiceAccount.
    pub async fn operator_of(&self, namespace: &str, account: &str) -> Operator {
        let mut kube = kube_config().await;
        kube.auth_info.impersonate = Some(format!("system:serviceaccount:{namespace}:{account}"));
        self.operator_as(kube, namespace, Duration::from_secs(600))
            .await
    }

    async fn operator_as(&self, kube: kube::Config, home: &str, resync: Duration) -> Operator {
        let writes = Arc::new(AtomicUsize::new(0));
        let requests = Arc::new(AtomicUsize::new(0));
        let (all, changing) = (requests.clone(), writes.clone());
        let namespace = self.namespace.clone();
        let count =
            tower::util::MapRequestLayer::new(move |request: http::Request<kube::client::Body>| {
                // The class has the namespace in its name.
                if request.uri().path().contains(&namespace) {
                    all.fetch_add(1, Ordering::SeqCst);
                    if request.method() != http::Method::GET {
                        changing.fetch_add(1, Ordering::SeqCst);
                    }
                }
                request
            });
        let client = kube::client::ClientBuilder::try_from(kube)
            .unwrap()
            .with_layer(&count)
            .build();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let health = free.local_addr().unwrap();
        drop(free);
        let config = Config {
            operator_namespace: home.into(),
            gateway_image: "filegateway/gateway:test".into(),
            watch_namespace: Some(self.namespace.clone()),
            health_listen: health,
            resync,
            log: "info".into(),
        };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            operator::run(config, client, shutdown).await.unwrap();
        });
        Operator {
            stop: Some(stop),
            task,
            health,
            requests,
            writes,
        }
    }
}
