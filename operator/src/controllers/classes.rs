//! What wakes the reconcile of a FileGatewayClass: itself, the Secrets that it names, and FileGateways
//! that begin or cease to name it.

use std::sync::Arc;

use crds::FileGatewayClass;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::controller::Controller;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};

use super::watch::{SECRET_FIELDS, first_list, watch};
use crate::class;
use crate::context::Context;
use crate::health::Readiness;

/// The controller of FileGatewayClasses.
pub fn controller(context: &Arc<Context>, readiness: Readiness) -> Controller<FileGatewayClass> {
    let (store, writer) = reflector::store();
    let main = watch(
        Api::<FileGatewayClass>::all(context.client.clone()),
        watcher::Config::default(),
    );
    let main = first_list(main, readiness)
        .modify(|class| class.managed_fields_mut().clear())
        .reflect(writer)
        .applied_objects();
    let controller =
        Controller::for_stream(main, store.clone()).reconcile_all_on(context.usage.changes());
    // A watch needs more permissions than reading the named Secrets does. Where the operator may
    // look at one namespace only, it reads them again from time to time.
    if context.config.watch_namespace.is_some() {
        return controller;
    }
    let secrets: Api<PartialObjectMeta<Secret>> =
        Api::namespaced(context.client.clone(), &context.config.operator_namespace);
    controller.watches_stream(
        watch(secrets, watcher::Config::default().fields(SECRET_FIELDS)).touched_objects(),
        move |secret| {
            naming(&store, &secret.name_any())
                .iter()
                .map(|class| ObjectRef::from_obj(class.as_ref()))
                .collect::<Vec<_>>()
        },
    )
}

/// The classes that name the Secret called `secret`.
pub fn naming(store: &Store<FileGatewayClass>, secret: &str) -> Vec<Arc<FileGatewayClass>> {
    store
        .state()
        .into_iter()
        .filter(|class| {
            class::secret_names(&class.spec)
                .iter()
                .any(|(name, _)| *name == secret)
        })
        .collect()
}
