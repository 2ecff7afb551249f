//! The object store and PostgreSQL inside a cluster, in the namespace `storage`.

use crate::command::run;
use crate::images::Image;
use crate::run::Access;
use crate::{Result, secret};
use serde_json::{Value, json};

/// The namespace.
pub const NAMESPACE: &str = "storage";
const MANIFESTS: &str = include_str!("../../manifests/storage.yaml");

/// Applies the manifests, with root credentials that are made once. `image` replaces the one that they
/// name, for a cluster that gets its images elsewhere.
///
/// # Errors
/// The API server refuses them.
pub fn apply(access: &Access, image: Option<&str>) -> Result<()> {
    access.apply(
        &json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "name": NAMESPACE },
        })
        .to_string(),
    )?;
    for (name, values) in [
        ("s3-root", s3_root as fn() -> Value),
        ("postgres-admin", postgres_admin),
    ] {
        if access.get::<Value>("secret", NAMESPACE, name)?.is_none() {
            access.apply(&manifest(name, &values()).to_string())?;
        }
    }
    let own = Image::Storage.reference();
    access.apply(&MANIFESTS.replace(&own, image.unwrap_or(&own)))
}

/// Waits until both answer.
///
/// # Errors
/// They don't within three minutes.
pub fn wait(access: &Access) -> Result<()> {
    run(&mut access.kubectl(&[
        "wait",
        "--namespace",
        NAMESPACE,
        "--for=condition=Available",
        "--timeout=180s",
        "deployment/s3",
        "deployment/postgres",
    ]))
    .map(drop)
}

fn manifest(name: &str, values: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "namespace": NAMESPACE, "name": name },
        "stringData": values,
    })
}

fn s3_root() -> Value {
    json!({
        "access-key-id": secret::word(20).to_uppercase(),
        "secret-access-key": secret::word(40),
    })
}

fn postgres_admin() -> Value {
    let password = secret::word(32);
    json!({
        "username": "postgres",
        "password": password,
        "url": format!("postgres://postgres:{password}@postgres.{NAMESPACE}.svc:5432/postgres"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifests_name_the_image_that_is_built() {
        assert_eq!(MANIFESTS.matches(&Image::Storage.reference()).count(), 3);
    }
}
