//! What wakes the reconcile of a FileGateway: itself, its children, its class, its namespace, and the
//! Secrets that it or its class names.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use crds::{FileGateway, FileGatewayClass};
use futures_util::TryStreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{
    ConfigMap, Namespace, PersistentVolumeClaim, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt;
use kube::api::{Api, PartialObjectMeta};
use kube::core::Resource;
use kube::runtime::controller::{Config as ControllerConfig, Controller};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, predicates, watcher};

use super::classes::naming;
use super::watch::{
    SECRET_FIELDS, api, changes, changes_once_served, drift, first_list, names, namespaces, watch,
};
use crate::context::Context;
use crate::health::Readiness;
use crate::meta::{instance_of, managed_selector};
use crate::optional::{HTTP_ROUTE, SERVICE_MONITOR};

/// Reconciles at once: enough to hide the latency of a thousand gateways, few enough for the
/// servers behind them.
const CONCURRENCY: u16 = 16;
/// One change makes several events; they are answered together.
const DEBOUNCE: Duration = Duration::from_millis(300);

/// The controller of FileGateways; `classes` tells which Secrets are a class's.
pub fn controller(
    context: &Arc<Context>,
    classes: Store<FileGatewayClass>,
    readiness: Readiness,
) -> Controller<FileGateway> {
    let client = &context.client;
    let (store, writer) = reflector::store();
    let main = watch(api::<FileGateway>(context), watcher::Config::default());
    let (seen, noting) = (store.clone(), context.clone());
    let main = first_list(main, readiness)
        .modify(|gateway| gateway.managed_fields_mut().clear())
        .reflect(writer)
        .inspect_ok(move |event| {
            if noting.config.watch_namespace.is_none() {
                noting.usage.note(event, &seen);
            }
        })
        .applied_objects()
        .predicate_filter(relevant, Default::default());
    let managed = watcher::Config::default().labels(&managed_selector());
    let settings = ControllerConfig::default()
        .concurrency(CONCURRENCY)
        .debounce(DEBOUNCE);

    let by_class = store.clone();
    let by_namespace = store.clone();
    let by_secret = store.clone();
    let operator_namespace = context.config.operator_namespace.clone();
    Controller::for_stream(main, store)
        .with_config(settings)
        .owns_stream(names::<Deployment>(context, managed.clone()))
        .owns_stream(names::<Service>(context, managed.clone()))
        .owns_stream(names::<ServiceAccount>(context, managed.clone()))
        .owns_stream(names::<ConfigMap>(context, managed.clone()))
        .watches_stream(
            drift(api::<HorizontalPodAutoscaler>(context), managed.clone()),
            |child| labelled(&child),
        )
        .watches_stream(
            drift(api::<PodDisruptionBudget>(context), managed.clone()),
            |child| labelled(&child),
        )
        .watches_stream(
            drift(api::<NetworkPolicy>(context), managed.clone()),
            |child| labelled(&child),
        )
        .watches_stream(drift(api::<Ingress>(context), managed.clone()), |child| {
            labelled(&child)
        })
        // Its status says whether it is accepted.
        .watches_stream_with(
            changes_once_served(context, HTTP_ROUTE, managed.clone()),
            |child| labelled(&child),
            HTTP_ROUTE.resource(),
        )
        .watches_stream_with(
            changes_once_served(context, SERVICE_MONITOR, managed.clone()),
            |child| labelled(&child),
            SERVICE_MONITOR.resource(),
        )
        // Claims have no owner reference.
        .watches_stream(names::<PersistentVolumeClaim>(context, managed), |claim| {
            labelled(&claim)
        })
        .watches_stream(
            changes(
                Api::<FileGatewayClass>::all(client.clone()),
                watcher::Config::default(),
            )
            .predicate_filter(predicates::generation, Default::default()),
            move |class| of_class(&by_class, &class.name_any()),
        )
        .watches_stream(
            changes(
                Api::<PartialObjectMeta<Namespace>>::all(client.clone()),
                namespaces(context),
            )
            .predicate_filter(predicates::labels, Default::default()),
            move |namespace| {
                let name = namespace.name_any();
                select(&by_namespace, |gateway| {
                    gateway.namespace().as_deref() == Some(&name)
                })
            },
        )
        // Both the Secrets that we make and those that are named.
        .watches_stream(
            names::<Secret>(context, watcher::Config::default().fields(SECRET_FIELDS)),
            move |secret| of_secret(&by_secret, &classes, &operator_namespace, &secret),
        )
}

/// What a reconcile depends on: not the status, which reconciles write themselves.
fn relevant(gateway: &FileGateway) -> Option<u64> {
    let meta = &gateway.metadata;
    let mut hasher = DefaultHasher::new();
    (&meta.uid, meta.generation, &meta.finalizers).hash(&mut hasher);
    (&meta.annotations, meta.deletion_timestamp.is_some()).hash(&mut hasher);
    Some(hasher.finish())
}

fn labelled(child: &impl Resource) -> Option<ObjectRef<FileGateway>> {
    let name = instance_of(child.meta())?;
    Some(ObjectRef::new(name).within(child.meta().namespace.as_deref()?))
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

fn of_secret(
    gateways: &Store<FileGateway>,
    classes: &Store<FileGatewayClass>,
    operator_namespace: &str,
    secret: &PartialObjectMeta<Secret>,
) -> Vec<ObjectRef<FileGateway>> {
    if let Some(owner) = labelled(secret) {
        return vec![owner];
    }
    let name = secret.name_any();
    let namespace = secret.namespace();
    let mut found = select(gateways, |gateway| {
        let spec = &gateway.spec;
        let auth = spec.auth.secret_ref.as_ref().map(|secret| &secret.name);
        let database = spec.database.secret_ref.as_ref().map(|secret| &secret.name);
        let webhook = spec.webhooks.as_ref().map(|it| &it.secret_ref.name);
        gateway.namespace() == namespace && [auth, database, webhook].contains(&Some(&name))
    });
    if namespace.as_deref() == Some(operator_namespace) {
        for class in naming(classes, &name) {
            found.extend(of_class(gateways, &class.name_any()));
        }
    }
    found
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
    fn a_status_wakes_nobody_and_the_rest_does() {
        let before = seen(json!({}));
        assert_eq!(seen(json!({"status": {"replicas": 2}})), before);
        assert_eq!(seen(json!({"resourceVersion": "7"})), before);
        for change in [
            json!({"generation": 2}),
            json!({"uid": "other"}),
            json!({"finalizers": ["filegateway.dev/finalizer"]}),
            json!({"annotations": {"filegateway.dev/release-external": "true"}}),
            json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}),
        ] {
            assert_ne!(seen(change.clone()), before, "{change}");
        }
    }
}
