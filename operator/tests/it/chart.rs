//! The chart's permissions are enough for the operator, and its default class works.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::json;

use crate::backends::{bucket_exists, database_exists, variable};
use crate::bed::{Bed, Operator};

pub fn helm(arguments: &[&str]) -> String {
    let output = Command::new("helm")
        .arg("--kubeconfig")
        .arg(variable("FGW_TEST_KUBECONFIG"))
        .args(arguments)
        .output()
        .expect("helm is on the PATH under `testbed exec`");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "helm {arguments:?}: {error}");
    text
}

/// What helm says when it refuses `arguments`.
pub fn helm_refuses(arguments: &[&str]) -> String {
    let output = Command::new("helm")
        .args(arguments)
        .output()
        .expect("helm is on the PATH under `testbed exec`");
    assert!(!output.status.success(), "helm {arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn chart() -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../charts/filegateway");
    folder.display().to_string()
}

/// The chart's release for a test's namespace, in a namespace of its own.
pub struct Release {
    /// The namespace that it is in, which is its name too.
    pub home: String,
    set: String,
}

impl Release {
    pub async fn install(bed: &Bed) -> Self {
        // Other tests' namespaces are not this operator's.
        Self::install_for(bed, &[&bed.namespace]).await
    }

    /// One that watches `namespaces`, all where there is none.
    pub async fn install_for(bed: &Bed, namespaces: &[&str]) -> Self {
        let home = format!("home-{}", bed.namespace);
        bed.apply_namespace(&home, json!({})).await;
        bed.apply_admin_secrets(&home).await;
        // Other tests' operators don't have it, so none of them finds the class acceptable.
        let key = format!("key-{home}");
        bed.apply_admin_key(&home, &key).await;
        let set = [
            "crds.enabled=false".to_string(),
            "replicas=2".to_string(),
            match namespaces {
                [] => "watchNamespaces=null".to_string(),
                some => format!("watchNamespaces={{{}}}", some.join(",")),
            },
            format!("defaultClass.name={}", bed.class),
            format!(
                "defaultClass.objectStore.endpoint=http://{}",
                bed.s3.address
            ),
            format!("defaultClass.iam.endpoint=http://{}", bed.iam.address),
            format!("defaultClass.database.host={}", bed.postgres.address.ip()),
            format!("defaultClass.database.port={}", bed.postgres.address.port()),
            "defaultClass.database.sslMode=disable".to_string(),
            format!("defaultClass.objectStore.credentialsSecretRef.name={key}"),
            "defaultClass.database.credentialsSecretRef.name=postgres-admin".to_string(),
            "defaultClass.exposure.hosts[0]=acme.example.com".to_string(),
            "defaultClass.exposure.ingress.className=nginx".to_string(),
            "defaultClass.exposure.httpRoute.parentRefs[0].name=public".to_string(),
            "defaultClass.exposure.httpRoute.parentRefs[0].namespace=gateways".to_string(),
            "defaultClass.monitoring.serviceMonitor.labels.release=prometheus".to_string(),
            "defaultClass.networkPolicy.scrapers[0].podSelector.matchLabels.app=prometheus"
                .to_string(),
        ]
        .join(",");
        let release = Self { home, set };
        release.upgrade();
        release
    }

    pub fn upgrade(&self) {
        let Self { home, set } = self;
        let chart = chart();
        helm(&[
            "upgrade",
            "--install",
            home,
            &chart,
            "-n",
            home,
            "--set",
            set,
        ]);
    }

    /// The Secret that the class names for its object store.
    pub fn key(&self) -> String {
        format!("key-{}", self.home)
    }

    /// Name of the operator's ServiceAccount.
    pub fn account(&self) -> String {
        format!("{}-filegateway", self.home)
    }

    /// An operator with the permissions of the release's.
    pub async fn operator(&self, bed: &Bed) -> Operator {
        bed.operator_of(&self.home, &self.account()).await
    }

    /// What `helm test` runs, with the permissions that it has there.
    async fn check(&self, bed: &Bed, patience: Duration) -> Result<String, operator::CheckError> {
        let start = bed.start().await;
        let account = self.account();
        let mut kube = start.kube;
        let name = format!("system:serviceaccount:{}:{account}", self.home);
        kube.auth_info.impersonate = Some(name);
        let config = operator::Config {
            operator_namespace: self.home.clone(),
            gateway_image: "filegateway/gateway:test".into(),
            watched: start.watched,
            pod_name: "test".into(),
            lease_name: account,
            lease_duration: patience / 2,
            health_listen: ([127, 0, 0, 1], 0).into(),
            resync: start.resync,
            secret_delay: start.secret_delay,
            silence: std::time::Duration::from_secs(150),
            log: "info".into(),
        };
        let client = kube::Client::try_from(kube).unwrap();
        operator::check(&config, &client).await
    }

    pub fn uninstall(self) {
        helm(&["uninstall", &self.home, "-n", &self.home]);
    }
}

