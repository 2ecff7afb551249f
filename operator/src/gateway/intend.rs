//! What the status says before anything is made.

use crds::{BucketStatus, ClassSnapshot, DatabaseStatus, DatabaseType, FileGatewayStatus};
use k8s_openapi::jiff::Timestamp;

use super::build;
use super::credentials::CredentialsPlan;
use super::validate::{DatabasePlan, Plan};
use super::{former, hosts};
use crate::meta::{selector_text, volume_claim_name};

/// Writes down what is going to be made, so that no crash can forget it.
pub fn intend(status: &mut FileGatewayStatus, plan: &Plan) {
    former::note(status, plan, Timestamp::now());
    let store = &plan.class.object_store;
    // One of another way to credentials, where it has not moved.
    let user = status.bucket.as_ref().and_then(|known| known.user.clone());
    let iam = status.class.take().and_then(|class| class.iam);
    let iam = iam.filter(|_| user.is_some());
    // On another server, what was made on the former says nothing.
    let known = status
        .bucket
        .take()
        .filter(|known| known.name == plan.bucket && known.endpoint == store.endpoint);
    status.bucket = Some(BucketStatus {
        name: plan.bucket.clone(),
        endpoint: store.endpoint.clone(),
        region: store.region.clone(),
        created: known.as_ref().is_some_and(|known| known.created),
        creating: known.as_ref().is_some_and(|known| known.creating),
        emptied: None,
        // One of before stays known until it is deleted.
        user: match plan.credentials {
            CredentialsPlan::IamUser => Some(plan.user.clone()),
            _ => user,
        },
    });
    // Keys that nobody stores have no age.
    if let (CredentialsPlan::WebIdentity(_), Some(rotations)) =
        (&plan.credentials, &mut status.rotations)
    {
        rotations.access_key = None;
    }
    let (type_, name, server) = match &plan.database {
        DatabasePlan::PostgreSql { name } => (
            DatabaseType::PostgreSQL,
            name.clone(),
            former::database_server(&plan.class),
        ),
        DatabasePlan::Sqlite { .. } => (
            DatabaseType::SQLite,
            volume_claim_name(&plan.owner.name),
            None,
        ),
        DatabasePlan::Given { secret, server } => (
            DatabaseType::Secret,
            secret.name.clone(),
            Some(format!("{}:{}", server.host, server.port)),
        ),
    };
    let created = status
        .database
        .as_ref()
        .is_some_and(|known| known.created && known.name == name && known.server == server);
    status.database = Some(DatabaseStatus {
        type_,
        name,
        server,
        created,
    });
    status.class = Some(ClassSnapshot {
        // A user of before is deleted where it was made, although the class names that server no more.
        iam: plan.class.iam.clone().or(iam),
        ..plan.class.clone()
    });
    let host = plan.exposure.as_ref().map(|exposure| &exposure.host);
    let held = hosts::held(status, &plan.owner);
    status.hosts = held.into_iter().chain(host.cloned()).collect();
    status.hosts.sort();
    status.hosts.dedup();
    status.deletion_policy = Some(plan.deletion_policy);
    let owner = &plan.owner;
    status.version = Some(version_of(&plan.image.name));
    status.address = Some(plan.address());
    status.selector = Some(selector_text(&owner.name, build::SERVE));
}

/// The tag or digest of an image; `latest` is what a name without either means.
fn version_of(image: &str) -> String {
    let (name, digest) = image.split_once('@').unwrap_or((image, ""));
    let file = name.rsplit_once('/').map_or(name, |(_, file)| file);
    match file.split_once(':') {
        Some((_, tag)) => tag.into(),
        None if digest.is_empty() => "latest".into(),
        None => digest.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_tags_or_digests() {
        for (image, expected) in [
            ("filegateway/gateway:0.1.0", "0.1.0"),
            ("registry.example.com:5000/gateway:1", "1"),
            ("registry.example.com:5000/gateway", "latest"),
            ("gateway:1@sha256:0123", "1"),
            ("gateway@sha256:0123", "sha256:0123"),
        ] {
            assert_eq!(version_of(image), expected, "{image}");
        }
    }
}
