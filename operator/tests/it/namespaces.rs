//! Operators of several namespaces, and what their account may read and write.

use std::fmt::Debug;
use std::time::Duration;

use crds::{FileGateway, FileGatewayClass, FileGatewayClassStatus};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use operator::Watched;
use serde_json::{Value, json};
use testbed::servers::{Part, Servers};

use crate::backends::{address, user_exists};
use crate::bed::{Bed, Start};
use crate::chart::{Release, chart, helm_refuses};
use crate::proxy::Proxy;

fn secret(name: &str, labels: Value) -> Secret {
    serde_json::from_value(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": labels},
        "stringData": {"a": "b"},
    }))
    .unwrap()
}

/// Labels of what the operator makes for the gateway called `files`.
fn labels() -> Value {
    json!({
        "app.kubernetes.io/managed-by": "filegateway-operator",
        "app.kubernetes.io/instance": "files",
    })
}

/// The message of a refusal.
fn forbidden<T: Debug>(outcome: Result<T, kube::Error>) -> String {
    match outcome {
        Err(kube::Error::Api(status)) if status.code == 403 => status.message.clone(),
        other => panic!("{other:?}"),
    }
}

fn apply() -> PatchParams {
    PatchParams::apply("filegateway-operator").force()
}

/// Nobody has looked after it.
fn untouched(gateway: &FileGateway) -> bool {
    gateway.finalizers().is_empty() && gateway.status.is_none()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_namespaces_are_looked_after_with_what_their_roles_allow() {
    let one = Bed::new("first").await;
    let two = Bed::new("second").await;
    let other = Bed::new("third").await;
    for bed in [&two, &other] {
        bed.apply_class(json!({})).await;
    }
    let release = Release::install_for(&one, &[&one.namespace, &two.namespace]).await;
    let start = one.start_of(&release.home, &release.account()).await;
    let operator = one.operator_as(Start {
        watched: Watched::only([&one.namespace, &two.namespace]),
        ..start
    });
    for bed in [&one, &two, &other] {
        let spec = json!({"deletionPolicy": "Delete"});
        bed.create("files", spec).await.unwrap();
    }
    one.ready("files").await;
    two.ready("files").await;
    assert!(untouched(&other.gateways().get("files").await.unwrap()));

    // What is changed is undone in either.
    for bed in [&one, &two] {
        let maps = bed.api::<ConfigMap>();
        let plain = DeleteParams::default();
        maps.delete("files-gateway", &plain).await.unwrap();
        bed.until("the ConfigMap is there again", async || {
            maps.get_opt("files-gateway").await.unwrap()
        })
        .await;
    }

    let account = format!(
        "system:serviceaccount:{}:{}",
        release.home,
        release.account()
    );
    let client = one.as_user(&account);
    let all = ListParams::default();
    let secrets = |namespace: &str| Api::<Secret>::namespaced(client.clone(), namespace);
    let there = secrets(&other.namespace);
    forbidden(there.get("identity").await);
    forbidden(there.list(&all).await);
    let new = Patch::Apply(secret("new", labels()));
    forbidden(there.patch("new", &apply(), &new).await);
    forbidden(Api::<Secret>::all(client.clone()).list(&all).await);
    let namespaces = Api::<Namespace>::all(client.clone());
    forbidden(namespaces.list(&all).await);
    forbidden(namespaces.get(&other.namespace).await);
    // It is no question of who asks.
    secrets(&two.namespace).get("identity").await.unwrap();
    namespaces.get(&two.namespace).await.unwrap();

    // A namespace that goes loses its Roles before its FileGateways: no controller of namespaces runs here.
    let user = two.status("files").await.bucket.unwrap().user.unwrap();
    let namespaces = Api::<Namespace>::all(one.client.clone());
    let parameters = DeleteParams::default();
    namespaces
        .delete(&two.namespace, &parameters)
        .await
        .unwrap();
    two.all_gone::<RoleBinding>().await;
    two.all_gone::<Role>().await;
    two.until("nothing there may be read", async || {
        secrets(&two.namespace).get("identity").await.err()
    })
    .await;
    for bed in [&two, &one] {
        bed.delete("files").await;
        bed.gone("files").await;
    }
    assert!(!user_exists(&user).await);
    assert!(untouched(&other.gateways().get("files").await.unwrap()));
    one.class_used_by(&[]).await;
    operator.stop().await;
    release.uninstall();
}

/// Everything is listed anew after the API server was away, each namespace by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_list_of_one_namespace_takes_nothing_from_another() {
    let mut servers = Servers::start(&[Part::Kubernetes], None).await.unwrap();
    let kubeconfig = servers.variable("FGW_TEST_KUBECONFIG").unwrap().to_string();
    let one = Bed::at(&kubeconfig, "list-one").await;
    let two = Bed::at(&kubeconfig, "list-two").await;
    one.apply_class(json!({})).await;
    two.apply_class(json!({})).await;
    let mut start = one.start().await;
    let cable = Proxy::to(address(&start.kube.cluster_url.to_string())).await;
    start.kube.cluster_url = format!("https://{}", cable.address).parse().unwrap();
    let operator = one.operator_as(Start {
        watched: Watched::only([&one.namespace, &two.namespace]),
        lease_duration: Duration::from_secs(300),
        ..start
    });
    for (bed, name) in [(&one, "files"), (&two, "files"), (&two, "passing")] {
        bed.create(name, json!({})).await.unwrap();
    }
    for (bed, name) in [(&one, "files"), (&two, "files"), (&two, "passing")] {
        bed.ready(name).await;
    }
    operator.quiet().await;

    cable.cut();
    // Nobody tells the operator of these: the server that it asks next begins with what is there then.
    let maps = two.api::<ConfigMap>();
    let plain = DeleteParams::default();
    maps.delete("files-gateway", &plain).await.unwrap();
    let nothing = json!({"metadata": {"finalizers": null}});
    two.patch("passing", nothing).await.unwrap();
    two.delete("passing").await;
    two.gone("passing").await;
    let apiserver = servers.server("kube-apiserver").unwrap();
    apiserver.crash().unwrap();
    apiserver.start_again().unwrap();
    let answers = async || one.client.apiserver_version().await.is_ok();
    let ready = apiserver.ready(Duration::from_secs(60), answers);
    ready.await.unwrap();
    cable.mend();

    two.until("what went meanwhile is made again", async || {
        maps.get_opt("files-gateway").await.unwrap()
    })
    .await;
    let metrics = || async { operator.get("/metrics").await.unwrap().1 };
    let ready = "filegateway_operator_gateways{ready=\"True\",reason=\"AllReady\"} 2\n";
    one.until("two gateways are known", async || {
        metrics().await.contains(ready).then_some(())
    })
    .await;
    // Both are still looked after.
    for bed in [&one, &two] {
        let more = json!({"spec": {"scaling": {"replicas": 2}}});
        bed.patch("files", more).await.unwrap();
        bed.until("the change is answered", async || {
            let live = bed.gateways().get("files").await.unwrap();
            let seen = live.status.as_ref()?.observed_generation;
            (seen == live.metadata.generation).then_some(())
        })
        .await;
    }
    operator.stop().await;
}

