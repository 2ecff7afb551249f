//! Starts the two controllers and says what wakes them.

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use crds::{FileGateway, FileGatewayClass};
use futures_util::{Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{
    ConfigMap, Namespace, PersistentVolumeClaim, Secret, Service, ServiceAccount,
};
use kube::api::{Api, ListParams, PartialObjectMeta};
use kube::core::Resource;
use kube::runtime::controller::{Config as ControllerConfig, Controller};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, predicates, watcher};
use kube::{Client, ResourceExt};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::context::Context;
use crate::meta::{instance_of, managed_selector};
use crate::{class, gateway, health};

/// Reconciles at once: enough to hide the latency of a thousand gateways, few enough for the
/// servers behind them.
const CONCURRENCY: u16 = 16;
/// One change makes several events; they are answered together.
const DEBOUNCE: Duration = Duration::from_millis(300);
/// What the operator is not interested in, and what there is most of.
const SECRET_FIELDS: &str =
    "type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token,type!=kubernetes.io/tls";

/// The operator can't run.
#[derive(Debug, Error)]
pub enum RunError {
    /// The health address is taken or not ours.
    #[error("can't listen on FILEGATEWAY_HEALTH_LISTEN {address}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// How often a store is asked whether it has been filled.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Runs until `shutdown` completes and the reconciles in flight have ended.
///
/// # Errors
/// When the health address can't be listened on.
pub async fn run(
    config: Config,
    client: Client,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), RunError> {
    let address = config.health_listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| RunError::Listen { address, source })?;
    let readiness = health::Readiness::default();
    let health = tokio::spawn(health::serve(listener, readiness.clone()));

    let stop = CancellationToken::new();
    let stopper = stop.clone();
    tokio::spawn(async move {
        shutdown.await;
        stopper.cancel();
    });
    let context = Arc::new(Context::new(client, config));
    tokio::select! {
        () = wait_for_definitions(&context) => {}
        () = stop.cancelled() => {
            health.abort();
            return Ok(());
        }
    }

    let classes = Controller::new(
        Api::<FileGatewayClass>::all(context.client.clone()),
        watcher::Config::default(),
    );
    let class_store = classes.store();
    let (gateways, gateway_store) = gateways(&context, class_store.clone());
    let classes = classes_with_secrets(classes, &context);
    let ready = {
        let class_store = class_store.clone();
        async move {
            filled(&gateway_store).await;
            filled(&class_store).await;
            readiness.set();
            tracing::info!("ready");
        }
    };
    let gateways = gateways
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(gateway::reconcile, gateway::error_policy, context.clone())
        .for_each(log_outcome);
    let classes = classes
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(class::reconcile, class::error_policy, context.clone())
        .for_each(log_outcome);
    let ready = tokio::spawn(ready);
    tokio::join!(gateways, classes);
    ready.abort();
    health.abort();
    Ok(())
}

/// Waits until `store` has been filled once.
///
/// Of several tasks that wait for one store, kube wakes the last that asked; the controllers ask
/// too. So this one asks again every now and then.
async fn filled<K>(store: &Store<K>)
where
    K: reflector::Lookup + Clone + 'static,
    K::DynamicType: Eq + std::hash::Hash + Clone,
{
    while tokio::time::timeout(ASK_AGAIN, store.wait_until_ready())
        .await
        .is_err()
    {}
}

