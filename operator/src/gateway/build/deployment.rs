//! The Deployments: `serve` answers requests, `worker` works off video jobs. Their pods satisfy
//! the restricted Pod Security profile.
//! Source: <https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>.

use std::collections::BTreeMap;

use crds::PullPolicy;
use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapEnvSource, Container, ContainerPort, EnvFromSource, EnvVar,
    HTTPGetAction, LocalObjectReference, PodSecurityContext, PodSpec, PodTemplateSpec, Probe,
    ResourceRequirements, SeccompProfile, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metrics::METRICS_PORT;
use super::placement::place;
use super::{SERVE, WORKER, volumes};
use crate::apply::hash;
use crate::gateway::validate::{DatabasePlan, Plan, Replicas};
use crate::meta::{CONFIG_ANNOTATION, config_map_name, labels, pod_selector, worker_name};

/// The port that requests come to.
pub(super) const HTTP_PORT: i32 = 8080;
/// The image's unprivileged user.
const USER: i64 = 65532;
/// What pods may use that work on videos: ffmpeg is killed by its own limit first.
const VIDEO_MEMORY: &str = "4Gi";
/// What a pod needs to end beyond its drain: an embedded worker puts its jobs back (10 s), uploads
/// that were cut off are undone (5 s), and some to spare.
const SETTLE_SECONDS: i32 = 20;

/// What pods read only at start: they are replaced when it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restarts {
    /// Changes with the database's server; a new login is taken up without a restart.
    pub database: String,
}

/// Deployment `NAME`.
pub fn serve(plan: &Plan, restarts: &Restarts) -> Deployment {
    let works_on_videos = plan.video.enabled && !plan.has_workers();
    let memory = if works_on_videos {
        VIDEO_MEMORY
    } else {
        "512Mi"
    };
    let get = |path: &str| {
        Some(HTTPGetAction {
            path: Some(path.into()),
            port: IntOrString::String("http".into()),
            ..HTTPGetAction::default()
        })
    };
    let container = Container {
        ports: Some(vec![port("http", HTTP_PORT), port("metrics", METRICS_PORT)]),
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
        ..container(plan, "serve", plan.resources.as_ref(), memory)
    };
    let set = PodSet {
        component: SERVE,
        name: plan.owner.name.clone(),
        replicas: match plan.replicas {
            Replicas::Fixed(replicas) => Some(replicas),
            // Its own affair; who names it in an apply takes it back.
            Replicas::Auto(_) => None,
        },
        container,
        scratch: works_on_videos.then_some(&plan.video.scratch_size),
        grace_seconds: plan.grace_seconds + SETTLE_SECONDS,
    };
    deployment(plan, set, restarts)
}

fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.into()),
        container_port: number,
        protocol: Some("TCP".into()),
        ..ContainerPort::default()
    }
}

/// Deployment `NAME-worker`; none where the pods that serve do its work, or nobody does.
pub fn worker(plan: &Plan, restarts: &Restarts) -> Option<Deployment> {
    plan.has_workers().then(|| {
        let set = PodSet {
            component: WORKER,
            name: worker_name(&plan.owner.name),
            replicas: Some(plan.video.replicas),
            container: Container {
                ports: Some(vec![port("metrics", METRICS_PORT)]),
                ..container(plan, "worker", plan.video.resources.as_ref(), VIDEO_MEMORY)
            },
            scratch: Some(&plan.video.scratch_size),
            grace_seconds: SETTLE_SECONDS,
        };
        deployment(plan, set, restarts)
    })
}

/// What the two Deployments differ in.
struct PodSet<'a> {
    component: &'static str,
    name: String,
    replicas: Option<i32>,
    container: Container,
    scratch: Option<&'a Quantity>,
    grace_seconds: i32,
}

fn deployment(plan: &Plan, set: PodSet<'_>, restarts: &Restarts) -> Deployment {
    let owner = &plan.owner;
    let component = set.component;
    let pod = pod(plan, set.container, set.scratch, set.grace_seconds);
    Deployment {
        metadata: owner.child(set.name, component),
        spec: Some(DeploymentSpec {
            replicas: set.replicas,
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
                spec: Some(place(pod, &plan.scheduling, &owner.name, component)),
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
        DatabasePlan::PostgreSql { .. } | DatabasePlan::Given { .. } => DeploymentStrategy {
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
    hash(format!("{settings:?}\n{}", restarts.database))
}

fn pod(
    plan: &Plan,
    container: Container,
    scratch: Option<&Quantity>,
    grace_seconds: i32,
) -> PodSpec {
    PodSpec {
        service_account_name: Some(plan.owner.name.clone()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(grace_seconds.into()),
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
        volumes: Some(volumes::volumes(plan, scratch)),
        ..PodSpec::default()
    }
}

fn container(
    plan: &Plan,
    command: &str,
    resources: Option<&ResourceRequirements>,
    memory: &str,
) -> Container {
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
        // ffmpeg is on the image's PATH; who does not find it stores videos as they came.
        env: (!plan.video.enabled).then(|| {
            vec![EnvVar {
                name: "PATH".into(),
                value: Some("/nonexistent".into()),
                value_from: None,
            }]
        }),
        resources: Some(resources.cloned().unwrap_or_else(|| usual(memory))),
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

/// The default of both `resources`; no CPU limit, since throttling hurts streams more than
/// neighbours.
fn usual(memory: &str) -> ResourceRequirements {
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
