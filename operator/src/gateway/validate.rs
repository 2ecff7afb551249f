//! From a spec and its class to a [`Plan`], or to the reason why there can't be one. Pure.

use crds::conditions::{ACCEPTED, Finding, reason};
use crds::{
    AuthSpec, AutoscalingSpec, ClassSnapshot, DatabaseReference, DatabaseType, DeletionPolicy,
    Delivery, FileGateway, FileGatewayClass, FormerServers, GatewayImage, MonitoringRules,
    NetworkRules, PullPolicy, SchedulingSpec, SecretKeyReference, TracingRules,
};
use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt;
use kube::core::{Selector, SelectorExt};

use super::Schedule;
use super::bucket::{BucketSettings, bucket_settings};
use super::credentials::{CredentialsPlan, credentials};
use super::dereference::{AuthSecret, Dereferenced, SHORTEST_SECRET};
use super::destination;
use super::exposure::{Exposure, expose};
use super::given::{DatabaseServer, given};
use super::named::secret_missing;
use super::settings::{Settings, settings};
use super::video::{VideoPlan, video};
use super::webhook::{WebhookPlan, webhook};
use crate::meta::{
    Owner, ROTATE_ACCESS_KEY, ROTATE_DATABASE_PASSWORD, ROTATE_SIGNING_KEY, service_host,
};
use crate::{names, quantity};

/// Everything the steps and builders need to know; nobody reads the spec after this.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The gateway, as its children refer to it.
    pub owner: Owner,
    /// The organization it serves.
    pub organization: String,
    /// The class's servers.
    pub class: ClassSnapshot,
    /// Those that it named before, which pods may still use, as the status has them.
    pub former: Vec<FormerServers>,
    /// Name of the bucket.
    pub bucket: String,
    /// How the bucket is set up.
    pub bucket_settings: BucketSettings,
    /// Whether the bucket is one that exists already.
    pub adopt: bool,
    /// How pods get their S3 keys.
    pub credentials: CredentialsPlan,
    /// Name of the S3 user, where there is one.
    pub user: String,
    /// Where the catalog lives.
    pub database: DatabasePlan,
    /// How callers prove who they are.
    pub auth: AuthSpec,
    /// Whom events are told to.
    pub webhook: Option<WebhookPlan>,
    /// When keys and passwords are replaced.
    pub rotations: Rotations,
    /// Lifetime of file tokens, in seconds.
    pub token_lifetime_seconds: i32,
    /// For how long playback goes on that began with a file token, in seconds.
    pub playback_seconds: i32,
    /// How bytes reach a reader.
    pub delivery: Delivery,
    /// The variables that follow from the spec alone.
    pub settings: Settings,
    /// What is done with videos.
    pub video: VideoPlan,
    /// Gateway pods.
    pub replicas: Replicas,
    /// Which nodes pods may run on.
    pub scheduling: SchedulingSpec,
    /// How long a pod goes on after it was told to end, in seconds.
    pub grace_seconds: i32,
    /// How the gateway is reached from outside of the cluster.
    pub exposure: Option<Exposure>,
    /// Whom pods may talk to.
    pub network: NetworkRules,
    /// Who reads metrics.
    pub monitoring: MonitoringRules,
    /// Where traces go.
    pub tracing: Option<TracingRules>,
    /// Their resources, if the spec says any.
    pub resources: Option<ResourceRequirements>,
    /// Their image.
    pub image: GatewayImage,
    /// What deletion does.
    pub deletion_policy: DeletionPolicy,
}

/// When keys and passwords are replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotations {
    /// The key that signs file tokens.
    pub signing_key: Schedule,
    /// The S3 access key.
    pub access_key: Schedule,
    /// The password of the PostgreSQL role.
    pub database_password: Schedule,
}

impl Plan {
    /// Where requests go: to the host that leads here, or to the Service.
    pub fn address(&self) -> String {
        match &self.exposure {
            Some(Exposure { host, tls, .. }) => {
                format!("{}://{host}", if *tls { "https" } else { "http" })
            }
            None => format!(
                "http://{}",
                service_host(&self.owner.namespace, &self.owner.name)
            ),
        }
    }

