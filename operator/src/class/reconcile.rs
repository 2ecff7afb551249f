//! One pass over one FileGatewayClass.

use std::sync::Arc;
use std::time::Duration;

use crds::conditions::{ACCEPTED, Finding, IN_USE, merge, reason};
use crds::{FileGatewayClass, FileGatewayClassSpec, FileGatewayClassStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::core::Selector;
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::{Resource, ResourceExt};
use serde_json::json;
use tracing::Instrument;

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

/// Writes the class's `Accepted` and `InUse`.
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
    let findings = [Some(finding), in_use(class, context)];
    let findings: Vec<Finding> = findings.into_iter().flatten().collect();
    let after = FileGatewayClassStatus {
        observed_generation: class.metadata.generation,
        conditions: merge(
            &before.conditions,
            &findings,
            class.metadata.generation,
            &Time(Timestamp::now()),
        ),
    };
    if after != before {
        write(class, context, &after).await?;
        let known = before.conditions.iter().find(|old| old.type_ == ACCEPTED);
        if known.is_none_or(|old| old.reason != reason) {
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

/// That FileGateways name the class; nothing when none does. As long as it is not known what they name, it
/// is what it was.
fn in_use(class: &FileGatewayClass, context: &Context) -> Option<Finding> {
    let before = || {
        let conditions = class.status.iter().flat_map(|status| &status.conditions);
        conditions.into_iter().any(|known| known.type_ == IN_USE)
    };
    let used = context.usage.of(&class.name_any()).unwrap_or_else(before);
    let message = "FileGateways name it, so it can't be deleted; `kubectl get filegateways -A` shows them \
                   with their class";
    used.then(|| Finding::yes(IN_USE, reason::NAMED_BY_FILE_GATEWAYS, message))
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
    let body = json!({
        "apiVersion": FileGatewayClass::api_version(&()),
        "kind": FileGatewayClass::kind(&()),
        "metadata": {"name": class.name_any(), "uid": class.uid()},
        "status": status,
    });
    Api::<FileGatewayClass>::all(context.client.clone())
        .patch_status(
            &class.name_any(),
            &PatchParams::apply(MANAGER).force(),
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
