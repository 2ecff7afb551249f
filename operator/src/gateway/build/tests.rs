//! Each wanted object, from a resource through the real validation, as a snapshot.

use crds::{FileGateway, FileGatewayClass};

use super::*;
use crate::gateway::{AuthSecret, DatabasePlan, Dereferenced, Plan, validate};
use crate::meta::Owner;

const CLASS: &str = "
apiVersion: filegateway.dev/v1alpha1
kind: FileGatewayClass
metadata: {name: platform}
spec:
  objectStore:
    endpoint: http://s3.storage.svc:7070
    credentialsSecretRef: {name: s3-admin}
  iam: {endpoint: 'http://s3.storage.svc:7071'}
  database:
    host: postgres.storage.svc
    credentialsSecretRef: {name: postgres-admin}
";

const GATEWAY: &str = "
apiVersion: filegateway.dev/v1alpha1
kind: FileGateway
metadata: {name: files, namespace: tenant, uid: 0b5ba1f6-9d5c-4f3e-8a52-2f1f0c5d9e77}
spec:
  className: platform
  organization: acme
  auth: {issuer: 'https://id.example.com', audience: files}
";

const SQLITE: &str = "
apiVersion: filegateway.dev/v1alpha1
kind: FileGateway
metadata: {name: files, namespace: tenant, uid: 0b5ba1f6-9d5c-4f3e-8a52-2f1f0c5d9e77}
spec:
  className: platform
  organization: acme
  database: {type: SQLite, sqlite: {size: 2Gi, storageClassName: fast}}
  auth:
    issuer: https://id.example.com
    audience: files
    secretRef: {name: jwt, key: hmac}
    algorithms: [HS256, HS512]
    claims: {subject: uid, organization: tenant.id, roles: realm_access.roles}
    adminRole: boss
  tokens: {lifetimeSeconds: 60}
  access: {locations: Owner}
  uploads: {maxFileSize: 100M, maxFiles: 3}
  delivery: Redirect
  resources: {limits: {memory: 1Gi}}
";

fn plan(gateway: &str) -> Plan {
    let gateway: FileGateway = serde_saphyr::from_str(gateway).unwrap();
    let class: FileGatewayClass = serde_saphyr::from_str(CLASS).unwrap();
    let found = Dereferenced {
        class: Some(class),
        auth_secret: AuthSecret::Found("17".into()),
        ..Dereferenced::default()
    };
    let owner = Owner::of(&gateway).unwrap();
    validate(&gateway, &owner, &found, "filegateway/gateway:0.1.0").unwrap()
}

fn restarts() -> Restarts {
    Restarts {
        database: "login".into(),
    }
}

#[test]
fn config_maps() {
    insta::assert_yaml_snapshot!("config_map_postgresql", config_map(&plan(GATEWAY)));
    insta::assert_yaml_snapshot!("config_map_sqlite", config_map(&plan(SQLITE)));
}

#[test]
fn deployments() {
    let postgresql = plan(GATEWAY);
    insta::assert_yaml_snapshot!("serve_postgresql", serve(&postgresql, &restarts()));
    insta::assert_yaml_snapshot!("worker_postgresql", worker(&postgresql, &restarts()));
    let sqlite = plan(SQLITE);
    insta::assert_yaml_snapshot!("serve_sqlite", serve(&sqlite, &restarts()));
    assert_eq!(worker(&sqlite, &restarts()), None);
}

#[test]
fn the_rest() {
    let plan = plan(SQLITE);
    insta::assert_yaml_snapshot!("service", service(&plan));
    insta::assert_yaml_snapshot!("service_account", service_account(&plan));
    let DatabasePlan::Sqlite {
        size,
        storage_class,
    } = &plan.database
    else {
        panic!("SQLite was asked for");
    };
    let claim = volume_claim(&plan.owner, &size.0, storage_class.as_deref());
    insta::assert_yaml_snapshot!("volume_claim", claim);
}

#[test]
fn pods_are_replaced_when_what_they_read_at_start_changes() {
    let annotation = |plan: &Plan, restarts: &Restarts| {
        let pod = serve(plan, restarts)
            .spec
            .unwrap()
            .template
            .metadata
            .unwrap();
        pod.annotations.unwrap()[crate::meta::CONFIG_ANNOTATION].clone()
    };
    let before = annotation(&plan(SQLITE), &restarts());
    let mut other_secret = plan(SQLITE);
    other_secret.auth_secret_version = Some("18".into());
    let mut other_setting = plan(SQLITE);
    other_setting.max_files = 4;
    let other_login = Restarts {
        database: "new".into(),
    };
    assert_ne!(annotation(&other_secret, &restarts()), before);
    assert_ne!(annotation(&other_setting, &restarts()), before);
    assert_ne!(annotation(&plan(SQLITE), &other_login), before);
    assert_eq!(annotation(&plan(SQLITE), &restarts()), before);
}