    /// Whether there are pods for videos alone: a SQLite volume can be mounted by one pod only.
    pub fn has_workers(&self) -> bool {
        self.video.enabled && self.database.is_shared()
    }
}

/// How many pods serve requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replicas {
    /// This many.
    Fixed(i32),
    /// As many as an autoscaler thinks right.
    Auto(AutoscalingSpec),
}

impl Replicas {
    /// How many there are at least.
    pub fn fewest(&self) -> i32 {
        match self {
            Self::Fixed(replicas) => *replicas,
            Self::Auto(bounds) => bounds.min_replicas,
        }
    }
}

/// Where the catalog lives.
#[derive(Clone, Debug, PartialEq)]
pub enum DatabasePlan {
    /// A role and a database of this name on the class's server.
    PostgreSql {
        /// Name of both.
        name: String,
    },
    /// A file on a volume.
    Sqlite {
        /// Size of the volume.
        size: Quantity,
        /// Its StorageClass.
        storage_class: Option<String>,
    },
    /// A PostgreSQL database that is there already.
    Given {
        /// The Secret with its URL.
        secret: DatabaseReference,
        /// Where it is.
        server: DatabaseServer,
    },
}

impl DatabasePlan {
    /// Whether several pods can use it at once.
    pub fn is_shared(&self) -> bool {
        !matches!(self, Self::Sqlite { .. })
    }
}

/// The servers of `class`, as status keeps them.
pub fn snapshot(name: &str, class: &FileGatewayClass) -> ClassSnapshot {
    ClassSnapshot {
        name: name.into(),
        object_store: class.spec.object_store.clone(),
        iam: class.spec.iam.clone(),
        database: class.spec.database.clone(),
    }
}

/// The plan for `gateway`.
///
/// # Errors
/// A false `Accepted`, with what to do about it.
pub fn validate(
    gateway: &FileGateway,
    owner: &Owner,
    found: &Dereferenced,
    default_image: &str,
) -> Result<Plan, Finding> {
    let spec = &gateway.spec;
    let refused = |reason, message: String| Finding::no(ACCEPTED, reason, message);
    let invalid = |message: String| refused(reason::INVALID_SPEC, message);

    let class_name = &spec.class_name;
    let Some(class) = &found.class else {
        return Err(refused(
            reason::CLASS_NOT_FOUND,
            format!(
                "there is no FileGatewayClass {class_name}: create it, or make this FileGateway \
                 anew with a class that `kubectl get filegatewayclasses` lists"
            ),
        ));
    };
    if !allowed(class, found).map_err(&invalid)? {
        return Err(refused(
            reason::NOT_ALLOWED_BY_CLASS,
            format!(
                "FileGatewayClass {class_name} does not allow namespace {}: label the namespace \
                 as the class's spec.allowedNamespaces.selector asks, or use another class",
                owner.namespace
            ),
        ));
    }
    let database = match spec.database.type_ {
        DatabaseType::PostgreSQL if class.spec.database.is_none() => {
            return Err(invalid(format!(
                "FileGatewayClass {class_name} names no PostgreSQL server: give it spec.database, \
                 or make this FileGateway anew with spec.database.type SQLite or another class"
            )));
        }
        DatabaseType::PostgreSQL => DatabasePlan::PostgreSql {
            name: names::database(&owner.namespace, &owner.name, &owner.uid),
        },
        DatabaseType::SQLite => {
            let size = &spec.database.sqlite.size;
            quantity::bytes(&size.0).ok_or_else(|| {
                invalid(format!(
                    "spec.database.sqlite.size is {:?}: write a size such as 1Gi",
                    size.0
                ))
            })?;
            DatabasePlan::Sqlite {
                size: size.clone(),
                storage_class: spec.database.sqlite.storage_class_name.clone(),
            }
        }
        DatabaseType::Secret => given(gateway, owner, &found.database_secret)?,
    };
    let mut settings = settings(spec).map_err(&invalid)?;
    let video = video(spec, &mut settings).map_err(&invalid)?;
    check_auth_secret(gateway, owner, found)?;
    let plan = Plan {
        owner: owner.clone(),
        organization: spec.organization.clone(),
        class: snapshot(class_name, class),
        former: Vec::new(),
        bucket: spec
            .bucket
            .name
            .clone()
            .unwrap_or_else(|| names::bucket(&owner.namespace, &owner.name, &owner.uid)),
        bucket_settings: bucket_settings(
            &spec.bucket,
            &class.spec.bucket,
            class_name,
            spec.uploads.expire_seconds,
        )
        .map_err(|(reason, message)| refused(reason, message))?,
        adopt: spec.bucket.adopt,
        credentials: credentials(class, owner).map_err(&invalid)?,
        user: names::user(&owner.namespace, &owner.name, &owner.uid),
        database,
        auth: spec.auth.clone(),
        webhook: webhook(gateway, class, owner, &found.webhook_secret)?,
        rotations: rotations(gateway, class),
        token_lifetime_seconds: spec.tokens.lifetime_seconds,
        playback_seconds: spec.tokens.playback_seconds,
        delivery: spec.delivery,
        settings,
        video,
        replicas: match &spec.scaling.autoscaling {
            Some(bounds) => Replicas::Auto(bounds.clone()),
            None => Replicas::Fixed(spec.scaling.replicas),
        },
        scheduling: spec.scheduling.clone(),
        grace_seconds: spec.shutdown.delay_seconds + spec.shutdown.drain_seconds,
        exposure: match &spec.exposure {
            Some(wanted) => Some(
                expose(wanted, &class.spec.exposure, class_name, owner)
                    .map_err(|(reason, message)| refused(reason, message))?,
            ),
            None => None,
        },
        network: class.spec.network_policy.clone(),
        monitoring: class.spec.monitoring.clone(),
        tracing: class.spec.tracing.clone(),
        resources: spec.resources.clone(),
        image: class.spec.image.clone().unwrap_or_else(|| GatewayImage {
            name: default_image.into(),
            pull_policy: PullPolicy::default(),
            pull_secrets: Vec::new(),
        }),
        deletion_policy: spec.deletion_policy,
    };
    destination::check(&plan)?;
    Ok(plan)
}

