//! A gateway that its people want left alone: an annotation says so, and a condition shows it.
//!
//! Deleting is not paused: it is asked for by its own command.

use crds::FileGateway;
use crds::conditions::{Finding, PAUSED, READY, merge, reason};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::draft::Draft;
use super::error::Error;
use crate::context::Context;
use crate::events;
use crate::meta::{Owner, PAUSED_ANNOTATION};

/// Whether the annotation asks for it.
pub fn is_paused(gateway: &FileGateway) -> bool {
    let value = gateway.annotations().get(PAUSED_ANNOTATION);
    value.is_some_and(|value| value == "true")
}

/// Says in status and an event that nothing is done. What is known of the gateway stays.
pub async fn pause(context: &Context, gateway: &FileGateway, owner: &Owner) -> Result<(), Error> {
    let draft = Draft::new(context, gateway, owner);
    let previous = draft.read().await.conditions;
    if has(&previous, PAUSED) {
        return Ok(());
    }
    let note = format!(
        "annotation {PAUSED_ANNOTATION} is true: pods go on, and the operator changes nothing, keys are \
         not replaced and drift is not undone, until it is removed"
    );
    let mut findings = vec![Finding::yes(
        PAUSED,
        reason::PAUSED_BY_ANNOTATION,
        note.clone(),
    )];
    if !has(&previous, READY) {
        let message = format!("annotation {PAUSED_ANNOTATION} is true: nothing was made yet");
        findings.push(Finding::no(READY, reason::PAUSED_BY_ANNOTATION, message));
    }
    let now = Time(Timestamp::now());
    let mut next = previous.clone();
    next.extend(merge(
        &previous,
        &findings,
        gateway.metadata.generation,
        &now,
    ));
    draft.change(|status| status.conditions = next).await?;
    events::normal(context, gateway, PAUSED, events::PAUSED, note).await;
    Ok(())
}

/// Tells that work goes on, when `previous` says that it did not.
pub async fn resumed(context: &Context, gateway: &FileGateway, previous: &[Condition]) {
    if has(previous, PAUSED) {
        let note = "the operator looks after it again".to_string();
        events::normal(context, gateway, PAUSED, events::RESUMED, note).await;
    }
}

fn has(conditions: &[Condition], type_: &str) -> bool {
    conditions.iter().any(|one| one.type_ == type_)
}
