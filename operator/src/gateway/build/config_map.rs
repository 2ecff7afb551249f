//! The gateway's settings as environment variables; no secret is among them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::SERVE;
use super::deployment::HTTP_PORT;
use super::metrics::METRICS_PORT;
use crate::gateway::credentials::CredentialsPlan;
use crate::gateway::validate::{DatabasePlan, Plan};
use crate::meta::config_map_name;

/// Where the SQLite volume is mounted.
pub(super) const DATA_FOLDER: &str = "/var/lib/filegateway";
/// Where Secret `NAME-s3` is mounted.
pub(super) const S3_FOLDER: &str = "/etc/filegateway/s3";
/// Where the ServiceAccount's token for the STS server is mounted.
pub(super) const IDENTITY_FOLDER: &str = "/etc/filegateway/identity";
/// The file with that token.
pub(super) const TOKEN: &str = "token";
/// Where Secret `NAME-signing` is mounted.
pub(super) const SIGNING_FOLDER: &str = "/etc/filegateway/signing";
/// Where Secret `NAME-database` is mounted.
pub(super) const DATABASE_FOLDER: &str = "/etc/filegateway/database";
/// Where the issuer's shared secret is mounted, as the file `secret`.
pub(super) const AUTH_FOLDER: &str = "/etc/filegateway/auth";

/// Where what events are signed with is mounted, as the file `secret`.
pub(super) const WEBHOOK_FOLDER: &str = "/etc/filegateway/webhook";

/// ConfigMap `NAME-gateway`.
pub fn config_map(plan: &Plan) -> ConfigMap {
    let name = &plan.owner.name;
    ConfigMap {
        metadata: plan.owner.child(config_map_name(name), SERVE),
        data: Some(
            variables(plan)
                .into_iter()
                .map(|(key, value)| (key.to_string(), value))
                .collect(),
        ),
        ..ConfigMap::default()
    }
}

fn variables(plan: &Plan) -> BTreeMap<&'static str, String> {
    let mut set = BTreeMap::from([
        ("FILEGATEWAY_ORGANIZATION", plan.organization.clone()),
        ("FILEGATEWAY_LISTEN", format!("0.0.0.0:{HTTP_PORT}")),
        (
            "FILEGATEWAY_METRICS_LISTEN",
            format!("0.0.0.0:{METRICS_PORT}"),
        ),
        (
            "FILEGATEWAY_TOKENS_KEYS_FILE",
            format!("{SIGNING_FOLDER}/keys.json"),
        ),
        (
            "FILEGATEWAY_TOKENS_LIFETIME_SECONDS",
            plan.token_lifetime_seconds.to_string(),
        ),
        (
            "FILEGATEWAY_TOKENS_PLAYBACK_SECONDS",
            plan.playback_seconds.to_string(),
        ),
    ]);
    set.extend(plan.settings.clone());
    set.extend(store(plan));
    set.extend(database(plan));
    set.extend(auth(plan));
    set.extend(webhook(plan));
    set.extend(tracing(plan));
    // The worker's loops have the janitor among them, so somebody has to run them.
    if !plan.has_workers() {
        set.insert("FILEGATEWAY_WORKER_EMBEDDED", "true".into());
    }
    set
}

/// The standard variables of OpenTelemetry.
fn tracing(plan: &Plan) -> Vec<(&'static str, String)> {
    let Some(tracing) = &plan.tracing else {
        return Vec::new();
    };
    let ratio = f64::from(tracing.sample_percent) / 100.0;
    let owner = &plan.owner;
    vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", tracing.endpoint.clone()),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio".into()),
        ("OTEL_TRACES_SAMPLER_ARG", ratio.to_string()),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            // Names of objects need no encoding.
            format!(
                "k8s.namespace.name={},filegateway.name={}",
                owner.namespace, owner.name
            ),
        ),
    ]
}