fn rotations(gateway: &FileGateway, class: &FileGatewayClass) -> Rotations {
    let schedule = |days, annotation: &str| Schedule {
        days,
        request: gateway.annotations().get(annotation).cloned(),
    };
    let days = &class.spec.rotation;
    Rotations {
        signing_key: schedule(days.signing_key_days, ROTATE_SIGNING_KEY),
        access_key: schedule(days.access_key_days, ROTATE_ACCESS_KEY),
        database_password: schedule(days.database_password_days, ROTATE_DATABASE_PASSWORD),
    }
}

fn allowed(class: &FileGatewayClass, found: &Dereferenced) -> Result<bool, String> {
    let Some(selector) = &class.spec.allowed_namespaces.selector else {
        return Ok(true);
    };
    let selector = Selector::try_from(selector.clone()).map_err(|error| {
        format!("spec.allowedNamespaces.selector of the FileGatewayClass can't be read: {error}")
    })?;
    Ok(selector.matches(&found.namespace_labels))
}

fn check_auth_secret(
    gateway: &FileGateway,
    owner: &Owner,
    found: &Dereferenced,
) -> Result<(), Finding> {
    let Some(reference) = &gateway.spec.auth.secret_ref else {
        return Ok(());
    };
    match &found.auth_secret {
        AuthSecret::Found => Ok(()),
        AuthSecret::TooShort => Err(Finding::no(
            ACCEPTED,
            reason::SECRET_INVALID,
            format!(
                "Secret {name} in namespace {namespace} has fewer than {SHORTEST_SECRET} bytes under \
                 {key}: use a longer shared secret, such as `openssl rand -hex 32` makes, here and at \
                 the issuer",
                name = reference.name,
                key = reference.key,
                namespace = owner.namespace,
            ),
        )),
        AuthSecret::NotNamed | AuthSecret::Missing => {
            let SecretKeyReference { name, key } = reference;
            let value = format!("--from-file={key}=FILE");
            Err(secret_missing(&owner.namespace, name, key, &value, ""))
        }
    }
}