/// In a release for all namespaces, whose account may read and write every Secret by its ClusterRole. The
/// operator itself looks after the test's namespace alone: other tests have their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_of_all_namespaces_writes_its_own_objects_and_no_others() {
    let bed = Bed::new("everywhere").await;
    let release = Release::install_for(&bed, &[]).await;
    let account = format!(
        "system:serviceaccount:{}:{}",
        release.home,
        release.account()
    );
    let secrets: Api<Secret> = Api::namespaced(bed.as_user(&account), &bed.namespace);
    let parameters = DeleteParams::default();

    let create = async |name: &str, labels: Value| {
        let secret = Patch::Apply(secret(name, labels));
        secrets.patch(name, &apply(), &secret).await
    };
    // The API server takes a moment to take up a policy.
    bed.until("the policy holds", async || {
        let outcome = create("stranger", json!({})).await;
        if outcome.is_ok() {
            // By somebody else: it may hold by now.
            let own = bed.api::<Secret>();
            own.delete("stranger", &parameters).await.unwrap();
        }
        outcome.is_err().then_some(())
    })
    .await;
    let message = forbidden(create("stranger", json!({})).await);
    let expected = format!(
        "the labels of a FileGateway: secrets {}/stranger",
        bed.namespace
    );
    assert!(message.contains(&expected), "{message}");
    let half = json!({"app.kubernetes.io/managed-by": "filegateway-operator"});
    forbidden(create("stranger", half).await);
    // Nor what is another's, whatever it would become.
    let message = forbidden(create("identity", labels()).await);
    assert!(message.contains("it has not made"), "{message}");
    let message = forbidden(secrets.delete("identity", &parameters).await);
    assert!(message.contains("it has not made"), "{message}");
    let home: Api<Secret> = Api::namespaced(bed.as_user(&account), &release.home);
    forbidden(home.delete("s3-admin", &parameters).await);
    forbidden(
        home.patch(
            "s3-admin",
            &apply(),
            &Patch::Apply(secret("s3-admin", labels())),
        )
        .await,
    );
    let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "stranger"}})).unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(bed.as_user(&account), &bed.namespace);
    forbidden(maps.create(&PostParams::default(), &map).await);
    // Nor what would give it another account's rights.
    let mut token = secret("token", labels());
    token.type_ = Some("kubernetes.io/service-account-token".into());
    token.metadata.annotations = Some(
        [(
            "kubernetes.io/service-account.name".into(),
            "default".into(),
        )]
        .into(),
    );
    let message = forbidden(secrets.patch("token", &apply(), &Patch::Apply(token)).await);
    assert!(message.contains("type Opaque"), "{message}");
    let pods = |account: &str| {
        let selector = json!({"app": "x"});
        Patch::Apply(json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "pods", "labels": labels()},
            "spec": {"replicas": 0, "selector": {"matchLabels": selector}, "template": {
                "metadata": {"labels": selector},
                "spec": {"serviceAccountName": account, "containers": [{"name": "a", "image": "a"}]},
            }},
        }))
    };
    let deployments: Api<Deployment> = Api::namespaced(bed.as_user(&account), &bed.namespace);
    let message = forbidden(deployments.patch("pods", &apply(), &pods("default")).await);
    assert!(message.contains("ServiceAccount"), "{message}");
    deployments
        .patch("pods", &apply(), &pods("files"))
        .await
        .unwrap();
    deployments.delete("pods", &parameters).await.unwrap();
    // Others are not concerned.
    bed.apply_secret(&bed.namespace, "stranger", json!({"a": "b"}))
        .await;

    // All that the operator does is allowed, and so is to give back the labels that a child has lost.
    let operator = release.operator(&bed).await;
    let everything = json!({
        "deletionPolicy": "Delete",
        "scaling": {"autoscaling": {"maxReplicas": 3}},
        "exposure": {"host": "acme.example.com"},
    });
    bed.create("files", everything).await.unwrap();
    bed.create(
        "small",
        json!({"database": {"type": "SQLite"}, "deletionPolicy": "Delete"}),
    )
    .await
    .unwrap();
    bed.ready("files").await;
    bed.ready("small").await;
    let own = bed.api::<ConfigMap>();
    let bare = Patch::Merge(json!({"metadata": {"labels": null}}));
    let plain = PatchParams::default();
    own.patch("files-gateway", &plain, &bare).await.unwrap();
    bed.until("the labels are there again", async || {
        let found = own.get("files-gateway").await.unwrap();
        (found.labels().len() >= 3).then_some(())
    })
    .await;
    for name in ["files", "small"] {
        bed.delete(name).await;
        bed.gone(name).await;
    }
    bed.class_used_by(&[]).await;
    operator.stop().await;
    release.uninstall();
}

