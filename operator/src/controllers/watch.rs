//! Streams of changes, and which part of the cluster they are of.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Api, DynamicObject, PartialObjectMeta};
use kube::core::Resource;
use kube::runtime::{WatchStreamExt, watcher};

use super::gather::{PROGRESS, Patience, STATUS, TOGETHER};
use super::merge::merged;
use super::retry::Soon;
use super::said::Said;
use crate::cluster::{News, Told};
use crate::context::Context;
use crate::health::Readiness;
use crate::optional::OptionalKind;

/// What the operator is not interested in, and what there is most of.
pub const SECRET_FIELDS: &str =
    "type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token,type!=kubernetes.io/tls";

/// Objects asked for at once at the start of a watch. Those of a page are in memory together.
const PAGE: u32 = 100;

/// How often a kind that the cluster does not have is looked for.
const MISSING_KIND: Duration = Duration::from_secs(30);

/// A watch that is started again when it breaks; why it broke is logged here.
///
/// Failures do not reach kube's controller: it pauses all its watches together, longer with each
/// failure. Of a dozen that break at once, since the API server was restarted, it would be blind for
/// minutes.
pub fn watch<K>(
    api: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + 'static
where
    K: Resource + Clone + Debug + serde::de::DeserializeOwned + Send + 'static,
{
    unbroken(again(api, config))
}

fn again<K>(
    api: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + 'static
where
    K: Resource + Clone + Debug + serde::de::DeserializeOwned + Send + 'static,
{
    let mut said = Said::default();
    watcher(api, config.page_size(PAGE))
        .backoff(Soon::default())
        .inspect_err(move |error| {
            if said.is_news(error.to_string(), Instant::now()) {
                tracing::warn!(%error, "a watch broke; it is started again");
            }
        })
}

fn unbroken<K>(
    events: impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + 'static,
) -> impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + 'static
where
    K: Send + 'static,
{
    events.filter(|event| std::future::ready(event.is_ok()))
}

/// [`watch`] of `apis` as if they were one. One that may not be read for long keeps the others from nothing.
pub fn watch_all<K>(
    apis: Vec<Api<K>>,
    config: watcher::Config,
) -> impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + 'static
where
    K: Resource + Clone + Debug + serde::de::DeserializeOwned + Send + 'static,
{
    let parts = apis.into_iter().map(|api| (api, config.clone()));
    watch_parts(parts.collect(), false)
}

/// The same where nothing is to be told before every one of them has been read: who has what would go by
/// some of the objects.
pub fn watch_every<K>(
    apis: Vec<Api<K>>,
    config: watcher::Config,
) -> impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + 'static
where
    K: Resource + Clone + Debug + serde::de::DeserializeOwned + Send + 'static,
{
    let parts = apis.into_iter().map(|api| (api, config.clone()));
    watch_parts(parts.collect(), true)
}

fn watch_parts<K>(
    parts: Vec<(Api<K>, watcher::Config)>,
    every: bool,
) -> impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + 'static
where
    K: Resource + Clone + Debug + serde::de::DeserializeOwned + Send + 'static,
{
    match <[_; 1]>::try_from(parts) {
        Ok([(api, config)]) => watch(api, config).left_stream(),
        Err(parts) => {
            let parts = parts.into_iter();
            let parts = parts.map(|(api, config)| again(api, config));
            unbroken(merged(parts.collect(), every)).right_stream()
        }
    }
}

/// Objects of no namespace whose spec has changed, and those that are gone, which a predicate of kube's would keep
/// back.
pub fn specs<K>(
    events: impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + 'static,
) -> impl Stream<Item = Result<K, watcher::Error>> + Send + 'static
where
    K: Resource + Send + 'static,
{
    let mut known = HashMap::new();
    events.filter_map(move |event| {
        let changed = match event {
            Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
                let meta = object.meta();
                let spec = (meta.uid.clone(), meta.generation);
                let before = known.insert(meta.name.clone(), spec.clone());
                (before != Some(spec)).then_some(Ok(object))
            }
            Ok(watcher::Event::Delete(object)) => {
                known.remove(&object.meta().name);
                Some(Ok(object))
            }
            Ok(watcher::Event::Init | watcher::Event::InitDone) => None,
            Err(error) => Some(Err(error)),
        };
        std::future::ready(changed)
    })
}

/// What a watch told of an object.
pub struct Change<K> {
    /// The object.
    pub object: K,
    /// How long more changes are waited for.
    pub patience: Patience,
}

/// Every object of a kind in the watched part of the cluster as it is, and then what becomes of it: names,
/// labels and owners only, since nothing else of the objects is sent. Passes get to know of it, too.
pub fn names<K>(
    context: &Arc<Context>,
    config: watcher::Config,
) -> impl Stream<Item = Result<Change<PartialObjectMeta<K>>, watcher::Error>> + Send + 'static
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Send
        + Sync
        + 'static,
{
    let apis = context
        .config
        .watched
        .apis::<PartialObjectMeta<K>>(&context.client);
    let events = watch_all(apis, config);
    let kind = K::kind(&()).into_owned();
    noted(context.clone(), kind, Some(STATUS), events)
}

/// The Secrets in the operator's own namespace, where those of classes are.
pub fn own_secrets(
    context: &Context,
) -> impl Stream<Item = Result<watcher::Event<PartialObjectMeta<Secret>>, watcher::Error>> + Send + 'static
{
    let namespace = &context.config.operator_namespace;
    watch(
        Api::namespaced(context.client.clone(), namespace),
        watcher::Config::default().fields(SECRET_FIELDS),
    )
}

/// The objects of `events`, of which passes get to know as well: by `kind`. Where `status` is nothing,
/// changes of a status alone are left out.
pub fn noted<K: Resource + Send + Sync + 'static>(
    context: Arc<Context>,
    kind: String,
    status: Option<Patience>,
    events: impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + 'static,
) -> impl Stream<Item = Result<Change<K>, watcher::Error>> + Send + 'static {
    events.try_filter_map(move |event| {
        let patience = match context.known.note(&kind, &event) {
            News::None => None,
            News::Status => status,
            News::Object => Some(TOGETHER),
        };
        std::future::ready(Ok(change(patience, event)))
    })
}

