//! Servers that are taken away while gateways are made and their keys replaced: conditions say which one is
//! missing and show no secret, and all comes right by itself when it is back.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::ListParams;
use operator::RunError;
use serde_json::{Value, json};
use testbed::servers::{Part, Servers};

use crate::backends::variable;
use crate::bed::{Bed, Start};
use crate::life::{ask_for_rotation, complete, inventory, rotated};
use crate::proxy::Proxy;

/// How long they are away: long enough for a Lease to be lost, and for half a minute between two tries.
const AWAY: Duration = Duration::from_secs(60);

/// What must never be read in a status.
async fn secrets(bed: &Bed) -> Vec<String> {
    let mut all = vec![
        variable("FGW_TEST_S3_SECRET_KEY"),
        crate::backends::postgres_login().1,
    ];
    let found = bed.api::<Secret>().list(&ListParams::default()).await;
    for secret in found.unwrap() {
        for (key, value) in secret.data.unwrap_or_default() {
            let text = String::from_utf8(value.0).unwrap();
            match key.as_str() {
                "access-key-id" => {}
                "url" => all.push(text.split([':', '@']).nth(2).unwrap().into()),
                "keys.json" => {
                    let keys: Value = serde_json::from_str(&text).unwrap();
                    let secrets = [&keys["current"], &keys["previous"]];
                    let secrets = secrets.into_iter().filter_map(|key| key["secret"].as_str());
                    all.extend(secrets.map(str::to_string));
                }
                _ => all.push(text),
            }
        }
    }
    assert!(all.iter().all(|secret| secret.len() >= 8));
    all
}

/// Statuses and events as text, seen again and again until `end`, once at least.
async fn observe(bed: &Bed, end: Instant) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        for gateway in bed.gateways().list(&ListParams::default()).await.unwrap() {
            let events = bed.events(&gateway.name_any()).await;
            seen.push(serde_json::to_string(&gateway.status).unwrap());
            seen.push(serde_json::to_string(&events).unwrap());
        }
        if Instant::now() >= end {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Takes away what `proxy` leads to. `broken` are the conditions that say so, `sound` those that hold for a
/// gateway that is made meanwhile.
async fn outage(
    test: &str,
    proxy: impl Fn(&Bed) -> &Proxy,
    server: &str,
    broken: &str,
    sound: [&str; 2],
) {
    let (bed, _operator) = Bed::with_operator(test).await;
    let old = bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    let before = inventory(&bed, "files", &old.uid().unwrap()).await;
    let mut hidden = secrets(&bed).await;

    proxy(&bed).cut();
    let end = Instant::now() + AWAY;
    ask_for_rotation(&bed, "files", "now").await;
    bed.create("other", json!({})).await.unwrap();
    for gateway in ["files", "other"] {
        let reason = "BackendUnreachable";
        let message = bed.condition(gateway, broken, "False", reason).await;
        assert!(message.contains(server), "{message}");
        let message = bed.condition(gateway, "Ready", "False", reason).await;
        assert!(message.contains(server), "{message}");
    }
    for condition in sound {
        bed.until(condition, async || {
            let conditions = bed.status("other").await.conditions;
            let found = conditions.iter().find(|c| c.type_ == condition)?;
            (found.status == "True").then_some(())
        })
        .await;
    }
    hidden.extend(secrets(&bed).await);
    let seen = observe(&bed, end).await;
    proxy(&bed).mend();

    for gateway in ["other", "files"] {
        bed.recovered(gateway, broken).await;
    }
    bed.ready("other").await;
    rotated(&bed, "files", "now").await;
    bed.condition("files", "Ready", "True", "AllReady").await;
    let after = inventory(&bed, "files", &old.uid().unwrap()).await;
    assert_eq!(after.buckets, before.buckets);
    assert_eq!(after.users, before.users);
    assert_eq!(after.databases, before.databases);
    complete(&bed, "files", &after).await;
    hidden.extend(secrets(&bed).await);
    let seen = [seen, observe(&bed, Instant::now()).await].concat();
    assert!(seen.iter().any(|text| text.contains(server)));
    for text in &seen {
        assert!(!hidden.iter().any(|secret| text.contains(secret)), "{text}");
    }
}

/// In one test, so that the three minutes pass at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_may_go_away_while_gateways_are_made_and_keys_replaced() {
    let s3 = async {
        let sound = ["DatabaseReady", "SigningKeyReady"];
        outage("away-s3", |bed| &bed.s3, "S3 server", "BucketReady", sound).await;
    };
    let iam = async {
        let sound = ["BucketReady", "DatabaseReady"];
        let broken = "CredentialsReady";
        outage("away-iam", |bed| &bed.iam, "IAM server", broken, sound).await;
    };
    let postgresql = async {
        let sound = ["BucketReady", "CredentialsReady"];
        let (server, broken) = ("PostgreSQL server", "DatabaseReady");
        outage("away-pg", |bed| &bed.postgres, server, broken, sound).await;
    };
    tokio::join!(s3, iam, postgresql);
}

/// On an API server of its own, which other tests do not miss.
#[tokio::test]
async fn the_api_server_may_go_away_while_gateways_are_made_and_keys_replaced() {
    let mut servers = Servers::start(&[Part::Kubernetes], None).await.unwrap();
    let kubeconfig = servers.variable("FGW_TEST_KUBECONFIG").unwrap().to_string();
    let bed = Bed::at(&kubeconfig, "away-api").await;
    bed.apply_class(json!({})).await;
    // As the kubelet does: an operator that could not renew its Lease ends, and is started again.
    let kubelet = async {
        loop {
            let mut operator = bed.operator_as(Start {
                secret_delay: Duration::ZERO,
                lease_duration: Duration::from_secs(9),
                ..bed.start().await
            });
            let Err(RunError::NotLeader(_)) = operator.over().await else {
                panic!("the operator ended, and nobody asked it to");
            };
        }
    };
    tokio::select! {
        () = kubelet => {}
        () = without_its_api_server(&bed, &mut servers) => {}
    }
}

async fn without_its_api_server(bed: &Bed, servers: &mut Servers) {
    let old = bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;

    // The first is a restart, which the operator outlives.
    for (name, after, away) in [("second", 400, AWAY / 20), ("third", 700, AWAY)] {
        ask_for_rotation(bed, "files", name).await;
        let new = bed.create(name, json!({})).await.unwrap();
        tokio::time::sleep(Duration::from_millis(after)).await;
        let apiserver = servers.server("kube-apiserver").unwrap();
        apiserver.crash().unwrap();
        tokio::time::sleep(away).await;
        apiserver.start_again().unwrap();
        let answers = async || bed.client.apiserver_version().await.is_ok();
        apiserver
            .ready(Duration::from_secs(60), answers)
            .await
            .unwrap();

        bed.ready(name).await;
        rotated(bed, "files", name).await;
        bed.condition("files", "Ready", "True", "AllReady").await;
        for (name, gateway) in [("files", &old), (name, &new)] {
            let found = inventory(bed, name, &gateway.uid().unwrap()).await;
            complete(bed, name, &found).await;
        }
    }
}
