//! A PostgreSQL database that is there already, and the Secret that names it.
//!
//! The Secret is the tenant's: an address in it may be any. Pods go there, held by the network policy; the
//! operator never does.

use crds::conditions::{ACCEPTED, Finding, reason};
use crds::{DatabaseReference, FileGateway};
use url::Url;

use super::error::Error;
use super::named::secret_missing;
use super::steps::database::server_hash;
use super::validate::DatabasePlan;
use crate::context::Context;
use crate::meta::Owner;
use crate::secrets::{self, SecretError};
use crate::sensitive::Sensitive;

/// The Secret of `spec.database.secretRef`. No part of it but where the server is leaves this module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DatabaseSecret {
    /// The spec names none.
    #[default]
    NotNamed,
    /// It is not there or lacks the key.
    Missing,
    /// Its value is no URL of a PostgreSQL database.
    Unreadable,
    /// It is there.
    Found(DatabaseServer),
}

/// Where a database is that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseServer {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Changes with everything in the URL but the login.
    pub hash: String,
}

/// Reads it.
///
/// # Errors
/// When the API server fails; that it is absent is no error here.
pub async fn look_for(
    context: &Context,
    owner: &Owner,
    reference: &DatabaseReference,
) -> Result<DatabaseSecret, Error> {
    let (name, key) = (&reference.name, reference.key.as_str());
    match secrets::read(&context.client, &owner.namespace, name, [key]).await {
        Ok([url]) => Ok(server(&url).map_or(DatabaseSecret::Unreadable, DatabaseSecret::Found)),
        Err(SecretError::Api { source, .. }) => {
            Err(Error::api("read the database's Secret")(source))
        }
        Err(_) => Ok(DatabaseSecret::Missing),
    }
}

fn server(url: &Sensitive) -> Option<DatabaseServer> {
    let parsed = Url::parse(url.expose()).ok()?;
    let host = parsed.host_str().filter(|host| !host.is_empty())?;
    let has_name = parsed.path().len() > 1;
    matches!(parsed.scheme(), "postgres" | "postgresql")
        .then_some(())
        .filter(|()| has_name)?;
    Some(DatabaseServer {
        host: host.into(),
        port: parsed.port().unwrap_or(5432),
        hash: server_hash(url),
    })
}

/// The plan for it.
///
/// # Errors
/// A false `Accepted`, with what to do about it.
pub fn given(
    gateway: &FileGateway,
    owner: &Owner,
    found: &DatabaseSecret,
) -> Result<DatabasePlan, Finding> {
    let refused = |reason, message: String| Finding::no(ACCEPTED, reason, message);
    let namespace = &owner.namespace;
    let Some(secret) = &gateway.spec.database.secret_ref else {
        let message = "spec.database.secretRef is missing: write the name of the Secret that names the database";
        return Err(refused(reason::INVALID_SPEC, message.into()));
    };
    let (name, key) = (&secret.name, &secret.key);
    match found {
        DatabaseSecret::Found(server) => Ok(DatabasePlan::Given {
            secret: secret.clone(),
            server: server.clone(),
        }),
        DatabaseSecret::Unreadable => Err(refused(
            reason::SECRET_INVALID,
            format!(
                "Secret {name} in namespace {namespace} has no URL of a PostgreSQL database under {key}: \
                 write one such as postgres://USER:PASSWORD@HOST:5432/NAME, with %XX for signs that have a \
                 meaning in URLs"
            ),
        )),
        DatabaseSecret::NotNamed | DatabaseSecret::Missing => Err(secret_missing(
            namespace,
            name,
            key,
            &format!("--from-file={key}=FILE"),
            ", where FILE holds a URL such as postgres://USER:PASSWORD@HOST:5432/NAME",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_read_off_its_url() {
        let read = |url: &str| server(&Sensitive::new(url));
        let found = read("postgres://a:b@db.acme.svc:6432/files?sslmode=require").unwrap();
        assert_eq!((found.host.as_str(), found.port), ("db.acme.svc", 6432));
        let same = read("postgres://c:d@db.acme.svc:6432/files?sslmode=require").unwrap();
        assert_eq!(found.hash, same.hash);
        let other = read("postgresql://a:b@db.acme.svc/other").unwrap();
        assert_eq!(other.port, 5432);
        assert_ne!(found.hash, other.hash);
        for wrong in [
            "",
            "db.acme.svc",
            "mysql://a:b@db/files",
            "postgres:///files",
            "postgres://a:b@db",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
