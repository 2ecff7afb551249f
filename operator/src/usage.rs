//! Which classes FileGateways of the watched namespaces name. One that is in use is not deleted: an admission
//! policy of the chart refuses it by the status that is made of this.

use std::collections::BTreeSet;

use crds::FileGateway;
use futures_util::{Stream, stream};
use kube::runtime::reflector::Store;
use kube::runtime::watcher::Event;
use tokio::sync::watch;

/// Names of the classes in use; unknown until every watched FileGateway was listed.
#[derive(Debug)]
pub struct Usage(watch::Sender<Option<BTreeSet<String>>>);

impl Default for Usage {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Usage {
    /// Whether a FileGateway names `class`, if that is known.
    pub fn of(&self, class: &str) -> Option<bool> {
        self.0.borrow().as_ref().map(|names| names.contains(class))
    }

    /// Takes note of what the watch of all FileGateways told, after it went into `store`.
    pub fn note(&self, event: &Event<FileGateway>, store: &Store<FileGateway>) {
        match event {
            Event::Init | Event::InitApply(_) => return,
            // A class can't be changed, so one that is known is known to be used.
            Event::Apply(gateway) if self.of(&gateway.spec.class_name) == Some(true) => return,
            Event::Apply(_) | Event::Delete(_) | Event::InitDone => {}
        }
        let gateways = store.state();
        let names = gateways
            .iter()
            .map(|gateway| gateway.spec.class_name.clone());
        let names = Some(names.collect());
        self.0.send_if_modified(|known| {
            let changed = *known != names;
            *known = names;
            changed
        });
    }

    /// An item whenever another class is used, or one is not any more.
    pub fn changes(&self) -> impl Stream<Item = ()> + Send + 'static {
        stream::unfold(self.0.subscribe(), |mut receiver| async move {
            receiver.changed().await.ok().map(|()| ((), receiver))
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};
    use kube::runtime::reflector;
    use serde_json::json;

    use super::*;

    fn gateway(name: &str, class: &str) -> FileGateway {
        serde_json::from_value(json!({
            "apiVersion": "filegateway.dev/v1alpha1",
            "kind": "FileGateway",
            "metadata": {"name": name, "namespace": "acme", "uid": name},
            "spec": {
                "className": class, "organization": "acme", "auth": {"issuer": "i", "audience": "a"}},
        }))
        .unwrap()
    }

    #[test]
    fn a_class_is_used_from_the_first_gateway_to_the_last() {
        let (store, mut writer) = reflector::store();
        let usage = Usage::default();
        let mut changes = Box::pin(usage.changes());
        let mut told = |event: Event<FileGateway>| {
            writer.apply_watcher_event(&event);
            usage.note(&event, &store);
            let changed = changes.next().now_or_never().is_some();
            (changed, usage.of("gold"), usage.of("plain"))
        };
        assert_eq!(told(Event::Init), (false, None, None));
        let known = Event::InitApply(gateway("a", "gold"));
        assert_eq!(told(known), (false, None, None));
        assert_eq!(told(Event::InitDone), (true, Some(true), Some(false)));
        let same = Event::Apply(gateway("b", "gold"));
        assert_eq!(told(same), (false, Some(true), Some(false)));
        let other = Event::Apply(gateway("c", "plain"));
        assert_eq!(told(other), (true, Some(true), Some(true)));
        let first = Event::Delete(gateway("a", "gold"));
        assert_eq!(told(first), (false, Some(true), Some(true)));
        let last = Event::Delete(gateway("b", "gold"));
        assert_eq!(told(last), (true, Some(false), Some(true)));
    }
}
