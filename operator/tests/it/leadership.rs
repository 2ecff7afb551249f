//! Of two operators beside each other one works, and the other when the first is gone.

use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use operator::RunError;
use operator::leader::Lost;
use serde_json::json;

use crate::backends::address;
use crate::bed::{Bed, Operator, SYSTEM, Start};
use crate::proxy::Proxy;

async fn leads(bed: &Bed, operator: &Operator) {
    let leases: Api<Lease> = Api::namespaced(bed.client.clone(), SYSTEM);
    let name = format!("lease-{}", bed.namespace);
    bed.until("it leads", async || {
        let lease = leases.get_opt(&name).await.unwrap()?;
        let holder = lease.spec?.holder_identity?;
        (holder == operator.pod_name).then_some(())
    })
    .await;
}

async fn stands_by(bed: &Bed, operator: &Operator) {
    bed.until("it stands by", async || {
        let (status, _) = operator.get("/readyz").await?;
        let (_, metrics) = operator.get("/metrics").await?;
        (status == 200 && metrics.contains("filegateway_operator_leader 0\n")).then_some(())
    })
    .await;
}

/// A gateway of the first, which leads, and a second that stands by.
async fn two(bed: &Bed, lease: Duration, first: Start) -> (Operator, Operator) {
    bed.apply_class(json!({})).await;
    let first = bed.operator_as(Start {
        lease_duration: lease,
        ..first
    });
    leads(bed, &first).await;
    let second = bed.operator_as(Start {
        lease_duration: lease,
        ..bed.start().await
    });
    stands_by(bed, &second).await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    (first, second)
}

/// The second has taken over, and nothing that the first did came after that.
async fn took_over(bed: &Bed, first: &Operator, second: &Operator) {
    bed.patch("files", json!({"spec": {"scaling": {"replicas": 3}}}))
        .await
        .unwrap();
    let api = bed.api::<Deployment>();
    bed.until("three replicas", async || {
        let replicas = api.get("files").await.unwrap().spec.unwrap().replicas;
        (replicas == Some(3)).then_some(())
    })
    .await;
    let ((_, last), (begin, _)) = (first.worked().unwrap(), second.worked().unwrap());
    assert!(last < begin, "two worked at once");
}

#[tokio::test]
async fn an_operator_that_stops_hands_over_at_once() {
    let bed = Bed::new("handover").await;
    let lease = Duration::from_secs(60);
    let (mut first, second) = two(&bed, lease, bed.start().await).await;
    let began = Instant::now();
    first.begin_to_stop();
    leads(&bed, &second).await;
    let took = began.elapsed();
    println!("the second leads {took:?} after the first was told to stop");
    assert!(took < lease / 2, "it waited for the end of the Lease");
    first.ended().await.unwrap();
    took_over(&bed, &first, &second).await;
    second.stop().await;
}

#[tokio::test]
async fn an_operator_that_is_killed_is_succeeded_when_its_lease_ends() {
    let bed = Bed::new("killed").await;
    let lease = Duration::from_secs(4);
    let (mut first, second) = two(&bed, lease, bed.start().await).await;
    let began = Instant::now();
    first.kill().await;
    leads(&bed, &second).await;
    let took = began.elapsed();
    println!("the second leads {took:?} after the first was killed, with a Lease of {lease:?}");
    // The last renewal was no longer ago than that.
    assert!(took > lease / 2, "it did not wait for the end of the Lease");
    took_over(&bed, &first, &second).await;
    second.stop().await;
}

#[tokio::test]
async fn an_operator_that_is_cut_off_stops_before_another_begins() {
    let bed = Bed::new("cutoff").await;
    let mut start = bed.start().await;
    let url = start.kube.cluster_url.to_string();
    let cable = Proxy::to(address(&url)).await;
    start.kube.cluster_url = format!("https://{}", cable.address).parse().unwrap();
    let (mut first, second) = two(&bed, Duration::from_secs(6), start).await;
    cable.cut();
    let error = first.ended().await.unwrap_err();
    assert!(
        matches!(error, RunError::NotLeader(Lost::NotRenewed(_))),
        "{error}"
    );
    let ended = Instant::now();
    leads(&bed, &second).await;
    took_over(&bed, &first, &second).await;
    assert!(ended < second.worked().unwrap().0);
    second.stop().await;
}

#[tokio::test]
async fn a_lease_that_somebody_else_takes_ends_the_operator() {
    let bed = Bed::new("robbed").await;
    let mut first = bed.operator_as(Start {
        lease_duration: Duration::from_secs(3),
        ..bed.start().await
    });
    leads(&bed, &first).await;
    let leases: Api<Lease> = Api::namespaced(bed.client.clone(), SYSTEM);
    let theirs = json!({"spec": {"holderIdentity": "somebody"}});
    leases
        .patch(
            &format!("lease-{}", bed.namespace),
            &kube::api::PatchParams::default(),
            &kube::api::Patch::Merge(&theirs),
        )
        .await
        .unwrap();
    let error = first.ended().await.unwrap_err();
    let taken = Lost::Taken("somebody".into());
    assert!(
        matches!(&error, RunError::NotLeader(lost) if *lost == taken),
        "{error}"
    );
}