/// Deployments as they are, and then what becomes of them and of their pods. Passes get to know of it, too.
pub fn rollouts(
    context: &Arc<Context>,
    config: watcher::Config,
) -> impl Stream<Item = Result<Change<Deployment>, watcher::Error>> + Send + 'static {
    let apis = context.config.watched.apis::<Deployment>(&context.client);
    let events = watch_all(apis, config);
    let context = context.clone();
    events.try_filter_map(move |event| {
        let news = context.known.note(&Deployment::kind(&()), &event);
        let told = context.rollouts.note(&event);
        let patience = match (news, told) {
            (News::Object, _) | (_, Told::Turned) => Some(TOGETHER),
            (_, Told::Scaled) => Some(STATUS),
            (_, Told::Progress) => Some(PROGRESS),
            (News::None | News::Status, Told::Nothing) => None,
        };
        std::future::ready(Ok(change(patience, event)))
    })
}

fn change<K>(patience: Option<Patience>, event: watcher::Event<K>) -> Option<Change<K>> {
    let patience = patience?;
    object(event).map(|object| Change { object, patience })
}

fn object<K>(event: watcher::Event<K>) -> Option<K> {
    match event {
        watcher::Event::Apply(object)
        | watcher::Event::InitApply(object)
        | watcher::Event::Delete(object) => Some(object),
        watcher::Event::Init | watcher::Event::InitDone => None,
    }
}

/// [`names`] without changes of a status, which somebody else keeps and which may change every few seconds.
pub fn drift<K>(
    context: &Arc<Context>,
    config: watcher::Config,
) -> impl Stream<Item = Result<Change<PartialObjectMeta<K>>, watcher::Error>> + Send + 'static
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Send
        + Sync
        + 'static,
{
    let apis = context
        .config
        .watched
        .apis::<PartialObjectMeta<K>>(&context.client);
    let events = watch_all(apis, config);
    noted(context.clone(), K::kind(&()).into_owned(), None, events)
}

/// The same of a kind that has no generation: its objects are looked at whole.
///
/// Turned down: kube's predicates. They take the deletion of an object that did not change otherwise
/// for no change.
pub fn drift_in_full<K>(
    context: &Arc<Context>,
    config: watcher::Config,
) -> impl Stream<Item = Result<Change<K>, watcher::Error>> + Send + 'static
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + serde::de::DeserializeOwned
        + serde::Serialize
        + Send
        + 'static,
{
    let mut seen = Seen::default();
    let context = context.clone();
    let events = watch_all(context.config.watched.apis::<K>(&context.client), config);
    events.try_filter_map(move |event| {
        context.known.note(&K::kind(&()), &event);
        let patience = TOGETHER;
        let object = seen.news(event);
        let change = object.map(|object| Change { object, patience });
        std::future::ready(Ok(change))
    })
}

/// Changes of a kind that the cluster may get later, or never. Where it is missing, it is looked
/// for from time to time; a watch of it would only fail. An item without an object tells that it is there.
pub fn changes_once_served(
    context: &Arc<Context>,
    kind: OptionalKind,
    config: watcher::Config,
) -> impl Stream<Item = Result<Option<Change<DynamicObject>>, watcher::Error>> + Send + 'static {
    let context = context.clone();
    let watched = &context.config.watched;
    let apis = watched.apis_of(&context.client, &kind.resource());
    let looking = context.clone();
    let served = async move {
        loop {
            if let Ok(served) = kind.is_served(&looking.client).await {
                looking.served.note(kind, served);
                if served {
                    return Ok(None);
                }
            }
            tokio::time::sleep(MISSING_KIND).await;
        }
    };
    let events = watch_all(apis, config);
    let changes = noted(context, kind.kind.into(), Some(STATUS), events).map_ok(Some);
    stream::once(served).chain(changes)
}

