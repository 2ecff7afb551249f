//! The chart on a cluster whose object store and PostgreSQL run in the namespace `storage`.

use serde_json::{Value, json};

use super::{Access, workspace};
use crate::{Error, Result, command};

/// Namespace of the operator.
pub const SYSTEM: &str = "filegateway-system";
/// Namespace of the object store and PostgreSQL.
const STORAGE: &str = "storage";
/// Secrets of `storage` that the operator needs in its own namespace.
const ADMIN_SECRETS: [&str; 2] = ["s3-root", "postgres-admin"];

/// Names of the images to install, with tags; absent: the chart's own.
#[derive(Debug, Clone, Default)]
pub struct Images {
    /// The operator's.
    pub operator: Option<String>,
    /// The gateway's.
    pub gateway: Option<String>,
}

impl Images {
    /// From `OPERATOR_IMAGE` and `GATEWAY_IMAGE`.
    #[must_use]
    pub fn from_environment() -> Self {
        let read = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            operator: read("OPERATOR_IMAGE"),
            gateway: read("GATEWAY_IMAGE"),
        }
    }

    fn helm_values(&self) -> Vec<String> {
        let mut values = Vec::new();
        for (part, image) in [("operator", &self.operator), ("gateway", &self.gateway)] {
            if let Some((repository, tag)) = image.as_deref().and_then(|name| name.rsplit_once(':'))
            {
                values.push(format!("image.{part}.repository={repository}"));
                values.push(format!("image.{part}.tag={tag}"));
            }
        }
        values
    }
}

/// Installs or upgrades the chart, with a class named `default` for the storage in the cluster, and
/// waits until the operator is available.
///
/// # Errors
/// The storage's Secrets are missing, or Helm fails.
pub fn install(access: &Access, images: &Images) -> Result<String> {
    access.apply(&namespace(SYSTEM).to_string())?;
    for name in ADMIN_SECRETS {
        let secret: Value = access.get("secret", STORAGE, name)?.ok_or_else(|| {
            Error::Refused(format!(
                "Secret {STORAGE}/{name} is missing: start the storage first"
            ))
        })?;
        access.apply(&secret_manifest(SYSTEM, name, &secret["data"]).to_string())?;
    }
    let chart = workspace().join("charts/filegateway").display().to_string();
    let mut helm = access.helm(&[
        "upgrade",
        "--install",
        "filegateway",
        &chart,
        "--namespace",
        SYSTEM,
        "--wait",
        "--timeout=180s",
        "--set=defaultClass.objectStore.endpoint=http://s3.storage.svc:7070",
        "--set=defaultClass.iam.endpoint=http://s3.storage.svc:7071",
        "--set=defaultClass.database.host=postgres.storage.svc",
        "--set=defaultClass.objectStore.credentialsSecretRef.name=s3-root",
        "--set=defaultClass.database.credentialsSecretRef.name=postgres-admin",
    ]);
    for value in images.helm_values() {
        helm.arg("--set").arg(value);
    }
    command::run(&mut helm)
}

/// A Namespace that admits only pods of the restricted Pod Security profile.
#[must_use]
pub fn namespace(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": { "pod-security.kubernetes.io/enforce": "restricted" },
        },
    })
}

/// A Secret with `data`, values in Base64.
#[must_use]
pub fn secret_manifest(namespace: &str, name: &str, data: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "namespace": namespace, "name": name },
        "data": data,
    })
}
