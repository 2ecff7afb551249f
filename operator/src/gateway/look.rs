//! Whether a pass has to look outside of the cluster, or may go by the last look.

use crds::FileGateway;
use crds::conditions::{
    BUCKET_CONFIGURED, BUCKET_READY, CREDENTIALS_READY, DATABASE_READY, SIGNING_KEY_READY,
};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::credentials::CredentialsPlan;
use super::outcome::Outcome;
use super::steps::Step;
use super::validate::Plan;
use crate::context::{Context, iam_secret};
use crate::meta::{database_secret_name, s3_secret_name, signing_secret_name, volume_claim_name};
use crate::outside::Found;

/// What has to be true for the last look to be enough.
const STEPS: [&str; 4] = [
    BUCKET_READY,
    CREDENTIALS_READY,
    DATABASE_READY,
    SIGNING_KEY_READY,
];

/// What a look depends on, but for the gateway's own Secrets; `None` when something of it is not watched, so
/// that a change would not be noticed.
pub fn inputs(context: &Context, gateway: &FileGateway, plan: &Plan) -> Option<u64> {
    let versions: Option<Vec<u64>> = class_secrets(plan)
        .into_iter()
        .map(|name| context.version_of_own_secret(name))
        .collect();
    let meta = &gateway.metadata;
    let asked = (&meta.uid, meta.generation, &meta.annotations);
    // What becomes of the class, too, is in the plan.
    let inputs = (asked, format!("{plan:?}"), versions?);
    Some(context.outside.number(inputs))
}

/// The last look, if it is enough for this pass.
pub async fn last(step: &Step<'_>, inputs: u64) -> Option<Found> {
    let status = step.draft.read().await;
    let holds = |type_: &str| {
        let found = status.conditions.iter().find(|found| found.type_ == type_);
        found.is_some_and(|found| type_ == BUCKET_CONFIGURED || found.status == "True")
    };
    if status.observed_generation != step.gateway.metadata.generation
        || !STEPS.into_iter().all(holds)
        || !holds(BUCKET_CONFIGURED)
    {
        return None;
    }
    let context = step.context;
    let own = own(step.plan, |kind, namespace, name| {
        context.known.seen(kind, namespace, name)
    });
    let inputs = context.outside.number((inputs, own));
    let uid = &step.plan.owner.uid;
    context.outside.found(uid, inputs, Timestamp::now())
}

/// Keeps a look at which everything was right and nothing is left to do.
pub async fn remember(step: &Step<'_>, inputs: u64, outcome: &Outcome) {
    let (context, plan) = (step.context, step.plan);
    let uid = &plan.owner.uid;
    let Some(restarts) = outcome.restarts.as_ref().filter(|_| !outcome.failed) else {
        context.outside.forget(uid);
        return;
    };
    // What another way to credentials, or another server, has made goes when no pod uses it any more.
    let status = step.draft.read().await;
    let user = status.bucket.and_then(|bucket| bucket.user);
    let left = plan.credentials != CredentialsPlan::IamUser && user.is_some();
    if left || !status.former.is_empty() {
        context.outside.forget(uid);
        return;
    }
    let own = own(plan, |kind, namespace, name| {
        context.known.expected(kind, namespace, name)
    });
    if matches!(plan.credentials, CredentialsPlan::WebIdentity(_)) && own[0].is_some() {
        context.outside.forget(uid);
        return;
    }
    // Before the pass that comes anyway, which then is one that looks.
    let wait = SignedDuration::try_from(context.config.resync.mul_f64(0.8)).unwrap_or_default();
    let until = Timestamp::now() + wait;
    let until = outcome.rotated.look_at().map_or(until, |at| at.min(until));
    let found = Found {
        inputs: context.outside.number((inputs, own)),
        until,
        database: restarts.database.clone(),
    };
    context.outside.remember(uid, found);
}

/// Versions of what the steps keep inside of the cluster.
fn own(plan: &Plan, version: impl Fn(&str, &str, &str) -> Option<u64>) -> [Option<u64>; 4] {
    let (name, namespace) = (&plan.owner.name, &plan.owner.namespace);
    [
        ("Secret", s3_secret_name(name)),
        ("Secret", signing_secret_name(name)),
        ("Secret", database_secret_name(name)),
        ("PersistentVolumeClaim", volume_claim_name(name)),
    ]
    .map(|(kind, name)| version(kind, namespace, &name))
}

/// The Secrets in the operator's namespace that the steps read.
fn class_secrets(plan: &Plan) -> Vec<&str> {
    let class = &plan.class;
    let store = &class.object_store;
    let mut names = vec![store.credentials_secret_ref.name.as_str()];
    names.extend(class.iam.as_ref().map(|iam| iam_secret(iam, store)));
    let database = class.database.as_ref();
    names.extend(database.map(|server| server.credentials_secret_ref.name.as_str()));
    if let CredentialsPlan::Secret { name } = &plan.credentials {
        names.push(name);
    }
    names
}
