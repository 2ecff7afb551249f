//! What goes and what stays when a FileGateway is deleted.

use std::time::Duration;

use testbed::journey::client::Client;
use testbed::run::Organization;

use crate::support::{access, eventually, kubectl, object, s3, samples};

/// Applies a FileGateway of its own, uploads through it, deletes it, and returns its bucket.
async fn live_and_die(name: &'static str, manifest: &'static str, node_port: u16) -> String {
    use testbed::journey::Steps;
    use testbed::run::{Reach, apply, describe, issuer, wait_ready};

    let access = access();
    let organization = Organization {
        name,
        manifest,
        node_port,
    };
    let issuer = issuer(&access).unwrap();
    apply(&access, &organization, &issuer).unwrap();
    let gateway = wait_ready(&access, &organization, &Steps::default())
        .await
        .unwrap();
    let url = Reach::NodePort
        .open(&access, &organization, &gateway)
        .await
        .unwrap();
    let gateway = describe(&gateway, url, &issuer).unwrap();
    let client = Client::new(&gateway.url, &gateway.tokens.member).unwrap();
    let samples = samples();
    client
        .upload(&[&samples.film, &samples.document])
        .await
        .unwrap();

    kubectl(&["delete", "fgw", "files", "-n", name, "--timeout=120s"]).unwrap();
    for (kind, child) in [
        ("deployment", "files"),
        ("secret", "files-s3"),
        ("service", "files"),
    ] {
        eventually("the children go", Duration::from_secs(30), async || {
            object(kind, name, child).is_none().then_some(())
        })
        .await;
    }
    kubectl(&["delete", "namespace", name, "--wait=false"]).unwrap();
    gateway.bucket
}

#[tokio::test]
async fn delete_takes_the_bucket_with_all_it_holds() {
    let manifest = include_str!("../../manifests/organizations/initech.yaml");
    let bucket = live_and_die("initech", manifest, 30082).await;
    let gone = s3("storage", "s3-root")
        .head_bucket()
        .bucket(bucket)
        .send()
        .await
        .unwrap_err();
    assert!(gone.into_service_error().is_not_found());
}

#[tokio::test]
async fn retain_keeps_the_bucket_and_its_objects() {
    let manifest = include_str!("../../manifests/organizations/hooli.yaml");
    let bucket = live_and_die("hooli", manifest, 30083).await;
    let listed = s3("storage", "s3-root")
        .list_objects_v2()
        .bucket(bucket)
        .send()
        .await
        .unwrap();
    assert!(listed.contents().len() >= 2, "{:?}", listed.contents());
}
