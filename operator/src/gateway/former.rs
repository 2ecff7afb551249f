//! What was made at servers that the class named before. Its logins have to go, but not before every pod uses
//! those at the new servers; and a server that is named anew is most often the same one at another address.

use crds::conditions::{BUCKET_READY, CREDENTIALS_READY, DATABASE_READY, reason};
use crds::{
    ClassSnapshot, DatabaseStatus, DatabaseType, DeletionPolicy, FileGateway, FileGatewayStatus,
    FormerServers,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::credentials::CredentialsPlan;
use super::outcome::Outcome;
use super::steps::{Fate, Step, StepError, credentials, database};
use super::validate::{DatabasePlan, Plan};
use super::workload;
use crate::context::Context;
use crate::events;
use crate::meta::{FORGET_ANNOTATION, Owner};
use crate::remote::Kind;

/// `host:port` of a class's PostgreSQL server.
pub fn database_server(class: &ClassSnapshot) -> Option<String> {
    let server = class.database.as_ref()?;
    Some(format!("{}:{}", server.host, server.port))
}

fn iam_server(class: &ClassSnapshot) -> Option<&str> {
    class.iam.as_ref().map(|server| server.endpoint.as_str())
}

/// Remembers what was made at servers of `status` that `plan` names no more.
pub fn note(status: &mut FileGatewayStatus, plan: &Plan, now: Timestamp) {
    let (iam, server) = (iam_server(&plan.class), database_server(&plan.class));
    let makes_user = plan.credentials == CredentialsPlan::IamUser;
    // Back at a server of before: what is there is in use again.
    for entry in &mut status.former {
        if makes_user && iam_server(&entry.class) == iam {
            entry.user = None;
        }
        if database_server(&entry.class) == server {
            entry.database = None;
        }
    }
    status.former.retain(is_open);
    let Some(class) = &status.class else {
        return;
    };
    let store_moved = class.object_store.endpoint != plan.class.object_store.endpoint;
    let user_moved = match (iam_server(class), iam) {
        (Some(former), Some(iam)) => former != iam,
        // A class without an IAM server says nothing of the one that it had, unless all of it has moved.
        (Some(_), None) => store_moved,
        (None, _) => false,
    };
    let user = match &mut status.bucket {
        Some(bucket) if user_moved => bucket.user.take(),
        _ => None,
    };
    let database_moved = |known: &&DatabaseStatus| {
        known.type_ == DatabaseType::PostgreSQL
            && matches!(plan.database, DatabasePlan::PostgreSql { .. })
            && known.server != server
    };
    let entry = FormerServers {
        since: Time(now),
        class: class.clone(),
        user,
        database: status.database.as_ref().filter(database_moved).cloned(),
    };
    if is_open(&entry) {
        status.former.push(entry);
    }
}

/// Says what stays behind where the servers of `plan` are others than those of `before`.
pub async fn tell(
    context: &Context,
    gateway: &FileGateway,
    before: &FileGatewayStatus,
    plan: &Plan,
) {
    let store = &plan.class.object_store.endpoint;
    let bucket = before.bucket.as_ref().filter(|known| known.created);
    if let Some(known) = bucket.filter(|known| known.endpoint != *store) {
        let (name, former) = (&known.name, &known.endpoint);
        let note = format!(
            "the class names {store} instead of {former}; if that is another server, bucket {name} at {former} is \
             left as it is, and its files are not served"
        );
        events::normal(context, gateway, BUCKET_READY, events::MOVED, note).await;
    }
    let database = before.database.as_ref().filter(|known| known.created);
    if let Some(DatabaseStatus {
        name,
        server: Some(former),
        ..
    }) = database
        && let Some(server) = database_server(&plan.class).filter(|server| server != former)
    {
        let note = format!(
            "the class names {server} instead of {former}; if that is another server, database {name} at \
             {former} is left as it is"
        );
        events::normal(context, gateway, DATABASE_READY, events::MOVED, note).await;
    }
}

fn is_open(entry: &FormerServers) -> bool {
    entry.user.is_some() || entry.database.is_some()
}

/// Revokes it once no pod uses it any more. A server that fails is asked again in a later pass. Answers when
/// to look again, if not before.
///
/// # Errors
/// When the API server fails.
pub async fn revoke(step: &Step<'_>, outcome: &Outcome) -> Result<Option<Timestamp>, StepError> {
    let status = step.draft.read().await;
    let former = status.former;
    if former.is_empty() || outcome.pods_wait {
        return Ok(None);
    }
    let (client, owner) = (&step.context.client, &step.plan.owner);
    let rotations = status.rotations.unwrap_or_default();
    let issued = [rotations.access_key, rotations.database_password].into_iter();
    let since = issued
        .flatten()
        .map(|found| found.issued_at.0)
        .chain(former.iter().map(|entry| entry.since.0))
        .max();
    let end = since.and_then(|since| since.checked_add(credentials::spread(step)).ok());
    if let Some(end) = end.filter(|end| *end > Timestamp::now()) {
        return Ok(Some(end));
    }
    // Which server it is, pods read at start.
    if !workload::all_rolled_out(client, owner).await? {
        return Ok(None);
    }
    let key = credentials::key_id(client, owner).await?;
    if key.is_none() && step.plan.credentials == CredentialsPlan::IamUser {
        // Somebody has just deleted it: the pass that issues another goes on here.
        return Ok(None);
    }
    let mut left = former.clone();
    for entry in &mut left {
        let class = &entry.class;
        if let (Some(user), Some(server)) = (&entry.user, iam_server(class)) {
            let revoking = revoke_user(step, class, user, key.as_deref());
            if is_done(step, CREDENTIALS_READY, server, revoking).await {
                entry.user = None;
            }
        }
        if let (Some(known), Some(server)) = (&entry.database, database_server(class)) {
            let locking = lock_database(step, class, known);
            if is_done(step, DATABASE_READY, &server, locking).await {
                entry.database = None;
            }
        }
    }
    left.retain(is_open);
    if left == former {
        return Ok(None);
    }
    step.draft.change(|status| status.former = left).await?;
    // The next pass looks anew: should it have been the server in use after all, it takes minutes to find
    // that out otherwise.
    Ok(Some(Timestamp::now()))
}

/// What was done, in words; `None` when there was nothing to do.
async fn revoke_user(
    step: &Step<'_>,
    class: &ClassSnapshot,
    user: &str,
    key: Option<&str>,
) -> Result<Option<String>, StepError> {
    if let Some(key) = key
        && credentials::is_in_use(step.context, class, user, key).await?
    {
        return Ok(None);
    }
    let fate = credentials::remove(step.context, class, &step.plan.owner, user).await?;
    Ok(match fate {
        Fate::Deleted(what) => Some(format!("deleted {what}")),
        _ => None,
    })
}

/// What was done, in words; `None` when there was nothing to do.
async fn lock_database(
    step: &Step<'_>,
    class: &ClassSnapshot,
    known: &DatabaseStatus,
) -> Result<Option<String>, StepError> {
    let context = step.context;
    if database::is_same_server(context, &step.plan.class, class).await? {
        return Ok(None);
    }
    let keep = DeletionPolicy::Retain;
    let fate = database::remove(context, class, &step.plan.owner, known, keep).await?;
    Ok(match fate {
        Fate::Retained(what) => Some(format!("locked the roles of {what}")),
        _ => None,
    })
}

/// Tells how it went at `server`; whether there is nothing left to do.
async fn is_done(
    step: &Step<'_>,
    condition: &'static str,
    server: &str,
    doing: impl Future<Output = Result<Option<String>, StepError>>,
) -> bool {
    let (context, gateway) = (step.context, step.gateway);
    if is_forgotten(gateway, server) {
        let note =
            format!("{FORGET_ANNOTATION} names {server}: what was made there is left as it is");
        events::warning(context, gateway, condition, events::RELEASED, note).await;
        return true;
    }
    if let Err(why) = context.silent.may_ask(server, gateway) {
        if let Some(error) = why {
            warn(step, condition, reason::BACKEND_UNREACHABLE, server, &error).await;
        }
        return false;
    }
    let done = doing.await;
    if done.is_ok() {
        context.silent.forget(server);
    }
    match done {
        Ok(None) => true,
        Ok(Some(what)) => {
            let note = format!("{what} at {server}, which the class names no more");
            events::normal(context, gateway, condition, events::KEY_REVOKED, note).await;
            true
        }
        Err(error) => {
            context.metrics.step_failed(condition, error.reason());
            let text = error.to_string();
            if is_of(&error, server) {
                warn(step, condition, error.reason(), server, &text).await;
                // Each of a thousand gateways has something there.
                let wait = context.config.resync.mul_f64(0.5);
                context.silent.note(server, gateway, text, wait);
            } else {
                let note = format!(
                    "can't revoke what was made at {server}, which the class names no more: {text}"
                );
                events::warning(context, gateway, condition, error.reason(), note).await;
            }
            false
        }
    }
}

/// Whether `server` itself can't be reached: to tell the same server from another takes the present one, too.
fn is_of(error: &StepError, server: &str) -> bool {
    let StepError::Remote(error) = error else {
        return false;
    };
    error.kind == Kind::Unreachable && error.endpoint == server
}

async fn warn(
    step: &Step<'_>,
    condition: &'static str,
    reason: &'static str,
    server: &str,
    error: &str,
) {
    let note = format!(
        "can't revoke what was made at {server}, which the class names no more: {error}; it is tried again; if \
         that server is gone for good, annotate with {FORGET_ANNOTATION}={server}"
    );
    events::warning(step.context, step.gateway, condition, reason, note).await;
}

fn is_forgotten(gateway: &FileGateway, server: &str) -> bool {
    gateway
        .annotations()
        .get(FORGET_ANNOTATION)
        .is_some_and(|named| named == server)
}

/// Revokes all of it, since its gateway is deleted.
pub async fn remove(
    context: &Context,
    gateway: &FileGateway,
    owner: &Owner,
    former: &[FormerServers],
) -> Vec<Result<Fate, StepError>> {
    let mut fates = Vec::new();
    for FormerServers {
        class,
        user,
        database,
        ..
    } in former
    {
        if let (Some(user), Some(server)) = (user, iam_server(class))
            && !is_forgotten(gateway, server)
        {
            fates.push(credentials::remove(context, class, owner, user).await);
        }
        if let (Some(known), Some(server)) = (database, database_server(class))
            && !is_forgotten(gateway, &server)
        {
            let keep = DeletionPolicy::Retain;
            fates.push(database::remove(context, class, owner, known, keep).await);
        }
    }
    fates
}

#[cfg(test)]
pub(super) mod tests {
    use crds::FileGatewayClass;
    use serde_json::json;

    use super::*;
    use crate::gateway::intend::intend;
    use crate::gateway::{Dereferenced, validate};

    /// One letter for each server: S3, IAM and PostgreSQL. `-` is no IAM server, and keys in Secrets.
    pub fn plan(servers: &str) -> Plan {
        let [s3, iam, sql]: [char; 3] = servers.chars().collect::<Vec<_>>().try_into().unwrap();
        let mut class = json!({
            "metadata": {"name": "platform"},
            "spec": {
                "objectStore": {
                    "endpoint": format!("https://{s3}.example.com"),
                    "credentialsSecretRef": {"name": "s3"},
                },
                "database": {
                    "host": format!("{sql}.example.com"),
                    "credentialsSecretRef": {"name": "sql"},
                },
            },
        });
        if iam == '-' {
            class["spec"]["credentials"] = json!({"type": "Secret"});
        } else {
            class["spec"]["iam"] = json!({"endpoint": format!("https://{iam}.example.com")});
        }
        let class: FileGatewayClass = serde_json::from_value(class).unwrap();
        let gateway: FileGateway = serde_json::from_value(json!({
            "metadata": {"name": "files", "namespace": "acme", "uid": "u"},
            "spec": {
                "className": "platform",
                "organization": "acme",
                "auth": {"issuer": "https://id.example.com", "audience": "files"},
            },
        }))
        .unwrap();
        let found = Dereferenced {
            class: Some(class),
            ..Dereferenced::default()
        };
        let owner = Owner::of(&gateway).unwrap();
        validate(&gateway, &owner, &found, "gateway:1").unwrap()
    }

    /// Where there is a user or a database, in the same letters, after a class has named each of `moves` in
    /// turn; and whether a user is to be deleted where the class has its own.
    fn left(moves: &[&str]) -> (Vec<String>, bool) {
        let mut status = FileGatewayStatus::default();
        for servers in moves {
            intend(&mut status, &plan(servers));
        }
        let letter = |address: String| address.trim_start_matches("https://")[..1].to_string();
        let letters = status.former.iter().map(|entry| {
            let user = entry.user.as_ref().and(iam_server(&entry.class));
            let database = entry.database.as_ref().and(database_server(&entry.class));
            let user = user.map_or("-".into(), |address| letter(address.into()));
            user + &database.map_or("-".into(), letter)
        });
        let user = status.bucket.and_then(|bucket| bucket.user);
        (letters.collect(), user.is_some())
    }

    #[test]
    fn what_is_left_at_other_servers_is_remembered() {
        for (moves, expected, user) in [
            (&["aaa"][..], &[][..], true),
            (&["aaa", "aaa"], &[], true),
            (&["aaa", "bbb"], &["aa"], true),
            (&["aaa", "bbb", "bbb"], &["aa"], true),
            (&["aaa", "bbb", "ccc"], &["aa", "bb"], true),
            // What moves alone is left alone.
            (&["aaa", "baa"], &[], true),
            (&["aaa", "aba"], &["a-"], true),
            (&["aaa", "aab"], &["-a"], true),
            // Back where it was.
            (&["aaa", "bbb", "aaa"], &["bb"], true),
            (&["aaa", "bbb", "aba"], &["a-", "-b"], true),
            // In another way: at the same servers the step that makes keys sees to it.
            (&["aaa", "a-a"], &[], true),
            (&["aaa", "b-a"], &["a-"], false),
            (&["aaa", "b-a", "aaa"], &[], true),
            (&["aaa", "a-a", "aba"], &["a-"], true),
            (&["a-a", "b-b"], &["-a"], false),
        ] {
            let expected = expected.iter().map(ToString::to_string).collect();
            assert_eq!(left(moves), (expected, user), "{moves:?}");
        }
    }
}
