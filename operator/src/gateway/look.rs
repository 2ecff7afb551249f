//! What a pass has to look at outside of the cluster, and for what it may go by the last look.

use crds::FileGateway;
use crds::conditions::{
    BUCKET_CONFIGURED, BUCKET_READY, CREDENTIALS_READY, DATABASE_READY, SIGNING_KEY_READY,
};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::build::Restarts;
use super::credentials::CredentialsPlan;
use super::outcome::Outcome;
use super::steps::Step;
use super::validate::{DatabasePlan, Plan};
use crate::context::{Context, iam_secret};
use crate::meta::{database_secret_name, s3_secret_name, signing_secret_name, volume_claim_name};
use crate::outside::{Found, Own};

/// What has to be true for the last look to be enough.
const STEPS: [&str; 4] = [
    BUCKET_READY,
    CREDENTIALS_READY,
    DATABASE_READY,
    SIGNING_KEY_READY,
];

/// What a pass looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The bucket, and the key to it.
    pub storage: bool,
    /// The database.
    pub database: bool,
    /// The keys that sign file tokens.
    pub signing_key: bool,
    /// The look before, where it still holds for the rest.
    last: Option<Found>,
}

impl Look {
    /// At everything.
    const ALL: Self = Self {
        storage: true,
        database: true,
        signing_key: true,
        last: None,
    };

    /// At what somebody has changed or deleted of `own` since `last`.
    fn since(last: Found, own: Own) -> Self {
        Self {
            storage: own.access_key != last.own.access_key,
            database: own.login != last.own.login || own.volume != last.own.volume,
            signing_key: own.signing_key != last.own.signing_key,
            last: Some(last),
        }
    }

    fn is_empty(&self) -> bool {
        !(self.storage || self.database || self.signing_key)
    }

    /// What it has left in the cluster, as far as it has looked; `None` when something of that is gone.
    fn kept(&self, plan: &Plan, version: impl Fn(&str, &str, &str) -> Option<u64>) -> Option<Own> {
        let mut own = own(plan, version);
        // What becomes of the rest meanwhile is for the next pass to see.
        let last = self.last.as_ref().map(|last| last.own);
        if let Some(last) = last.filter(|_| !self.storage) {
            own.access_key = last.access_key;
        }
        if let Some(last) = last.filter(|_| !self.database) {
            (own.login, own.volume) = (last.login, last.volume);
        }
        if let Some(last) = last.filter(|_| !self.signing_key) {
            own.signing_key = last.signing_key;
        }
        let web = matches!(plan.credentials, CredentialsPlan::WebIdentity(_));
        let catalog = match plan.database {
            DatabasePlan::PostgreSql { .. } => own.login.is_some(),
            DatabasePlan::Sqlite { .. } => own.volume.is_some(),
            DatabasePlan::Given { .. } => true,
        };
        let all = (web || own.access_key.is_some()) && own.signing_key.is_some() && catalog;
        all.then_some(own)
    }

    /// What pods are restarted for, unless that is looked at.
    pub fn restarts(&self) -> Option<Restarts> {
        let last = self.last.as_ref().filter(|_| !self.database)?;
        Some(Restarts {
            database: last.database.clone(),
        })
    }

    /// When the look before has to be made again.
    pub fn until(&self) -> Option<Timestamp> {
        self.last.as_ref().map(|last| last.until)
    }
}

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

/// What a pass has to look at that depends on `inputs`, if that is known.
pub async fn wanted(step: &Step<'_>, inputs: Option<u64>) -> Look {
    let Some(inputs) = inputs else {
        return Look::ALL;
    };
    let status = step.draft.read().await;
    let holds = |type_: &str| {
        let found = status.conditions.iter().find(|found| found.type_ == type_);
        found.is_some_and(|found| type_ == BUCKET_CONFIGURED || found.status == "True")
    };
    if status.observed_generation != step.gateway.metadata.generation
        || !STEPS.into_iter().all(holds)
        || !holds(BUCKET_CONFIGURED)
    {
        return Look::ALL;
    }
    let (context, uid) = (step.context, &step.plan.owner.uid);
    let own = own(step.plan, |kind, namespace, name| {
        context.known.seen(kind, namespace, name)
    });
    let last = context.outside.found(uid, inputs, Timestamp::now());
    last.map_or(Look::ALL, |last| Look::since(last, own))
}