fn store(plan: &Plan) -> Vec<(&'static str, String)> {
    let store = &plan.class.object_store;
    let mut set = vec![
        ("FILEGATEWAY_STORE_ENDPOINT", store.endpoint.clone()),
        ("FILEGATEWAY_STORE_REGION", store.region.clone()),
        ("FILEGATEWAY_STORE_BUCKET", plan.bucket.clone()),
        ("FILEGATEWAY_STORE_PATH_STYLE", store.path_style.to_string()),
    ];
    let CredentialsPlan::WebIdentity(identity) = &plan.credentials else {
        set.push(("FILEGATEWAY_STORE_CREDENTIALS_DIR", S3_FOLDER.into()));
        return set;
    };
    set.push((
        "FILEGATEWAY_STORE_WEB_IDENTITY_TOKEN_FILE",
        format!("{IDENTITY_FOLDER}/{TOKEN}"),
    ));
    set.push((
        "FILEGATEWAY_STORE_WEB_IDENTITY_ROLE_ARN",
        identity.role_arn.clone(),
    ));
    if let Some(endpoint) = &identity.endpoint {
        set.push(("FILEGATEWAY_STORE_WEB_IDENTITY_ENDPOINT", endpoint.clone()));
    }
    set
}

fn database(plan: &Plan) -> Vec<(&'static str, String)> {
    match &plan.database {
        DatabasePlan::PostgreSql { .. } | DatabasePlan::Given { .. } => vec![(
            "FILEGATEWAY_DATABASE_URL_FILE",
            format!("{DATABASE_FOLDER}/url"),
        )],
        DatabasePlan::Sqlite { .. } => vec![(
            "FILEGATEWAY_DATABASE_URL",
            format!("sqlite://{DATA_FOLDER}/catalog.db"),
        )],
    }
}

fn auth(plan: &Plan) -> Vec<(&'static str, String)> {
    let auth = &plan.auth;
    let mut set = vec![
        ("FILEGATEWAY_AUTH_ISSUER", auth.issuer.clone()),
        ("FILEGATEWAY_AUTH_AUDIENCE", auth.audience.clone()),
        (
            "FILEGATEWAY_AUTH_SUBJECT_CLAIM",
            auth.claims.subject.clone(),
        ),
        (
            "FILEGATEWAY_AUTH_ORGANIZATION_CLAIM",
            auth.claims.organization.clone(),
        ),
        ("FILEGATEWAY_AUTH_ROLES_CLAIM", auth.claims.roles.clone()),
        ("FILEGATEWAY_AUTH_ADMIN_ROLE", auth.admin_role.clone()),
    ];
    if let Some(url) = &auth.jwks_url {
        set.push(("FILEGATEWAY_AUTH_JWKS_URL", url.clone()));
    }
    if auth.secret_ref.is_some() {
        set.push((
            "FILEGATEWAY_AUTH_SECRET_FILE",
            format!("{AUTH_FOLDER}/secret"),
        ));
    }
    if let Some(algorithms) = &auth.algorithms {
        set.push(("FILEGATEWAY_AUTH_ALGORITHMS", algorithms.join(",")));
    }
    set
}

fn webhook(plan: &Plan) -> Vec<(&'static str, String)> {
    let Some(webhook) = &plan.webhook else {
        return Vec::new();
    };
    let events: Vec<_> = webhook
        .spec
        .events
        .iter()
        .map(|event| event.as_str())
        .collect();
    vec![
        ("FILEGATEWAY_WEBHOOK_URL", webhook.spec.url.clone()),
        (
            "FILEGATEWAY_WEBHOOK_SECRET_FILE",
            format!("{WEBHOOK_FOLDER}/secret"),
        ),
        ("FILEGATEWAY_WEBHOOK_EVENTS", events.join(",")),
        (
            "FILEGATEWAY_WEBHOOK_PRIVATE_ADDRESSES",
            webhook.private_addresses.to_string(),
        ),
    ]
}
