//! The Deployments: `serve` answers requests, `worker` works off video jobs. Their pods satisfy
//! the restricted Pod Security profile.
//! Source: <https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>.

use std::collections::BTreeMap;

use crds::PullPolicy;
use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapEnvSource, Container, ContainerPort, EnvFromSource, HTTPGetAction,
    LocalObjectReference, PodSecurityContext, PodSpec, PodTemplateSpec, Probe,
    ResourceRequirements, SeccompProfile, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{SERVE, WORKER, volumes};
use crate::apply::hash;
use crate::gateway::validate::{DatabasePlan, Plan};
use crate::meta::{CONFIG_ANNOTATION, config_map_name, labels, pod_selector, worker_name};

/// The image's unprivileged user.
const USER: i64 = 65532;
/// A request may stream for long; it has this long to end when its pod goes.
const GRACE_SECONDS: i64 = 60;

/// What pods read only at start: they are replaced when it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restarts {
    /// Changes with the database's server; a new login is taken up without a restart.
    pub database: String,
}

/// Deployment `NAME`.
pub fn serve(plan: &Plan, restarts: &Restarts) -> Deployment {
    let get = |path: &str| {
        Some(HTTPGetAction {
            path: Some(path.into()),
            port: IntOrString::String("http".into()),
            ..HTTPGetAction::default()
        })
    };
    let container = Container {
        ports: Some(vec![ContainerPort {
            name: Some("http".into()),
            container_port: 8080,
            protocol: Some("TCP".into()),
            ..ContainerPort::default()
        }]),
        // Migrations run at start, and may take their time.
        startup_probe: Some(Probe {
            http_get: get("/healthz"),
            period_seconds: Some(2),
            failure_threshold: Some(150),
            ..Probe::default()
        }),
        liveness_probe: Some(Probe {
            http_get: get("/healthz"),
            period_seconds: Some(10),
            timeout_seconds: Some(5),
            failure_threshold: Some(6),
            ..Probe::default()
        }),
        readiness_probe: Some(Probe {
            http_get: get("/readyz"),
            period_seconds: Some(5),
            timeout_seconds: Some(5),
            failure_threshold: Some(3),
            ..Probe::default()
        }),
        ..container(plan, "serve", "512Mi")
    };
    deployment(
        plan,
        SERVE,
        plan.owner.name.clone(),
        plan.replicas,
        container,
        restarts,
    )
}

/// Deployment `NAME-worker`; none for SQLite, whose volume only one pod can mount.
pub fn worker(plan: &Plan, restarts: &Restarts) -> Option<Deployment> {
    matches!(plan.database, DatabasePlan::PostgreSql { .. }).then(|| {
        let name = worker_name(&plan.owner.name);
        deployment(
            plan,
            WORKER,
            name,
            1,
            container(plan, "worker", "2Gi"),
            restarts,
        )
    })
}

fn deployment(
    plan: &Plan,
    component: &str,
    name: String,
    replicas: i32,
    container: Container,
    restarts: &Restarts,
) -> Deployment {
    let owner = &plan.owner;
    Deployment {
        metadata: owner.child(name, component),
        spec: Some(DeploymentSpec {
            replicas: Some(replicas),
            selector: LabelSelector {
                match_labels: Some(pod_selector(&owner.name, component)),
                ..LabelSelector::default()
            },
            strategy: Some(strategy(plan)),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels(&owner.name, component)),
                    annotations: Some(BTreeMap::from([(
                        CONFIG_ANNOTATION.to_string(),
                        config_hash(plan, restarts),
                    )])),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(plan, container)),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

/// A volume that one pod can mount must be let go before the next pod starts; otherwise a new pod
/// is ready before an old one goes.
fn strategy(plan: &Plan) -> DeploymentStrategy {
    match plan.database {
        DatabasePlan::Sqlite { .. } => DeploymentStrategy {
            type_: Some("Recreate".into()),
            rolling_update: None,
        },
        DatabasePlan::PostgreSql { .. } => DeploymentStrategy {
            type_: Some("RollingUpdate".into()),
            rolling_update: Some(RollingUpdateDeployment {
                max_surge: Some(IntOrString::Int(1)),
                max_unavailable: Some(IntOrString::Int(0)),
            }),
        },
    }
}

fn config_hash(plan: &Plan, restarts: &Restarts) -> String {
    let settings = super::config_map(plan).data.unwrap_or_default();
    let secret = plan.auth_secret_version.as_deref().unwrap_or_default();
    hash(format!("{settings:?}\n{}\n{secret}", restarts.database))
}

fn pod(plan: &Plan, container: Container) -> PodSpec {
    PodSpec {
        service_account_name: Some(plan.owner.name.clone()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".into(),
                ..SeccompProfile::default()
            }),
            ..PodSecurityContext::default()
        }),
        image_pull_secrets: (!plan.image.pull_secrets.is_empty()).then(|| {
            plan.image
                .pull_secrets
                .iter()
                .map(|secret| LocalObjectReference {
                    name: secret.name.clone(),
                })
                .collect()
        }),
        containers: vec![container],
        volumes: Some(volumes::volumes(plan)),
        ..PodSpec::default()
    }
}

fn container(plan: &Plan, command: &str, memory: &str) -> Container {
    Container {
        name: "gateway".into(),
        image: Some(plan.image.name.clone()),
        image_pull_policy: Some(
            match plan.image.pull_policy {
                PullPolicy::Always => "Always",
                PullPolicy::IfNotPresent => "IfNotPresent",
                PullPolicy::Never => "Never",
            }
            .into(),
        ),
        args: Some(vec![command.into()]),
        env_from: Some(vec![EnvFromSource {
            config_map_ref: Some(ConfigMapEnvSource {
                name: config_map_name(&plan.owner.name),
                optional: Some(false),
            }),
            ..EnvFromSource::default()
        }]),
        resources: Some(plan.resources.clone().unwrap_or_else(|| resources(memory))),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".into()]),
                ..Capabilities::default()
            }),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(volumes::mounts(plan)),
        ..Container::default()
    }
}

/// The default of `spec.resources`; no CPU limit, since throttling hurts streams more than
/// neighbours.
fn resources(memory: &str) -> ResourceRequirements {
    let quantity = |name: &str, value: &str| (name.to_string(), Quantity(value.into()));
    ResourceRequirements {
        requests: Some(BTreeMap::from([
            quantity("cpu", "50m"),
            quantity("memory", "64Mi"),
        ])),
        limits: Some(BTreeMap::from([quantity("memory", memory)])),
        ..ResourceRequirements::default()
    }
}