/// Two releases for a namespace each, of which only the first has the Secrets that the class names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_that_share_a_class_protect_it_and_leave_each_others_word_alone() {
    let one = Bed::new("share-one").await;
    let two = Bed::new("share-two").await;
    let release = Release::install(&one).await;
    let classes = Api::<FileGatewayClass>::all(one.client.clone());
    let elsewhere = format!("home-{}", two.namespace);
    two.apply_namespace(&elsewhere, json!({})).await;
    let here = release.operator(&one).await;
    one.create("files", json!({"deletionPolicy": "Delete"}))
        .await
        .unwrap();
    one.ready("files").await;
    let own = format!("{}/{}", release.home, release.account());
    one.class_used_by(&[&own]).await;

    let there = two.operator_as(Start {
        home: elsewhere.clone(),
        watched: Watched::only([&two.namespace]),
        ..two.start().await
    });
    let other = format!("{elsewhere}/lease-{}", two.namespace);
    let foreign = json!({"className": one.class, "deletionPolicy": "Delete"});
    two.create("files", foreign).await.unwrap();
    one.class_used_by(&[&own, &other]).await;
    there.quiet().await;
    here.quiet().await;
    let version = async || classes.get(&one.class).await.unwrap().resource_version();
    let before = version().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(version().await, before, "nobody writes");
    let status = classes.get(&one.class).await.unwrap().status.unwrap();
    assert_eq!(status.accepted_by.as_ref(), Some(&own));
    let accepted = |status: &FileGatewayClassStatus| {
        let mut conditions = status.conditions.iter();
        conditions.any(|one| one.type_ == "Accepted" && one.status == "True")
    };
    assert!(accepted(&status));

    // The second takes over what the first can't vouch for any more.
    let key = release.key();
    two.apply_admin_secrets(&elsewhere).await;
    two.apply_admin_key(&elsewhere, &key).await;
    let secrets: Api<Secret> = Api::namespaced(one.client.clone(), &release.home);
    let parameters = DeleteParams::default();
    secrets.delete(&key, &parameters).await.unwrap();
    one.until("the second vouches for the class", async || {
        let status = classes.get(&one.class).await.unwrap().status.unwrap();
        (status.accepted_by.as_ref() == Some(&other) && accepted(&status)).then_some(())
    })
    .await;
    one.apply_admin_key(&release.home, &key).await;

    // It stays for as long as the operator of the chart has a gateway of it.
    let message = one.until("the policy holds", async || {
        let dry = DeleteParams {
            dry_run: true,
            ..DeleteParams::default()
        };
        let outcome = classes.delete(&one.class, &dry).await;
        outcome.is_err().then(|| forbidden(outcome))
    });
    let message = message.await;
    assert!(message.contains("is in use"), "{message}");
    one.delete("files").await;
    one.gone("files").await;
    one.class_used_by(&[&other]).await;
    two.delete("files").await;
    two.gone("files").await;
    one.class_used_by(&[]).await;
    here.stop().await;
    there.stop().await;
    one.delete_class().await;
    release.uninstall();
}

#[test]
fn values_say_which_namespaces_in_one_way() {
    let refused = |arguments: &[&str]| {
        let chart = chart();
        helm_refuses(&[&["template", "x", &chart], arguments].concat())
    };
    let message = refused(&["--set", "watchNamespace=acme"]);
    assert!(
        message.contains("write watchNamespaces: [acme]"),
        "{message}"
    );
    for wrong in ["[\"acme\",\"acme\"]", "[\"Acme\"]", "[\"\"]", "\"acme\""] {
        let set = format!("watchNamespaces={wrong}");
        let message = refused(&["--set-json", &set]);
        assert!(message.contains("/watchNamespaces"), "{wrong}: {message}");
    }
}
