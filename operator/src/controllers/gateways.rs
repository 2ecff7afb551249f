//! What wakes the reconcile of a FileGateway: itself, its children, its class, its namespace, the Secrets
//! that it or its class names, and another FileGateway that gives up its host.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crds::{FileGateway, FileGatewayClass};
use futures_util::TryStreamExt;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{
    ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::api::{Api, PartialObjectMeta};
use kube::core::Resource;
use kube::runtime::controller::{Config as ControllerConfig, Controller};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, predicates, watcher};
use tokio::sync::mpsc;

use super::classes::naming;
use super::gather::{Patience, TOGETHER, gathered};
use super::watch::{
    Change, SECRET_FIELDS, changes_once_served, drift, drift_in_full, first_list, names,
    namespaces, noted, own_secrets, rollouts, specs, watch, watch_every,
};
use crate::context::{Context, OWN_SECRETS, Stores};
use crate::gateway::{Freed, asked, key_secret};
use crate::health::Readiness;
use crate::meta::{FINALIZER, instance_of, managed_selector};
use crate::optional::{HTTP_ROUTE, OptionalKind, POD_MONITOR, SERVICE_MONITOR};

/// Reconciles at once: enough to hide the latency of a thousand gateways, few enough for the
/// servers behind them.
const CONCURRENCY: u16 = 16;
/// The controller of FileGateways.
pub fn controller(context: &Arc<Context>, readiness: Readiness) -> Controller<FileGateway> {
    let (store, writer) = reflector::store();
    let main = watch_every(
        context.config.watched.apis::<FileGateway>(&context.client),
        watcher::Config::default(),
    );
    let (seen, noting) = (store.clone(), context.clone());
    let (freeing, freed) = mpsc::unbounded_channel();
    let main = first_list(main, readiness)
        .modify(|gateway| gateway.managed_fields_mut().clear())
        .reflect(writer)
        .inspect_ok(move |event| {
            noting.usage.note(event, &seen);
            for host in noting.hosts.note(event) {
                // Nobody receives it any more when the controller ends.
                let _ = freeing.send(host);
            }
        })
        .applied_objects()
        .predicate_filter(relevant, Default::default());
    let telling = context.metrics.clone();
    let main = main.inspect_ok(move |gateway| telling.told(&ObjectRef::from_obj(gateway)));
    let settings = ControllerConfig::default().concurrency(CONCURRENCY);
    let telling = context.metrics.clone();
    let around = around(context, &store, freed).inspect(move |(gateway, _)| telling.told(gateway));
    let telling = context.metrics.clone();
    // Again: a pass may have begun meanwhile, and this one follows it all the same.
    let around = gathered(around).inspect(move |gateway| telling.told(gateway));
    Controller::for_stream(main, store)
        .with_config(settings)
        .reconcile_on(around)
}

