//! What somebody who may write FileGateways in his namespace must not be able to do with that, each tried.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crds::{FileGateway, FileGatewayClass};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, Role, RoleBinding};
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::backends::{database_exists, get, postgres, put, s3};
use crate::bed::{Bed, SYSTEM};
use crate::chart::Release;

const TENANT: &str = "tenant";

/// Gives [`TENANT`] the role that the chart has for tenants, in the test's namespace.
async fn hire(bed: &Bed, release: &Release) {
    let role = format!("{home}-filegateway-{home}-edit", home = release.home);
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": {"name": TENANT, "namespace": bed.namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": TENANT}],
    }))
    .unwrap();
    let bindings = bed.api::<RoleBinding>();
    bindings
        .create(&PostParams::default(), &binding)
        .await
        .unwrap();
}

fn forbidden<T: Debug>(outcome: Result<T, kube::Error>) {
    match outcome {
        Err(kube::Error::Api(status)) if status.code == 403 => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_role_of_tenants_opens_nothing_but_their_filegateways() {
    let bed = Bed::new("tenantrole").await;
    let release = Release::install(&bed).await;
    hire(&bed, &release).await;
    let tenant = bed.as_user(TENANT);
    let gateways = Api::<DynamicObject>::namespaced_with(
        tenant.clone(),
        &bed.namespace,
        &ApiResource::erase::<FileGateway>(&()),
    );
    let object = serde_json::from_value(bed.gateway("files", json!({}))).unwrap();
    let created = gateways.create(&PostParams::default(), &object).await;
    created.unwrap();

    // What the operator remembers there decides where it sends an administrator's requests.
    let forged = json!({"status": {"bucket": {
        "name": "of-another", "endpoint": "http://10.0.0.1", "region": "us-east-1", "created": true,
    }}});
    let forged = Patch::Merge(&forged);
    let params = PatchParams::default();
    forbidden(gateways.patch_status("files", &params, &forged).await);
    forbidden(gateways.get("files").await.map(drop));
    let secrets = Api::<Secret>::namespaced(tenant.clone(), SYSTEM);
    forbidden(secrets.get("s3-admin").await);
    let own = Api::<Secret>::namespaced(tenant.clone(), &bed.namespace);
    forbidden(own.list(&ListParams::default()).await.map(drop));
    let classes = Api::<FileGatewayClass>::all(tenant.clone());
    let image = json!({"spec": {"image": {"name": "example.test/mine:1"}}});
    let image = Patch::Merge(&image);
    forbidden(classes.patch(&bed.class, &params, &image).await);
    let elsewhere = format!("other-{}", bed.namespace);
    bed.apply_namespace(&elsewhere, json!({})).await;
    let there = Api::<DynamicObject>::namespaced_with(
        tenant.clone(),
        &elsewhere,
        &ApiResource::erase::<FileGateway>(&()),
    );
    forbidden(there.create(&PostParams::default(), &object).await);
    let labelled = json!({"metadata": {"labels": {"team": "another"}}});
    let namespaces = Api::<Namespace>::all(tenant);
    let labelled = Patch::Merge(&labelled);
    forbidden(namespaces.patch(&bed.namespace, &params, &labelled).await);
    release.uninstall();
}

/// Names that are ways to somewhere else once they are in the path of a request.
#[tokio::test]
async fn a_name_leads_to_no_other_object() {
    let bed = Bed::new("traversal").await;
    let ways = [
        "../../filegateway-system/secrets/s3-admin",
        "..",
        "identity/../../../filegateway-system/secrets/s3-admin",
        "identity?x=1",
        "identity#",
        "filegateway-system/s3-admin",
        "%2e%2e%2f",
        "identity\n",
    ];
    for way in ways {
        let fields = [
            json!({"auth": {"secretRef": {"name": way}}}),
            json!({"auth": {"secretRef": {"name": "identity", "key": way}}}),
            json!({"className": way}),
            json!({"scheduling": {"priorityClassName": way}}),
            json!({"database": {"type": "SQLite", "sqlite": {"storageClassName": way}}}),
            json!({"exposure": {"host": way}}),
            json!({"bucket": {"name": way}}),
        ];
        for change in fields {
            // Keys of Secrets may hold dots.
            if way == ".." && change["auth"]["secretRef"]["key"] == way {
                continue;
            }
            let outcome = bed.create("files", change.clone()).await;
            let message = outcome.map(drop).expect_err(&change.to_string());
            assert!(message.contains("spec."), "{change}: {message}");
        }
    }
}

/// Fields that other resources have, and annotations that other programs act upon.
#[tokio::test]
async fn pods_are_the_classs_whatever_a_spec_says_besides() {
    let (bed, _operator) = Bed::with_operator("hostpath").await;
    let host = json!([{"name": "host", "hostPath": {"path": "/"}}]);
    let hostile = json!({
        "image": "example.test/mine:1",
        "imagePullPolicy": "Never",
        "podTemplate": {"spec": {"hostNetwork": true, "volumes": host}},
        "template": {"spec": {"hostPID": true}},
        "volumes": host,
        "serviceAccountName": "default",
        "securityContext": {"privileged": true, "runAsUser": 0},
        "env": [{"name": "LD_PRELOAD", "value": "/tmp/mine.so"}],
        "scheduling": {"hostNetwork": true, "serviceAccountName": "default"},
        "auth": {"secretRef": {"name": "identity", "namespace": "kube-system"}},
        "iam": {"endpoint": "http://10.0.0.1"},
        "objectStore": {"endpoint": "http://10.0.0.1"},
    });
    let mut gateway = bed.gateway("files", hostile);
    gateway["metadata"]["annotations"] = json!({
        "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/admin",
        "container.apparmor.security.beta.kubernetes.io/gateway": "unconfined",
    });
    gateway["metadata"]["labels"] = json!({"azure.workload.identity/use": "true"});
    let api = Api::<DynamicObject>::namespaced_with(
        bed.client.clone(),
        &bed.namespace,
        &ApiResource::erase::<FileGateway>(&()),
    );
    let gateway = serde_json::from_value(gateway).unwrap();
    api.create(&PostParams::default(), &gateway).await.unwrap();
    bed.ready("files").await;

    for name in ["files", "files-worker"] {
        let deployment = bed.api::<Deployment>().get(name).await.unwrap();
        let template = serde_json::to_value(deployment.spec.unwrap().template).unwrap();
        let text = template.to_string();
        for word in [
            "example.test",
            "hostPath",
            "hostNetwork",
            "hostPID",
            "privileged",
            "LD_PRELOAD",
            "apparmor",
            "azure",
            "10.0.0.1",
        ] {
            assert!(!text.contains(word), "{name}: {word}");
        }
        let pod = &template["spec"];
        assert_eq!(pod["containers"][0]["image"], "filegateway/gateway:test");
        assert_eq!(pod["serviceAccountName"], "files");
        assert_eq!(pod["automountServiceAccountToken"], json!(false));
    }
    // The account has no rights beyond everybody's, and no identity elsewhere.
    let account = bed.api::<ServiceAccount>().get("files").await.unwrap();
    let foreign = |key: &&String| !key.starts_with("filegateway.dev/");
    assert_eq!(account.annotations().keys().find(foreign), None);
    let all = ListParams::default();
    let roles = bed.api::<Role>().list(&all).await.unwrap();
    assert_eq!(roles.items.len(), 0);
    let bindings = bed.api::<RoleBinding>().list(&all).await.unwrap();
    assert_eq!(bindings.items.len(), 0);
    let everywhere = Api::<ClusterRoleBinding>::all(bed.client.clone());
    for binding in everywhere.list(&all).await.unwrap() {
        let subjects = binding.subjects.unwrap_or_default();
        let own = |namespace: Option<&str>| namespace == Some(&bed.namespace);
        let named = subjects.iter().any(|one| own(one.namespace.as_deref()));
        assert!(!named, "{:?}", binding.metadata.name);
    }
}

/// Addresses of a spec are for the gateway's pods, which the network policy holds; the operator stands
/// elsewhere in the cluster and asks none of them.
#[tokio::test]
async fn the_operator_calls_no_address_of_a_spec() {
    let (bed, operator) = Bed::with_operator("addresses").await;
    let loopback = json!({"to": [{"ipBlock": {"cidr": "127.0.0.1/32"}}]});
    let egress = json!({"issuer": loopback, "webhooks": loopback, "database": loopback});
    bed.apply_class(json!({
        "webhooks": {"privateAddresses": "Allow"},
        "networkPolicy": {"egress": egress},
    }))
    .await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("http://{address}");
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let issuer = json!({"auth": {"secretRef": null, "issuer": url, "allowHttp": true}});
    let keys = json!({"auth": {
        "secretRef": null, "jwksUrl": format!("{url}/keys"), "allowHttp": true}});
    let given = json!({"url": format!("postgres://me:password@{address}/mine")});
    bed.apply_secret(&bed.namespace, "given", given).await;
    let database = json!({
        "database": {"type": "Secret", "secretRef": {"name": "given"}},
        "deletionPolicy": "Delete",
    });
    let signed = json!({"secret": "whsec_c2lnbmVkIHdpdGggYSBzZWNyZXQgb2YgMzIgYnl0ZXM="});
    bed.apply_secret(&bed.namespace, "hook", signed).await;
    let webhook =
        json!({"webhooks": {"url": format!("{url}/hook"), "secretRef": {"name": "hook"}}});
    let gateways = [
        ("files", issuer),
        ("other", keys),
        ("given", database),
        ("told", webhook),
    ];
    for (name, spec) in &gateways {
        bed.create(name, spec.clone()).await.unwrap();
    }
    for (name, _) in &gateways {
        bed.ready(name).await;
        bed.delete(name).await;
    }
    for (name, _) in &gateways {
        bed.gone(name).await;
    }
    operator.stop().await;
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

/// Names of organizations are claims in tokens of an issuer that each FileGateway names for itself, so the
/// same name twice gives nobody anything of the other.
#[tokio::test]
async fn anothers_organization_by_name_is_nothing_of_his() {
    let (bed, _operator) = Bed::with_operator("victim").await;
    let (thief, _second) = Bed::with_operator("thief").await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    let own = bed.status("files").await;
    let (bucket, database) = (own.bucket.unwrap().name, own.database.unwrap().name);
    thief.create("files", json!({})).await.unwrap();
    thief.ready("files").await;

    let key = thief.secret("files-s3").await;
    let client = s3(&key["access-key-id"], &key["secret-access-key"]);
    let denied = Err("AccessDenied".to_string());
    assert_eq!(put(&client, &bucket, "a").await, denied);
    assert_eq!(get(&client, &bucket, "a").await.map(|_| ()), denied);
    let url = thief.secret("files-database").await["url"].clone();
    assert!(database_exists(&database).await);
    assert!(postgres(&url, Some(&database)).await.is_err());
    let keys = async |bed: &Bed| -> Value {
        serde_json::from_str(&bed.secret("files-signing").await["keys.json"]).unwrap()
    };
    let (first, second) = (keys(&bed).await, keys(&thief).await);
    assert_ne!(first["current"]["secret"], second["current"]["secret"]);
    let told = serde_json::to_string(&thief.gateways().get("files").await.unwrap()).unwrap();
    assert!(!told.contains(&bed.namespace), "nobody learns of the other");
}

#[test]
fn no_permission_is_a_wildcard() {
    let chart = crate::chart::chart();
    for set in ["watchNamespaces=null", "watchNamespaces={acme,beta}"] {
        let text = crate::chart::helm(&["template", "x", &chart, "--set", set]);
        for document in text.split("\n---") {
            if document.contains("\nkind: ClusterRole") || document.contains("\nkind: Role") {
                assert!(!document.contains('*'), "{document}");
            }
        }
    }
}
