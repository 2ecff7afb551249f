//! Rotation at once: annotations with a new value, and if asked for, waiting for the answer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::bail;
use clap::{Args, ValueEnum};
use crds::conditions::{CREDENTIALS_READY, reason};
use crds::{DatabaseType, FileGateway, RotationStatus};
use operator::meta::{ROTATE_ACCESS_KEY, ROTATE_DATABASE_PASSWORD, ROTATE_SIGNING_KEY};
use serde_json::{Map, Value};

use crate::cluster::Cluster;

/// Replace keys and passwords now, without a restart and without a failed request.
#[derive(Args)]
pub struct Arguments {
    /// Name of the FileGateway
    name: String,
    /// What to replace
    #[arg(value_enum, required = true)]
    what: Vec<What>,
    /// Wait until new ones are issued; the former are good for a while longer
    #[arg(long)]
    wait: bool,
    /// How long to wait, in seconds
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    timeout: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// The key that signs file tokens
    SigningKey,
    /// The S3 access key
    S3,
    /// The login of the PostgreSQL database
    Database,
    /// All of them
    All,
}

/// Something that can be replaced.
#[derive(Clone, Copy)]
struct Credential {
    name: &'static str,
    annotation: &'static str,
    issued: fn(&FileGateway) -> Option<&RotationStatus>,
}

const SIGNING_KEY: Credential = Credential {
    name: "the signing key",
    annotation: ROTATE_SIGNING_KEY,
    issued: |gateway| {
        let rotations = gateway.status.as_ref()?.rotations.as_ref()?;
        rotations.signing_key.as_ref()
    },
};

const ACCESS_KEY: Credential = Credential {
    name: "the S3 access key",
    annotation: ROTATE_ACCESS_KEY,
    issued: |gateway| {
        let rotations = gateway.status.as_ref()?.rotations.as_ref()?;
        rotations.access_key.as_ref()
    },
};

const DATABASE_PASSWORD: Credential = Credential {
    name: "the database login",
    annotation: ROTATE_DATABASE_PASSWORD,
    issued: |gateway| {
        let rotations = gateway.status.as_ref()?.rotations.as_ref()?;
        rotations.database_password.as_ref()
    },
};

/// Asks for new ones.
pub async fn rotate(cluster: &Cluster, arguments: &Arguments) -> anyhow::Result<()> {
    let name = &arguments.name;
    let gateway = cluster.gateway(name).await?;
    let credentials = chosen(&gateway, &arguments.what)?;
    let request = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let request = format!("{}", request.as_millis());
    let annotations: Map<String, Value> = credentials
        .iter()
        .map(|one| (one.annotation.to_string(), request.clone().into()))
        .collect();
    cluster.annotate(name, annotations.into()).await?;
    for one in &credentials {
        println!("asked for a new one: {}", one.name);
    }
    if !arguments.wait {
        return Ok(());
    }
    let answered = async {
        loop {
            let gateway = cluster.gateway(name).await?;
            let done = |one: &Credential| {
                let issued = (one.issued)(&gateway);
                issued.and_then(|issued| issued.request.as_deref()) == Some(&request)
            };
            if credentials.iter().all(done) {
                return anyhow::Ok(());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    match tokio::time::timeout(Duration::from_secs(arguments.timeout), answered).await {
        Ok(answered) => answered?,
        Err(_) => bail!(
            "not all are issued after {} s; `kubectl fgw status {name} -n {}` says what is in the way",
            arguments.timeout,
            cluster.namespace
        ),
    }
    println!("issued");
    Ok(())
}

/// What is to be replaced. What was asked for by name and can't be is an error; of all, it is told.
fn chosen(gateway: &FileGateway, what: &[What]) -> anyhow::Result<Vec<Credential>> {
    let all = what.contains(&What::All);
    let mut credentials = Vec::new();
    for (one, credential, kept) in [
        (What::SigningKey, SIGNING_KEY, None),
        (What::S3, ACCESS_KEY, who_keeps_the_key(gateway)),
        (
            What::Database,
            DATABASE_PASSWORD,
            who_keeps_the_login(gateway),
        ),
    ] {
        match kept {
            Some(why) if what.contains(&one) => {
                bail!("{} is not replaced: {why}", credential.name)
            }
            Some(why) if all => println!("not replaced: {}: {why}", credential.name),
            None if all || what.contains(&one) => credentials.push(credential),
            _ => {}
        }
    }
    Ok(credentials)
}

/// Why the operator issues no S3 key, if it does not. Told from the status, since a tenant may not read
/// classes.
fn who_keeps_the_key(gateway: &FileGateway) -> Option<&'static str> {
    let status = gateway.status.as_ref()?;
    let mut conditions = status.conditions.iter();
    let found = conditions.find(|one| one.type_ == CREDENTIALS_READY);
    let in_use = found.map(|one| one.reason.as_str());
    if in_use == Some(reason::WEB_IDENTITY) {
        return Some(
            "there is none. Pods get temporary keys for the token of their ServiceAccount, and new ones \
             before those expire",
        );
    }
    let of_a_secret = [reason::COPIED, reason::KEY_REFUSED, reason::KEY_TOO_WIDE];
    let has_user = status
        .bucket
        .as_ref()
        .is_none_or(|bucket| bucket.user.is_some());
    (!has_user || in_use.is_some_and(|reason| of_a_secret.contains(&reason))).then_some(
        "its class takes it from a Secret of the platform team, which the condition CredentialsReady \
         names. Have a new key written there: it is used at once",
    )
}

/// Why the operator issues no login of the database, if it does not.
fn who_keeps_the_login(gateway: &FileGateway) -> Option<&'static str> {
    match gateway.spec.database.type_ {
        DatabaseType::PostgreSQL => None,
        DatabaseType::SQLite => Some("its database is SQLite, which has no login"),
        DatabaseType::Secret => Some(
            "its database is the one that the Secret of spec.database.secretRef names. Change the login at \
             the server, and the URL in the Secret: pods take it up by themselves",
        ),
    }
}