/// The gateways that changes of something else are about.
fn around(
    context: &Arc<Context>,
    store: &Store<FileGateway>,
    mut freed: mpsc::UnboundedReceiver<Freed>,
) -> impl Stream<Item = Wake> + Send + 'static {
    // Passes read these, so they are kept by the watches that wake them.
    let (classes, classes_writer) = reflector::store();
    let (in_namespaces, namespaces_writer) = reflector::store();
    // A process leads once.
    let _ = context.stores.set(Stores {
        gateways: store.clone(),
        classes: classes.clone(),
        namespaces: in_namespaces,
    });
    let managed = || watcher::Config::default().labels(&managed_selector());
    let operator_namespace = context.config.operator_namespace.clone();
    let watched = &context.config.watched;
    // Where the classes' Secrets are.
    let own_secrets = if !watched.includes(&operator_namespace) {
        noted(
            context.clone(),
            OWN_SECRETS.into(),
            None,
            own_secrets(context),
        )
        .left_stream()
    } else {
        stream::empty().right_stream()
    };
    let all_classes: Api<FileGatewayClass> = Api::all(context.client.clone());
    let (by_class, by_namespace, by_secret) = (store.clone(), store.clone(), store.clone());
    let (by_host, all) = (store.clone(), store.clone());
    let (changing, secret_changing) = (context.clone(), context.clone());
    let mut versions = HashMap::new();
    stream::select_all([
        child(rollouts(context, managed()), about),
        child(names::<Service>(context, managed()), about),
        child(names::<ServiceAccount>(context, managed()), about),
        child(names::<ConfigMap>(context, managed()), about),
        child(
            drift_in_full::<HorizontalPodAutoscaler>(context, managed()),
            about,
        ),
        child(drift::<PodDisruptionBudget>(context, managed()), about),
        child(drift::<NetworkPolicy>(context, managed()), about),
        child(drift::<Ingress>(context, managed()), about),
        // Its status says whether it is accepted.
        optional(context, store, HTTP_ROUTE),
        optional(context, store, SERVICE_MONITOR),
        optional(context, store, POD_MONITOR),
        // Claims have no owner reference.
        child(names::<PersistentVolumeClaim>(context, managed()), about),
        wakes(
            specs(
                watch(all_classes, watcher::Config::default())
                    .modify(|class| class.managed_fields_mut().clear())
                    .reflect(classes_writer),
            ),
            move |class| in_turn(&changing, of_class(&by_class, &class.name_any())),
        ),
        wakes(
            namespaces(context)
                .modify(|namespace| namespace.managed_fields_mut().clear())
                .reflect(namespaces_writer)
                .touched_objects()
                .predicate_filter(predicates::labels, Default::default()),
            move |namespace| {
                let name = namespace.name_any();
                select(&by_namespace, |gateway| {
                    gateway.namespace().as_deref() == Some(&name)
                })
            },
        ),
        // Its list has just woken all whose objects of that kind are still there.
        wakes(losses(context), move |()| select(&all, |_| true)),
        // Those that were refused a host since another had it.
        wakes(
            stream::poll_fn(move |waker| freed.poll_recv(waker)).map(Ok),
            move |freed: Freed| {
                select(&by_host, |gateway| {
                    asked(gateway) == Some(freed.host.as_str())
                        && gateway.uid().as_ref() != Some(&freed.by)
                })
            },
        ),
        // Both the Secrets that we make and those that are named.
        child(
            stream::select(
                names::<Secret>(context, watcher::Config::default().fields(SECRET_FIELDS)),
                own_secrets,
            ),
            move |secret| {
                let mut found = of_secret(&by_secret, &secret);
                if secret.namespace().as_deref() == Some(&operator_namespace) {
                    let name = secret.name_any();
                    let version = secret_changing.version_of_own_secret(&name);
                    // A list that is made anew tells of all of them.
                    let changed = versions.insert(name.clone(), version) != Some(version);
                    for class in naming(&classes, &name) {
                        let of_class = of_class(&by_secret, &class.name_any());
                        found.extend(if changed {
                            in_turn(&secret_changing, of_class)
                        } else {
                            of_class
                        });
                    }
                    found.extend(with_key_in(&by_secret, &classes, &name));
                }
                found
            },
        ),
    ])
}

/// An item for each list that shows that objects have gone while nobody watched.
fn losses(
    context: &Arc<Context>,
) -> impl Stream<Item = Result<(), watcher::Error>> + Send + 'static {
    stream::unfold(context.clone(), |context| async {
        context.known.lost().await;
        Some((Ok(()), context))
    })
}

/// Those whose object of `kind` changes, and all of them once the cluster has such objects.
fn optional(
    context: &Arc<Context>,
    store: &Store<FileGateway>,
    kind: OptionalKind,
) -> BoxStream<'static, Wake> {
    let managed = watcher::Config::default().labels(&managed_selector());
    let all = store.clone();
    let changes = changes_once_served(context, kind, managed);
    let changes = changes.map_ok(move |change| match change {
        Some(Change { object, patience }) => Change {
            object: about(object),
            patience,
        },
        None => Change {
            object: select(&all, |_| true),
            patience: TOGETHER,
        },
    });
    child(changes, |found| found)
}

/// A gateway, and how long more changes are waited for.
type Wake = (ObjectRef<FileGateway>, Patience);

/// The gateways that each of `changes` is about, as `of` tells.
fn wakes<T, I>(
    changes: impl Stream<Item = Result<T, watcher::Error>> + Send + 'static,
    of: impl Fn(T) -> I + Send + 'static,
) -> BoxStream<'static, Wake>
where
    T: Send + 'static,
    I: IntoIterator<Item = ObjectRef<FileGateway>> + Send + 'static,
    I::IntoIter: Send + 'static,
{
    let changes = changes.map_ok(|object| Change {
        object,
        patience: TOGETHER,
    });
    child(changes, of)
}

