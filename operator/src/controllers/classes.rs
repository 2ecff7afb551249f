//! What wakes the reconcile of a FileGatewayClass: itself, the Secrets that it names, and FileGateways
//! that begin or cease to name it.

use std::sync::Arc;

use crds::FileGatewayClass;
use kube::ResourceExt;
use kube::api::Api;
use kube::runtime::controller::Controller;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};

use super::watch::{first_list, own_secrets, watch};
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
    Controller::for_stream(main, store.clone())
        .reconcile_all_on(context.usage.changes())
        .watches_stream(own_secrets(context).touched_objects(), move |secret| {
            naming(&store, &secret.name_any())
                .iter()
                .map(|class| ObjectRef::from_obj(class.as_ref()))
                .collect::<Vec<_>>()
        })
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
