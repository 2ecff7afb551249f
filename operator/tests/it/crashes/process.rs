//! The operator as a process of its own, and the places where it is killed.
//!
//! Whatever it changes outside of itself goes over a connection, and all of them lead through proxies of the
//! test. So every write is a step, also one that is still to be invented, and the program is the one that is
//! shipped: nothing in it knows of the fault.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::steps::{Protocol, Step};
use crate::bed::{Bed, SYSTEM};
use crate::proxy::{Moment, Proxy, Witness};

/// An operator that is started again when it was killed; gone when dropped.
pub struct Process {
    state: Arc<Mutex<State>>,
    /// Its way to the API server.
    _api: Proxy,
    kubeconfig: PathBuf,
}

struct State {
    command: Command,
    namespace: String,
    child: Child,
    /// How often each write was seen.
    counts: BTreeMap<String, usize>,
    steps: Vec<Step>,
    fault: Fault,
    kills: usize,
    /// How often the S3 server was asked for anything.
    looks: usize,
}

/// Where it is killed next.
enum Fault {
    Nowhere,
    /// At this step, and then at the next of the same name.
    At(Step, Moment),
    /// At every step: before the first of a name, and after the second. When it was last, by name.
    Everywhere(BTreeMap<String, Moment>),
}

impl Process {
    /// Starts it for `bed`, to be killed before the step `fatal`, and after the next of the same name.
    /// `api` is a server that speaks HTTP for the API server.
    pub async fn start(bed: &Bed, api: std::net::SocketAddr, fatal: Option<Step>) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let api = Proxy::to(api).await;
        let kubeconfig = folder.join(format!("{}.kubeconfig", bed.namespace));
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": format!("http://{}", api.address)}}],
            "users": [{"name": "test", "user": {}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        });
        std::fs::write(&kubeconfig, config.to_string()).unwrap();
        let log = File::create(folder.join(format!("{}.log", bed.namespace))).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_operator"));
        command
            .arg("run")
            .env("KUBECONFIG", &kubeconfig)
            .env("FILEGATEWAY_OPERATOR_NAMESPACE", SYSTEM)
            .env("FILEGATEWAY_GATEWAY_IMAGE", "filegateway/gateway:test")
            .env("FILEGATEWAY_WATCH_NAMESPACES", &bed.namespace)
            .env("FILEGATEWAY_LEASE_SECONDS", "60")
            .env("FILEGATEWAY_HEALTH_LISTEN", "127.0.0.1:0")
            // Each stage of a rotation follows the one before at once.
            .env("FILEGATEWAY_SECRET_DELAY_SECONDS", "0")
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let child = spawn(&mut command, &bed.namespace, 0);
        let state = Arc::new(Mutex::new(State {
            command,
            namespace: bed.namespace.clone(),
            child,
            counts: BTreeMap::new(),
            steps: Vec::new(),
            fault: fatal.map_or(Fault::Nowhere, |step| Fault::At(step, Moment::Before)),
            kills: 0,
            looks: 0,
        }));
        for (proxy, protocol) in [
            (&api, Protocol::Kubernetes),
            (&bed.s3, Protocol::S3),
            (&bed.iam, Protocol::Iam),
            (&bed.postgres, Protocol::PostgreSql),
        ] {
            proxy.show(Wire {
                protocol,
                state: state.clone(),
            });
        }
        Self {
            state,
            _api: api,
            kubeconfig,
        }
    }

    /// Every step so far, in order.
    pub fn steps(&self) -> Vec<Step> {
        self.state.lock().unwrap().steps.clone()
    }

    /// How often it was killed.
    pub fn kills(&self) -> usize {
        self.state.lock().unwrap().kills
    }

    /// From now on it is killed at every step, before it and after it.
    pub fn strike_everywhere(&self) {
        self.state.lock().unwrap().fault = Fault::Everywhere(BTreeMap::new());
    }

    /// The steps at which it was killed since then, and when it was last.
    pub fn struck(&self) -> BTreeMap<String, Moment> {
        match &self.state.lock().unwrap().fault {
            Fault::Everywhere(struck) => struck.clone(),
            _ => BTreeMap::new(),
        }
    }

    /// How often it, or one before it, has asked the S3 server for anything.
    pub fn looks(&self) -> usize {
        self.state.lock().unwrap().looks
    }

    /// From now on it is left alone.
    pub fn spare(&self) {
        self.state.lock().unwrap().fault = Fault::Nowhere;
    }

    /// Another one in its place, that knows nothing of what the former did.
    pub fn start_again(&self) {
        self.state.lock().unwrap().replace();
    }
}

impl State {
    /// `Child::kill` is SIGKILL.
    fn replace(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.kills += 1;
        self.child = spawn(&mut self.command, &self.namespace, self.kills);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap();
        let _ = state.child.kill();
        let _ = state.child.wait();
        let _ = std::fs::remove_file(&self.kubeconfig);
    }
}

/// Each has a Lease of its own: the one before is dead for sure, so nobody has to wait for its end.
fn spawn(command: &mut Command, namespace: &str, number: usize) -> Child {
    let lease = format!("lease-{namespace}-{number}");
    let command = command.env("FILEGATEWAY_LEASE_NAME", lease);
    command.spawn().unwrap()
}

/// One of its connections.
struct Wire {
    protocol: Protocol,
    state: Arc<Mutex<State>>,
}

impl Witness for Wire {
    fn sees(&self, bytes: &[u8]) -> Option<Moment> {
        let mut state = self.state.lock().unwrap();
        if matches!(self.protocol, Protocol::S3) {
            state.looks += 1;
        }
        let what = self.protocol.write(bytes)?;
        let count = state.counts.entry(what.clone()).or_default();
        *count += 1;
        let step = Step {
            what,
            occurrence: *count,
        };
        state.steps.push(step.clone());
        match &mut state.fault {
            Fault::Nowhere => None,
            Fault::At(fatal, moment) => (*fatal == step).then_some(*moment),
            Fault::Everywhere(struck) => {
                let next = match struck.get(&step.what) {
                    None => Moment::Before,
                    Some(Moment::Before) => Moment::After,
                    Some(Moment::After) => return None,
                };
                struck.insert(step.what, next);
                Some(next)
            }
        }
    }

    fn strikes(&self) {
        let mut state = self.state.lock().unwrap();
        state.replace();
        match &mut state.fault {
            Fault::At(step, moment @ Moment::Before) => {
                step.occurrence += 1;
                *moment = Moment::After;
            }
            Fault::At(..) => state.fault = Fault::Nowhere,
            Fault::Nowhere | Fault::Everywhere(_) => {}
        }
    }
}