/// The same for changes that can wait in different ways.
fn child<T, I>(
    changes: impl Stream<Item = Result<Change<T>, watcher::Error>> + Send + 'static,
    mut of: impl FnMut(T) -> I + Send + 'static,
) -> BoxStream<'static, Wake>
where
    T: Send + 'static,
    I: IntoIterator<Item = ObjectRef<FileGateway>> + Send + 'static,
    I::IntoIter: Send + 'static,
{
    changes
        .filter_map(|change| std::future::ready(change.ok()))
        .flat_map(move |Change { object, patience }| {
            let found = of(object).into_iter();
            stream::iter(found.map(move |gateway| (gateway, patience)))
        })
        .boxed()
}

/// Those that a child names in its owner references, and the one in its labels: somebody may have taken either
/// of them off.
fn about(child: impl Resource) -> Vec<ObjectRef<FileGateway>> {
    let namespace = child.meta().namespace.as_deref();
    let references = child.meta().owner_references.iter().flatten();
    let mut found: Vec<_> = references
        .filter_map(|owner| ObjectRef::from_owner_ref(namespace, owner, ()))
        .collect();
    if let Some(labelled) = instance(child.meta())
        && !found.contains(&labelled)
    {
        found.push(labelled);
    }
    found
}

/// What a reconcile depends on: not the status, which reconciles write themselves.
fn relevant(gateway: &FileGateway) -> Option<u64> {
    let meta = &gateway.metadata;
    // The first pass adds it and goes on: nobody has to look because of that.
    let lost = gateway.status.is_some() && !gateway.finalizers().iter().any(|it| it == FINALIZER);
    let mut hasher = DefaultHasher::new();
    (&meta.uid, meta.generation, lost).hash(&mut hasher);
    (&meta.annotations, meta.deletion_timestamp.is_some()).hash(&mut hasher);
    Some(hasher.finish())
}

fn instance(child: &ObjectMeta) -> Option<ObjectRef<FileGateway>> {
    let name = instance_of(child)?;
    Some(ObjectRef::new(name).within(child.namespace.as_deref()?))
}

fn select(
    store: &Store<FileGateway>,
    wanted: impl Fn(&FileGateway) -> bool,
) -> Vec<ObjectRef<FileGateway>> {
    store
        .state()
        .iter()
        .filter(|gateway| wanted(gateway))
        .map(|gateway| ObjectRef::from_obj(gateway.as_ref()))
        .collect()
}

fn of_class(store: &Store<FileGateway>, class: &str) -> Vec<ObjectRef<FileGateway>> {
    select(store, |gateway| gateway.spec.class_name == class)
}

/// `found`, of which there may be so many that they have to wait for their turn to look outside.
fn in_turn(context: &Context, found: Vec<ObjectRef<FileGateway>>) -> Vec<ObjectRef<FileGateway>> {
    for uid in found.iter().filter_map(|found| found.extra.uid.as_ref()) {
        context.outside.forget(uid);
    }
    found
}

/// The gateway that a Secret was made for, or those in its namespace that name it.
fn of_secret(
    gateways: &Store<FileGateway>,
    secret: &PartialObjectMeta<Secret>,
) -> Vec<ObjectRef<FileGateway>> {
    if let Some(owner) = instance(&secret.metadata) {
        return vec![owner];
    }
    let name = secret.name_any();
    let namespace = secret.namespace();
    select(gateways, |gateway| {
        let spec = &gateway.spec;
        let auth = spec.auth.secret_ref.as_ref().map(|secret| &secret.name);
        let database = spec.database.secret_ref.as_ref().map(|secret| &secret.name);
        let webhook = spec.webhooks.as_ref().map(|it| &it.secret_ref.name);
        gateway.namespace() == namespace && [auth, database, webhook].contains(&Some(&name))
    })
}

