//! Streams of changes, and which part of the cluster they are of.

use std::fmt::Debug;

use futures_util::{Stream, TryStreamExt};
use k8s_openapi::NamespaceResourceScope;
use kube::api::Api;
use kube::core::Resource;
use kube::runtime::{WatchStreamExt, watcher};

use crate::context::Context;
use crate::health::Readiness;

/// What the operator is not interested in, and what there is most of.
pub const SECRET_FIELDS: &str =
    "type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token,type!=kubernetes.io/tls";

/// Every object as it is, and then what becomes of it. A broken watch is started again.
pub fn changes<K>(
    api: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = Result<K, watcher::Error>> + Send + 'static
where
    K: Resource + Clone + Debug + serde::de::DeserializeOwned + Send + 'static,
{
    watcher(api, config).default_backoff().touched_objects()
}

/// The watched part of the cluster, of one kind.
pub fn api<K>(context: &Context) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match &context.config.watch_namespace {
        Some(namespace) => Api::namespaced(context.client.clone(), namespace),
        None => Api::all(context.client.clone()),
    }
}

/// Notes the end of the first list of a watch in `readiness`.
///
/// Turned down: waiting for the store. Of several tasks that wait for one, kube wakes the last that
/// asked, and the controllers ask too.
pub fn first_list<K>(
    stream: impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + 'static,
    readiness: Readiness,
) -> impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + 'static
where
    K: Send + 'static,
{
    let mut waited_for = Some(readiness);
    stream.inspect_ok(move |event| {
        if matches!(event, watcher::Event::InitDone)
            && let Some(readiness) = waited_for.take()
        {
            readiness.part_done();
        }
    })
}

/// The watched namespaces; permission for one covers a watch that names it.
pub fn namespaces(context: &Context) -> watcher::Config {
    match &context.config.watch_namespace {
        Some(namespace) => watcher::Config::default().fields(&format!("metadata.name={namespace}")),
        None => watcher::Config::default(),
    }
}