#[tokio::test]
async fn an_installed_operator_may_do_all_that_it_does() {
    let bed = Bed::new("chart").await;
    let release = Release::install(&bed).await;
    // A second time, as an upgrade: what the first made is taken over.
    release.upgrade();

    let nobody = release.check(&bed, Duration::from_secs(2)).await;
    let nobody = nobody.unwrap_err().to_string();
    assert!(nobody.contains("no operator leads"), "{nobody}");
    let operator = release.operator(&bed).await;
    let scaled = json!({
        "deletionPolicy": "Delete",
        "scaling": {"autoscaling": {"maxReplicas": 3}},
        "exposure": {"host": "acme.example.com"},
    });
    bed.create("files", scaled).await.unwrap();
    let sqlite = json!({"database": {"type": "SQLite"}, "deletionPolicy": "Delete"});
    bed.create("small", sqlite).await.unwrap();
    bed.ready("files").await;
    bed.ready("small").await;
    bed.event("files", "Ready").await;
    let classes = kube::Api::<crds::FileGatewayClass>::all(bed.client.clone());
    bed.until("the class is accepted", async || {
        let status = classes.get(&bed.class).await.unwrap().status?;
        (status.conditions.first()?.status == "True").then_some(())
    })
    .await;

    let works = release.check(&bed, Duration::from_secs(30)).await.unwrap();
    assert!(works.contains(&operator.pod_name), "{works}");

    // What was asked for is made, and taken away again when it is not any more.
    let plain = json!({"spec": {
        "scaling": {"autoscaling": null}, "video": {"enabled": false}, "exposure": null}});
    bed.patch("files", plain).await.unwrap();
    bed.none_left::<HorizontalPodAutoscaler>("files").await;
    bed.none_left::<PodDisruptionBudget>("files").await;
    bed.none_left::<Deployment>("files-worker").await;
    bed.none_left::<Ingress>("files").await;

    let status = bed.status("files").await;
    for name in ["files", "small"] {
        bed.delete(name).await;
        bed.gone(name).await;
        bed.event(name, "Deleted").await;
    }
    bed.class_used_by(&[]).await;
    assert!(!bucket_exists(&status.bucket.unwrap().name).await);
    assert!(!database_exists(&status.database.unwrap().name).await);
    let claim = bed
        .api::<PersistentVolumeClaim>()
        .get_opt("small-catalog")
        .await
        .unwrap();
    assert!(claim.is_none_or(|claim| claim.metadata.deletion_timestamp.is_some()));

    // The Secrets of its own namespace are watched.
    let secrets: Api<Secret> = Api::namespaced(bed.client.clone(), &release.home);
    let key = release.key();
    let gone = secrets.delete(&key, &DeleteParams::default()).await;
    gone.unwrap();
    bed.until("the class is not accepted", async || {
        let status = classes.get(&bed.class).await.unwrap().status?;
        (status.conditions.first()?.reason == "CredentialsNotFound").then_some(())
    })
    .await;
    operator.stop().await;
    release.uninstall();
}

#[test]
fn unknown_values_are_refused() {
    let error = helm_refuses(&["template", "x", &chart(), "--set", "crds.enable=true"]);
    assert!(error.contains("enable"), "{error}");
}

#[test]
fn definitions_stay_by_default_even_with_values_of_an_older_release() {
    for set in ["crds=null", "log=info"] {
        let text = helm(&["template", "x", &chart(), "--set", set]);
        assert_eq!(
            text.matches("kind: CustomResourceDefinition").count(),
            2,
            "{set}"
        );
        assert_eq!(
            text.matches("helm.sh/resource-policy: keep").count(),
            2,
            "{set}"
        );
    }
    let text = helm(&["template", "x", &chart(), "--set", "crds.keep=false"]);
    assert!(!text.contains("resource-policy"));
    let text = helm(&["template", "x", &chart(), "--set", "crds.enabled=false"]);
    assert!(!text.contains("kind: CustomResourceDefinition"));
}

#[test]
fn what_is_asked_for_is_rendered_and_nothing_else() {
    let plain = helm(&["template", "x", &chart()]);
    for kind in ["PodDisruptionBudget", "ServiceMonitor"] {
        assert!(!plain.contains(&format!("kind: {kind}")), "{kind}");
    }
    assert!(!plain.contains("topologySpreadConstraints"));
    let set = "replicas=2,metrics.serviceMonitor.enabled=true";
    let all = helm(&["template", "x", &chart(), "--set", set]);
    for kind in ["PodDisruptionBudget", "ServiceMonitor"] {
        assert!(all.contains(&format!("kind: {kind}")), "{kind}");
    }
    assert!(all.contains("topologySpreadConstraints") && all.contains("replicas: 2"));
    // What a release of before these values was installed with.
    let old = "replicas=null,leaseSeconds=null,secretDelaySeconds=null,metrics=null";
    let text = helm(&["template", "x", &chart(), "--set", old]);
    assert!(text.contains("value: \"15\""), "{text}");
}

#[tokio::test]
async fn the_examples_are_accepted() {
    let bed = Bed::new("examples").await;
    let folder = format!("{}/examples", chart());
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for document in text.split("\n---\n") {
            let mut object: DynamicObject = serde_saphyr::from_str(document).unwrap();
            let kind = object.types.clone().unwrap().kind;
            let resource = match kind.as_str() {
                "FileGateway" => ApiResource::erase::<crds::FileGateway>(&()),
                "FileGatewayClass" => ApiResource::erase::<crds::FileGatewayClass>(&()),
                _ => continue,
            };
            let api: Api<DynamicObject> = if kind == "FileGateway" {
                object.metadata.namespace = Some(bed.namespace.clone());
                Api::namespaced_with(bed.client.clone(), &bed.namespace, &resource)
            } else {
                Api::all_with(bed.client.clone(), &resource)
            };
            let parameters = PatchParams {
                dry_run: true,
                ..PatchParams::apply("test").validation_strict()
            };
            let name = object.name_any();
            let created = api.patch(&name, &parameters, &Patch::Apply(&object)).await;
            assert!(created.is_ok(), "{}: {created:?}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 4);
}
