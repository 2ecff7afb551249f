//! One pass over one FileGatewayClass.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crds::conditions::{ACCEPTED, Finding, IN_USE, merge, reason};
use crds::{FileGatewayClass, FileGatewayClassSpec, FileGatewayClassStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::core::Selector;
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::{Resource, ResourceExt};
use serde_json::json;
use tracing::Instrument;

use super::shared::{settled_by_another, users};
use crate::apply::hash;
use crate::backoff::jittered;
use crate::context::{Context, iam_secret};
use crate::events;
use crate::gateway::Error;
use crate::meta::MANAGER;
use crate::metrics::{Outcome, Pass};
use crate::secrets::{self, SecretError};
use crate::telemetry;

/// How soon a class that is not accepted is looked at again, where its Secrets can't be watched.
const SOON: Duration = Duration::from_secs(60);

/// The Secrets that `class` names, each with the keys that it needs.
pub fn secret_names(class: &FileGatewayClassSpec) -> Vec<(&str, [&'static str; 2])> {
    const ACCESS_KEY: [&str; 2] = ["access-key-id", "secret-access-key"];
    let store = &class.object_store;
    let mut names = vec![(store.credentials_secret_ref.name.as_str(), ACCESS_KEY)];
    if let Some(iam) = &class.iam {
        names.push((iam_secret(iam, store), ACCESS_KEY));
    }
    if let Some(database) = &class.database {
        names.push((
            &database.credentials_secret_ref.name,
            ["username", "password"],
        ));
    }
    names
}

/// Writes the class's `Accepted` and `InUse`, and whether this operator uses it.
///
/// # Errors
/// When the API server fails.
pub async fn reconcile(
    class: Arc<FileGatewayClass>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let name = class.name_any();
    let (traced, log) = telemetry::pass("FileGatewayClass", "", &name);
    let pass = context.metrics.pass("FileGatewayClass", traced.clone());
    let logged = async {
        let outcome = pass_over(&class, &context, pass).await;
        if let Err(error) = &outcome {
            tracing::warn!(%error, class = name, "reconcile failed");
        }
        outcome
    };
    traced.around(logged.instrument(log)).await
}

async fn pass_over(
    class: &FileGatewayClass,
    context: &Context,
    pass: Pass,
) -> Result<Action, Error> {
    let finding = look(class, context).await?;
    let accepted = finding.status == Some(true);
    let (reason, note) = (finding.reason, finding.message.clone());
    let before = class.status.clone().unwrap_or_default();
    let (operator, generation) = (context.config.operator(), class.metadata.generation);
    let used_by = users(&before, &operator, context.usage.of(&class.name_any()));
    if used_by != before.used_by {
        write_use(class, context, used_by.contains(&operator)).await?;
    }
    let settled = settled_by_another(&before, &operator, generation, &finding).cloned();
    let findings = [Some(finding), in_use(&used_by)];
    let findings: Vec<Finding> = findings.into_iter().flatten().collect();
    let now = Time(Timestamp::now());
    let mut after = FileGatewayClassStatus {
        observed_generation: generation,
        conditions: merge(&before.conditions, &findings, generation, &now),
        accepted_by: Some(operator),
        // Each operator's entry is written by itself.
        used_by: before.used_by.clone(),
    };
    if let Some(settled) = settled {
        after.accepted_by.clone_from(&before.accepted_by);
        for condition in &mut after.conditions {
            if condition.type_ == settled.type_ {
                condition.clone_from(&settled);
            }
        }
    }
    if after != before {
        write(class, context, &after).await?;
        let why = |conditions: &[Condition]| {
            let found = conditions.iter().find(|one| one.type_ == ACCEPTED);
            found.map(|one| one.reason.clone())
        };
        if why(&after.conditions) != why(&before.conditions) {
            let type_ = if accepted {
                EventType::Normal
            } else {
                EventType::Warning
            };
            events::publish(
                context,
                class.object_ref(&()),
                type_,
                ACCEPTED,
                reason,
                note,
            )
            .await;
        }
    }
    context.backoff.settled(&class.name_any());
    let (outcome, wait) = if accepted {
        (Outcome::Settled, context.config.resync)
    } else {
        (Outcome::Unsettled, SOON)
    };
    pass.ended(outcome);
    Ok(Action::requeue(jittered(wait, 0.1)))
}

/// That FileGateways name the class; nothing when none does.
fn in_use(used_by: &BTreeSet<String>) -> Option<Finding> {
    let message = "FileGateways name it, so it can't be deleted; `kubectl get filegateways -A` shows them \
                   with their class";
    let finding = || Finding::yes(IN_USE, reason::NAMED_BY_FILE_GATEWAYS, message);
    (!used_by.is_empty()).then(finding)
}

async fn look(class: &FileGatewayClass, context: &Context) -> Result<Finding, Error> {
    if let Some(selector) = &class.spec.allowed_namespaces.selector
        && let Err(error) = Selector::try_from(selector.clone())
    {
        return Ok(Finding::no(
            ACCEPTED,
            reason::INVALID_SPEC,
            format!("spec.allowedNamespaces.selector can't be read: {error}"),
        ));
    }
    for (name, keys) in secret_names(&class.spec) {
        let namespace = &context.config.operator_namespace;
        match secrets::read(&context.client, namespace, name, keys).await {
            Ok(_) => {}
            Err(SecretError::Api { source, .. }) => {
                return Err(Error::api("read a Secret of the class")(source));
            }
            Err(error) => {
                return Ok(Finding::no(
                    ACCEPTED,
                    reason::CREDENTIALS_NOT_FOUND,
                    error.to_string(),
                ));
            }
        }
    }
    Ok(Finding::yes(
        ACCEPTED,
        reason::ACCEPTED,
        "the Secrets that it names are there",
    ))
}

async fn write(
    class: &FileGatewayClass,
    context: &Context,
    status: &FileGatewayClassStatus,
) -> Result<(), Error> {
    let status = FileGatewayClassStatus {
        used_by: BTreeSet::new(),
        ..status.clone()
    };
    apply(class, context, MANAGER, &status).await
}

/// Adds this operator to those that use the class, or takes it off: an entry that is its own by its field
/// manager.
async fn write_use(class: &FileGatewayClass, context: &Context, uses: bool) -> Result<(), Error> {
    let operator = context.config.operator();
    // 128 bytes are allowed, and names may be longer.
    let manager = format!("{MANAGER}-{}", &hash(&operator)[..16]);
    let status = FileGatewayClassStatus {
        used_by: uses.then_some(operator).into_iter().collect(),
        ..FileGatewayClassStatus::default()
    };
    apply(class, context, &manager, &status).await
}

async fn apply(
    class: &FileGatewayClass,
    context: &Context,
    manager: &str,
    status: &FileGatewayClassStatus,
) -> Result<(), Error> {
    let body = json!({
        "apiVersion": FileGatewayClass::api_version(&()),
        "kind": FileGatewayClass::kind(&()),
        "metadata": {"name": class.name_any(), "uid": class.uid()},
        "status": status,
    });
    Api::<FileGatewayClass>::all(context.client.clone())
        .patch_status(
            &class.name_any(),
            &PatchParams::apply(manager).force(),
            &Patch::Apply(&body),
        )
        .await
        .map_err(Error::api("write the class's status"))?;
    Ok(())
}

/// How long to wait after an [`Error`].
pub fn error_policy(class: Arc<FileGatewayClass>, _error: &Error, context: Arc<Context>) -> Action {
    Action::requeue(context.backoff.failed(&class.name_any()))
}