/// Keeps a look at which everything was right and nothing is left to do.
pub async fn remember(step: &Step<'_>, look: &Look, inputs: Option<u64>, outcome: &Outcome) {
    let Some(inputs) = inputs.filter(|_| !look.is_empty()) else {
        return;
    };
    let (context, plan) = (step.context, step.plan);
    let uid = &plan.owner.uid;
    let Some(restarts) = outcome.restarts.as_ref().filter(|_| !outcome.failed) else {
        context.outside.forget(uid);
        return;
    };
    // What another way to credentials has made goes when no pod uses it any more.
    let status = step.draft.read().await;
    let user = status.bucket.and_then(|bucket| bucket.user);
    if plan.credentials != CredentialsPlan::IamUser && user.is_some() {
        context.outside.forget(uid);
        return;
    }
    let Some(own) = look.kept(plan, |kind, namespace, name| {
        context.known.expected(kind, namespace, name)
    }) else {
        // Somebody has deleted what was just made.
        context.outside.forget(uid);
        return;
    };
    if matches!(plan.credentials, CredentialsPlan::WebIdentity(_)) && own.access_key.is_some() {
        context.outside.forget(uid);
        return;
    }
    // Before the pass that comes anyway, which then is one that looks.
    let wait = SignedDuration::try_from(context.config.resync.mul_f64(0.8)).unwrap_or_default();
    let due = [look.until(), outcome.rotated.look_at()];
    let until = due.into_iter().flatten().min();
    let until = until.unwrap_or(Timestamp::MAX).min(Timestamp::now() + wait);
    let found = Found {
        inputs,
        own,
        until,
        database: restarts.database.clone(),
    };
    context.outside.remember(uid, found);
}

/// Versions of what the steps keep inside of the cluster.
fn own(plan: &Plan, version: impl Fn(&str, &str, &str) -> Option<u64>) -> Own {
    let (name, namespace) = (&plan.owner.name, &plan.owner.namespace);
    let secret = |name: String| version("Secret", namespace, &name);
    Own {
        access_key: secret(s3_secret_name(name)),
        signing_key: secret(signing_secret_name(name)),
        login: secret(database_secret_name(name)),
        volume: version("PersistentVolumeClaim", namespace, &volume_claim_name(name)),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::former::tests::plan;

    fn last() -> Found {
        Found {
            inputs: 0,
            own: Own {
                access_key: Some(1),
                signing_key: Some(2),
                login: Some(3),
                volume: None,
            },
            until: Timestamp::MAX,
            database: "server".into(),
        }
    }

    #[test]
    fn what_goes_while_something_else_is_looked_at_is_seen_by_the_next_pass() {
        let plan = plan("aaa");
        let last = last();
        let own = last.own;
        // The signing key was lost and is there again; the access key has gone meanwhile.
        let look = Look::since(
            last,
            Own {
                signing_key: None,
                ..own
            },
        );
        let version = |_: &str, _: &str, name: &str| match name {
            "files-signing" => Some(7),
            "files-database" => Some(3),
            _ => None,
        };
        let kept = look.kept(&plan, version).unwrap();
        assert_eq!(
            kept,
            Own {
                signing_key: Some(7),
                ..own
            }
        );
        // Of what was looked at nothing may be missing.
        assert_eq!(Look::ALL.kept(&plan, version), None);
        assert_eq!(look.kept(&plan, |_, _, _| None), None);
    }

    #[test]
    fn what_is_lost_is_looked_at_and_nothing_else() {
        let last = last();
        let own = last.own;
        let since = |now: Own| Look::since(last.clone(), now);
        assert!(since(own).is_empty());
        let looked = [
            Own {
                access_key: None,
                ..own
            },
            Own {
                signing_key: Some(4),
                ..own
            },
            Own { login: None, ..own },
            Own {
                volume: Some(4),
                ..own
            },
        ]
        .map(since)
        .map(|look| (look.storage, look.signing_key, look.database));
        let expected = [
            (true, false, false),
            (false, true, false),
            (false, false, true),
            (false, false, true),
        ];
        assert_eq!(looked, expected);
        let server = |look: Look| look.restarts().map(|restarts| restarts.database);
        assert_eq!(server(since(own)), Some("server".into()));
        let lost = Own { login: None, ..own };
        assert_eq!(server(since(lost)), None, "the look tells");
        assert_eq!(server(Look::ALL), None);
    }
}