/// The gateway whose key the Secret called `secret` in the operator's namespace has: names follow from each
/// other in one way only, so the last two parts of this one are the gateway's namespace and name.
fn with_key_in(
    gateways: &Store<FileGateway>,
    classes: &Store<FileGatewayClass>,
    secret: &str,
) -> Option<ObjectRef<FileGateway>> {
    let (rest, name) = secret.rsplit_once('.')?;
    let namespace = rest
        .rsplit_once('.')
        .map_or(rest, |(_, namespace)| namespace);
    let reference = ObjectRef::new(name).within(namespace);
    let gateway = gateways.get(&reference)?;
    let class = classes.get(&ObjectRef::new(&gateway.spec.class_name))?;
    (key_secret(&class.spec, namespace, name)? == secret).then_some(reference)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn seen(change: Value) -> Option<u64> {
        let mut gateway = json!({
            "apiVersion": "filegateway.dev/v1alpha1",
            "kind": "FileGateway",
            "metadata": {"name": "files", "uid": "u", "generation": 1},
            "spec": {"organization": "acme", "auth": {"issuer": "i", "audience": "a"}},
        });
        for (key, value) in change.as_object().unwrap() {
            match key.as_str() {
                "status" => gateway["status"] = value.clone(),
                _ => gateway["metadata"][key] = value.clone(),
            }
        }
        relevant(&serde_json::from_value(gateway).unwrap())
    }

    #[test]
    fn a_key_in_the_operators_namespace_wakes_the_gateway_that_it_is_for() {
        let (gateways, mut writer) = reflector::store();
        let gateway = serde_json::from_value(json!({
            "apiVersion": "filegateway.dev/v1alpha1",
            "kind": "FileGateway",
            "metadata": {"name": "files", "namespace": "acme"},
            "spec": {
                "className": "gold", "organization": "acme", "auth": {"issuer": "i", "audience": "a"}},
        }))
        .unwrap();
        writer.apply_watcher_event(&watcher::Event::Apply(gateway));
        let (classes, mut writer) = reflector::store();
        let class = serde_json::from_value(json!({
            "apiVersion": "filegateway.dev/v1alpha1",
            "kind": "FileGatewayClass",
            "metadata": {"name": "gold"},
            "spec": {
                "objectStore": {"endpoint": "http://s3", "credentialsSecretRef": {"name": "a"}},
                "credentials": {"type": "Secret", "secret": {"prefix": "keys"}},
            },
        }))
        .unwrap();
        writer.apply_watcher_event(&watcher::Event::Apply(class));
        let woken = |secret: &str| with_key_in(&gateways, &classes, secret);
        assert_eq!(
            woken("keys.acme.files"),
            Some(ObjectRef::new("files").within("acme"))
        );
        for other in [
            "acme.files",
            "keys.acme.other",
            "more.keys.acme.files",
            "files",
        ] {
            assert_eq!(woken(other), None, "{other}");
        }
    }

    #[test]
    fn a_child_is_about_its_owner_and_about_whom_its_labels_name() {
        let woken = |metadata: Value| {
            let child: ConfigMap = serde_json::from_value(json!({"metadata": metadata})).unwrap();
            let found = about(child).into_iter();
            found.map(|found| found.name).collect::<Vec<_>>()
        };
        let owners = json!([{"apiVersion": "filegateway.dev/v1alpha1", "kind": "FileGateway",
            "name": "owner", "uid": "u"}]);
        let labels = |name: &str| {
            json!({
                "app.kubernetes.io/managed-by": "filegateway-operator",
                "app.kubernetes.io/instance": name,
            })
        };
        let child = |owners: &Value, labels: Value| {
            woken(json!({"name": "a", "namespace": "acme",
                "ownerReferences": owners, "labels": labels}))
        };
        assert_eq!(child(&owners, labels("owner")), ["owner"]);
        assert_eq!(child(&owners, json!({})), ["owner"], "no label is left");
        assert_eq!(child(&json!([]), labels("owner")), ["owner"], "no owner");
        assert_eq!(child(&owners, labels("other")), ["owner", "other"]);
        let strangers = json!({"app.kubernetes.io/instance": "owner"});
        assert_eq!(child(&json!([]), strangers), [""; 0]);
    }

    #[test]
    fn a_finalizer_wakes_when_it_is_lost_and_not_when_it_is_added() {
        let status = json!({"replicas": 1});
        let finalizers = json!([FINALIZER]);
        let held = seen(json!({"status": status, "finalizers": finalizers}));
        assert_eq!(held, seen(json!({})));
        assert_eq!(held, seen(json!({"finalizers": finalizers})));
        assert_ne!(held, seen(json!({"status": status})));
    }

    #[test]
    fn a_status_wakes_nobody_and_the_rest_does() {
        let held = |mut change: Value| {
            change["finalizers"] = json!([FINALIZER]);
            seen(change)
        };
        let before = held(json!({}));
        assert_eq!(held(json!({"status": {"replicas": 2}})), before);
        assert_eq!(held(json!({"resourceVersion": "7"})), before);
        for change in [
            json!({"generation": 2}),
            json!({"uid": "other"}),
            json!({"annotations": {"filegateway.dev/release-external": "true"}}),
            json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}),
        ] {
            assert_ne!(held(change.clone()), before, "{change}");
        }
    }
}