/// Hashes of objects by namespace and name.
#[derive(Default)]
struct Seen(HashMap<(Option<String>, Option<String>), u64>);

impl Seen {
    /// The object of `event`, if it appeared, disappeared, or changed.
    fn news<K: Resource + serde::Serialize>(&mut self, event: watcher::Event<K>) -> Option<K> {
        let key = |object: &K| {
            let meta = object.meta();
            (meta.namespace.clone(), meta.name.clone())
        };
        match event {
            watcher::Event::Apply(object) | watcher::Event::InitApply(object) => {
                let content = content(&object)?;
                (self.0.insert(key(&object), content) != Some(content)).then_some(object)
            }
            watcher::Event::Delete(object) => {
                self.0.remove(&key(&object));
                Some(object)
            }
            watcher::Event::Init | watcher::Event::InitDone => None,
        }
    }
}

/// A hash of all but the status and what changes with it.
fn content<K: serde::Serialize>(object: &K) -> Option<u64> {
    let mut object = serde_json::to_value(object).ok()?;
    object.as_object_mut()?.remove("status");
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    metadata.remove("managedFields");
    metadata.remove("resourceVersion");
    let mut hasher = DefaultHasher::new();
    object.to_string().hash(&mut hasher);
    Some(hasher.finish())
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

/// The watched namespaces. Permission for one of them covers a watch that names it, and it alone.
pub fn namespaces(
    context: &Context,
) -> impl Stream<Item = Result<watcher::Event<PartialObjectMeta<Namespace>>, watcher::Error>>
+ Send
+ 'static {
    let api = Api::all(context.client.clone());
    let watched = &context.config.watched;
    let one = |name| watcher::Config::default().fields(&format!("metadata.name={name}"));
    let parts: Vec<_> = watched
        .names()
        .map(|name| (api.clone(), one(name)))
        .collect();
    let parts = if watched.is_everything() {
        vec![(api, watcher::Config::default())]
    } else {
        parts
    };
    watch_parts(parts, false)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
    use serde_json::{Value, json};
    use watcher::Event;

    use super::*;

    fn autoscaler(version: &str, changes: &Value) -> HorizontalPodAutoscaler {
        serde_json::from_value(json!({
            "metadata": {"name": "files", "namespace": "acme", "uid": "u", "resourceVersion": version},
            "spec": {"maxReplicas": changes["max"].as_i64().unwrap_or(3), "scaleTargetRef": {"kind": "Deployment", "name": "files"}},
            "status": {"desiredReplicas": changes["desired"].as_i64().unwrap_or(1)},
        }))
        .unwrap()
    }

    #[test]
    fn all_but_a_status_is_news() {
        let mut seen = Seen::default();
        let mut news = |event| seen.news(event).is_some();
        let first = autoscaler("1", &json!({}));
        assert!(news(Event::InitApply(first.clone())));
        assert!(!news(Event::InitDone));
        assert!(!news(Event::Apply(autoscaler("2", &json!({"desired": 2})))));
        let changed = autoscaler("3", &json!({"max": 9}));
        assert!(news(Event::Apply(changed.clone())));
        assert!(news(Event::Delete(changed.clone())));
        assert!(news(Event::Apply(changed)), "it came back as it was");
        assert!(news(Event::Apply(first)));
    }

    #[tokio::test]
    async fn a_spec_is_news_and_so_is_its_end() {
        let class = |uid: &str, generation: i64, label: &str| -> Namespace {
            serde_json::from_value(json!({"metadata": {
                "name": "gold", "uid": uid, "generation": generation, "labels": {"a": label}}}))
            .unwrap()
        };
        let events = [
            Event::Init,
            Event::InitApply(class("u", 1, "listed")),
            Event::InitDone,
            Event::Apply(class("u", 1, "same spec")),
            Event::Apply(class("u", 2, "other spec")),
            Event::Delete(class("u", 2, "gone")),
            Event::Apply(class("u", 2, "back")),
            Event::Apply(class("v", 2, "another")),
        ];
        let told = specs(stream::iter(events.map(Ok)));
        let labels: Vec<String> = told
            .map(|class| class.unwrap().metadata.labels.unwrap()["a"].clone())
            .collect()
            .await;
        assert_eq!(labels, ["listed", "other spec", "gone", "back", "another"]);
    }
}
