//! Rotation at once: annotations with a new value, and if asked for, waiting for the answer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::bail;
use clap::{Args, ValueEnum};
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

fn chosen(gateway: &FileGateway, what: &[What]) -> anyhow::Result<Vec<Credential>> {
    let all = what.contains(&What::All);
    let wanted = |one| all || what.contains(&one);
    let mut credentials = Vec::new();
    if wanted(What::SigningKey) {
        credentials.push(SIGNING_KEY);
    }
    if wanted(What::S3) {
        credentials.push(ACCESS_KEY);
    }
    match gateway.spec.database.type_ {
        DatabaseType::PostgreSQL if wanted(What::Database) => credentials.push(DATABASE_PASSWORD),
        DatabaseType::SQLite if what.contains(&What::Database) => {
            bail!("its database is SQLite, which has no login")
        }
        DatabaseType::Secret if what.contains(&What::Database) => {
            bail!("its database is the one that a Secret names: change the login there")
        }
        _ => {}
    }
    Ok(credentials)
}
