//! The gateways that wait for a pass: while what belongs together is gathered, for a place among those that
//! run at once, or for the pass over the same gateway that runs.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crds::FileGateway;
use kube::runtime::reflector::ObjectRef;
use prometheus_client::metrics::gauge::Gauge;

use super::Families;

/// Which they are. kube's controller does not tell its queue, so what goes in and what comes out is noted.
#[derive(Default)]
pub(super) struct Waiting {
    /// By namespace and name.
    gateways: Mutex<HashSet<(String, String)>>,
    count: Gauge,
}

impl Waiting {
    /// How many, for the registry.
    pub(super) fn gauge(&self) -> Gauge {
        self.count.clone()
    }

    /// `change` says whether it changed anything.
    fn change(&self, change: impl FnOnce(&mut HashSet<(String, String)>) -> bool) {
        let mut gateways = self.gateways.lock().unwrap_or_else(PoisonError::into_inner);
        if change(&mut gateways) {
            let count = i64::try_from(gateways.len());
            self.count.set(count.unwrap_or(i64::MAX));
        }
    }
}

impl Families {
    /// Something about a gateway changed, or is due.
    pub fn told(&self, gateway: &ObjectRef<FileGateway>) {
        let namespace = gateway.namespace.clone().unwrap_or_default();
        let key = (namespace, gateway.name.clone());
        self.waiting.change(|all| all.insert(key));
    }

    /// A pass over a gateway begins, or there is no such gateway.
    pub fn answered(&self, namespace: &str, name: &str) {
        let key = (namespace.to_string(), name.to_string());
        self.waiting.change(|all| all.remove(&key));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;

    #[test]
    fn each_gateway_waits_once_and_until_its_pass_begins() {
        let metrics = Metrics::default();
        let shows = |count: usize| {
            let line = format!("filegateway_operator_gateways_waiting {count}\n");
            let text = metrics.text();
            assert!(text.contains(&line), "{line} in {text}");
        };
        shows(0);
        let gateway = |namespace: &str| ObjectRef::new("files").within(namespace);
        metrics.told(&gateway("acme"));
        metrics.told(&gateway("acme"));
        metrics.told(&gateway("other"));
        shows(2);
        metrics.answered("acme", "files");
        shows(1);
        metrics.answered("acme", "files");
        metrics.answered("other", "files");
        shows(0);
    }
}