/// Without its definitions the operator could only fail in a loop; so it says once what is missing.
async fn wait_for_definitions(context: &Context) {
    let one = ListParams::default().limit(1);
    loop {
        let gateways = api::<FileGateway>(context).list_metadata(&one).await.err();
        let classes = Api::<FileGatewayClass>::all(context.client.clone())
            .list_metadata(&one)
            .await
            .err();
        match gateways.or(classes) {
            None => return,
            Some(kube::Error::Api(status)) if status.code == 404 => tracing::error!(
                "the CustomResourceDefinitions of filegateway.dev are not installed: upgrade the \
                 chart with crds.enabled=true, or apply them; trying again"
            ),
            Some(error) => tracing::error!(%error, "the API server can't be asked; trying again"),
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

fn gateways(
    context: &Arc<Context>,
    classes: Store<FileGatewayClass>,
) -> (Controller<FileGateway>, Store<FileGateway>) {
    let client = &context.client;
    let (store, writer) = reflector::store();
    let main = watcher(api::<FileGateway>(context), watcher::Config::default())
        .default_backoff()
        .modify(|gateway| gateway.managed_fields_mut().clear())
        .reflect(writer)
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
    let controller = Controller::for_stream(main, store.clone())
        .with_config(settings)
        .owns(api::<Deployment>(context), managed.clone())
        .owns(api::<Service>(context), managed.clone())
        .owns(api::<ServiceAccount>(context), managed.clone())
        .owns(api::<ConfigMap>(context), managed.clone())
        // Claims have no owner reference.
        .watches_stream(
            changes(
                api::<PartialObjectMeta<PersistentVolumeClaim>>(context),
                managed,
            ),
            |claim| labelled(&claim),
        )
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
        // Names, labels and owners only: both the Secrets that we make and those that are named.
        .watches_stream(
            changes(
                api::<PartialObjectMeta<Secret>>(context),
                watcher::Config::default().fields(SECRET_FIELDS),
            ),
            move |secret| of_secret(&by_secret, &classes, &operator_namespace, &secret),
        );
    (controller, store)
}

fn classes_with_secrets(
    controller: Controller<FileGatewayClass>,
    context: &Arc<Context>,
) -> Controller<FileGatewayClass> {
    // A watch needs more permissions than reading the named Secrets does. Where the operator may
    // look at one namespace only, it reads them again from time to time.
    if context.config.watch_namespace.is_some() {
        return controller;
    }
    let store = controller.store();
    let secrets: Api<PartialObjectMeta<Secret>> =
        Api::namespaced(context.client.clone(), &context.config.operator_namespace);
    controller.watches_stream(
        changes(secrets, watcher::Config::default().fields(SECRET_FIELDS)),
        move |secret| {
            naming(&store, &secret.name_any())
                .iter()
                .map(|class| ObjectRef::from_obj(class.as_ref()))
                .collect::<Vec<_>>()
        },
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

fn changes<K>(
    api: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = Result<K, watcher::Error>> + Send + 'static
where
    K: Resource + Clone + Debug + serde::de::DeserializeOwned + Send + 'static,
{
    watcher(api, config).default_backoff().touched_objects()
}

/// The watched part of the cluster.
fn api<K>(context: &Context) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match &context.config.watch_namespace {
        Some(namespace) => Api::namespaced(context.client.clone(), namespace),
        None => Api::all(context.client.clone()),
    }
}

/// The watched namespaces; permission for one covers a watch that names it.
fn namespaces(context: &Context) -> watcher::Config {
    match &context.config.watch_namespace {
        Some(namespace) => watcher::Config::default().fields(&format!("metadata.name={namespace}")),
        None => watcher::Config::default(),
    }
}

fn labelled<K: Resource>(child: &K) -> Option<ObjectRef<FileGateway>> {
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

fn naming(store: &Store<FileGatewayClass>, secret: &str) -> Vec<Arc<FileGatewayClass>> {
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
        gateway.namespace() == namespace
            && gateway
                .spec
                .auth
                .secret_ref
                .as_ref()
                .is_some_and(|reference| reference.name == name)
    });
    if namespace.as_deref() == Some(operator_namespace) {
        for class in naming(classes, &name) {
            found.extend(of_class(gateways, &class.name_any()));
        }
    }
    found
}

/// Failures are logged where they are handled; what is left is the stream's own trouble.
async fn log_outcome<T, E, Q>(outcome: Result<T, kube::runtime::controller::Error<E, Q>>)
where
    E: std::error::Error + 'static,
    Q: std::error::Error + 'static,
{
    use kube::runtime::controller::Error as Trouble;
    match outcome {
        Ok(_) | Err(Trouble::ReconcilerFailed(..) | Trouble::ObjectNotFound(_)) => {}
        Err(error) => tracing::warn!(%error, "a watch failed; it is started again"),
    }
}
