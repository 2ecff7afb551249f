//! Ways to a gateway from outside of the cluster.

use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::backends::user_exists;
use crate::bed::Bed;

#[tokio::test]
async fn an_ingress_leads_to_the_service() {
    let (bed, operator) = Bed::with_operator("ingress").await;
    let rules = json!({"className": "nginx", "clusterIssuer": "letsencrypt",
        "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "0"}});
    let hosts = json!(["{namespace}.files.example.com"]);
    bed.apply_class(json!({"exposure": {"hosts": hosts, "ingress": rules}}))
        .await;
    let host = format!("{}.files.example.com", bed.namespace);
    bed.create("files", json!({"exposure": {"host": host}}))
        .await
        .unwrap();
    let files = bed.ready("files").await;
    let address = files.status.unwrap().address;
    assert_eq!(address, Some(format!("https://{host}")));
    let ingresses = bed.api::<Ingress>();
    let found = ingresses.get("files").await.unwrap();
    let annotations = found.metadata.annotations.unwrap();
    assert_eq!(annotations["cert-manager.io/cluster-issuer"], "letsencrypt");
    assert_eq!(
        annotations["nginx.ingress.kubernetes.io/proxy-body-size"],
        "0"
    );
    let spec = found.spec.unwrap();
    assert_eq!(spec.ingress_class_name.as_deref(), Some("nginx"));
    let tls = spec.tls.unwrap();
    assert_eq!(tls[0].secret_name.as_deref(), Some("files-tls"));

    operator.quiet().await;
    let wrong = json!({"spec": {"rules": [{"host": "evil.example.com"}]}});
    ingresses
        .patch("files", &PatchParams::default(), &Patch::Merge(&wrong))
        .await
        .unwrap();
    bed.until("the host again", async || {
        let spec = ingresses.get("files").await.unwrap().spec?;
        (spec.rules?.first()?.host.as_deref() == Some(&host)).then_some(())
    })
    .await;

    let hidden = json!({"spec": {"exposure": null}});
    bed.patch("files", hidden).await.unwrap();
    bed.none_left::<Ingress>("files").await;
    bed.condition("files", "RouteReady", "True", "NotRequested")
        .await;
    let address = bed.status("files").await.address.unwrap();
    assert!(address.ends_with(".svc"), "{address}");
}

#[tokio::test]
async fn only_what_the_class_offers_can_be_asked_for() {
    let (bed, _operator) = Bed::with_operator("offers").await;
    bed.create("files", json!({"exposure": {"host": "a.example.com"}}))
        .await
        .unwrap();
    let message = bed
        .condition("files", "Accepted", "False", "InvalidSpec")
        .await;
    assert!(message.contains("offers no Ingress"), "{message}");
    let exposure = json!({"hosts": ["*.files.example.com"], "ingress": {}});
    bed.apply_class(json!({"exposure": exposure})).await;
    let message = bed
        .condition("files", "Accepted", "False", "NotAllowedByClass")
        .await;
    assert!(message.contains("*.files.example.com"), "{message}");
    let host = json!({"spec": {"exposure": {"host": "a.files.example.com"}}});
    bed.patch("files", host).await.unwrap();
    bed.condition("files", "RouteReady", "True", "RouteAccepted")
        .await;
    let address = bed.status("files").await.address;
    assert_eq!(address.as_deref(), Some("http://a.files.example.com"));
}

#[tokio::test]
async fn a_class_that_names_no_hosts_allows_none() {
    let bed = Bed::new("nohosts").await;
    let refused = bed.try_class(json!({"exposure": {"ingress": {}}})).await;
    let message = refused.unwrap_err().to_string();
    for part in ["spec.exposure.hosts: write", "{namespace}.", "\"*\""] {
        assert!(message.contains(part), "{message}");
    }
    let route =
        json!({"hosts": [], "httpRoute": {"parentRefs": [{"name": "a", "namespace": "b"}]}});
    assert!(bed.try_class(json!({"exposure": route})).await.is_err());
    let everything = json!({"hosts": ["*"], "ingress": {}});
    bed.apply_class(json!({"exposure": everything})).await;
    let _operator = bed.operator(std::time::Duration::from_secs(600)).await;
    bed.create("files", json!({"exposure": {"host": "any.example.com"}}))
        .await
        .unwrap();
    bed.condition("files", "Accepted", "True", "Accepted").await;
}

#[tokio::test]
async fn a_host_is_one_gateways_until_that_gives_it_up() {
    let (bed, _operator) = Bed::with_operator("onehost").await;
    bed.apply_class(json!({"exposure": {"hosts": ["*"], "ingress": {}}}))
        .await;
    let ingresses = bed.api::<Ingress>();
    let host = async |name: &str| {
        let spec = ingresses.get(name).await.unwrap().spec?;
        spec.rules?.first()?.host.clone()
    };
    for (name, host) in [("older", "a.example.com"), ("younger", "b.example.com")] {
        bed.create(name, json!({"exposure": {"host": host}}))
            .await
            .unwrap();
        bed.condition(name, "RouteReady", "True", "RouteAccepted")
            .await;
    }

    // Its age gives nobody what another has.
    let same = json!({"spec": {"exposure": {"host": "b.example.com"}}});
    bed.patch("older", same).await.unwrap();
    let message = bed
        .condition("older", "Accepted", "False", "HostConflict")
        .await;
    assert!(message.contains("b.example.com"), "{message}");
    assert!(
        !message.contains("younger") && !message.contains(&bed.namespace),
        "{message}"
    );
    assert_eq!(host("older").await.as_deref(), Some("a.example.com"));
    bed.condition("younger", "Accepted", "True", "Accepted")
        .await;

    let other = json!({"spec": {"exposure": {"host": "c.example.com"}}});
    bed.patch("younger", other).await.unwrap();
    bed.until("the host is the other's", async || {
        (host("older").await.as_deref() == Some("b.example.com")).then_some(())
    })
    .await;
    bed.condition("older", "Accepted", "True", "Accepted").await;

    // What was left behind can be had, and what goes leaves its own.
    bed.create("third", json!({"exposure": {"host": "b.example.com"}}))
        .await
        .unwrap();
    bed.condition("third", "Accepted", "False", "HostConflict")
        .await;
    bed.delete("older").await;
    bed.gone("older").await;
    bed.condition("third", "Accepted", "True", "Accepted").await;
    // Nobody collects garbage here.
    assert!(ingresses.get_opt("older").await.unwrap().is_none());
}

#[tokio::test]
async fn a_host_is_nobody_elses_while_something_leads_from_there() {
    let (bed, _operator) = Bed::with_operator("slowhost").await;
    bed.apply_class(json!({"exposure": {"hosts": ["*"], "ingress": {}}}))
        .await;
    let ingresses = bed.api::<Ingress>();
    let host = async |name: &str| {
        let spec = ingresses.get_opt(name).await.unwrap()?.spec?;
        spec.rules?.first()?.host.clone()
    };
    let exposed = |host: &str| json!({"exposure": {"host": host}});
    bed.create("first", exposed("a.example.com")).await.unwrap();
    bed.ready("first").await;
    bed.create("second", exposed("a.example.com"))
        .await
        .unwrap();
    bed.condition("second", "Accepted", "False", "HostConflict")
        .await;

    // The pass over the first writes its intent, and waits for a server before it comes to the way in.
    bed.s3.hang();
    let other = json!({"spec": exposed("b.example.com")});
    bed.patch("first", other).await.unwrap();
    bed.until("it is known what is intended", async || {
        let address = bed.status("first").await.address?;
        address.ends_with("b.example.com").then_some(())
    })
    .await;
    for _ in 0..6 {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        let both = (host("first").await, host("second").await);
        assert_eq!(both, (Some("a.example.com".into()), None));
    }
    assert_eq!(
        bed.status("first").await.hosts,
        ["a.example.com", "b.example.com"]
    );
    bed.s3.mend();
    bed.until("each has its own", async || {
        let both = (host("first").await?, host("second").await?);
        (both == ("b.example.com".into(), "a.example.com".into())).then_some(())
    })
    .await;
    bed.until("the former is forgotten", async || {
        (bed.status("first").await.hosts == ["b.example.com"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_host_is_held_while_its_ingress_is_on_its_way_out() {
    let (bed, _operator) = Bed::with_operator("heldhost").await;
    bed.apply_class(json!({"exposure": {"hosts": ["*"], "ingress": {}}}))
        .await;
    let ingresses = bed.api::<Ingress>();
    let finalizers = async |name: &str, finalizers: &[&str]| {
        let patch = json!({"metadata": {"finalizers": finalizers}});
        ingresses
            .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
    };
    let balancer = ["example.com/balancer"];
    let exposed = json!({"exposure": {"host": "a.example.com"}});
    bed.create("first", exposed.clone()).await.unwrap();
    bed.ready("first").await;
    finalizers("first", &balancer).await;
    bed.create("second", exposed).await.unwrap();
    bed.condition("second", "Accepted", "False", "HostConflict")
        .await;

    let hidden = json!({"spec": {"exposure": null}});
    bed.patch("first", hidden).await.unwrap();
    bed.condition("first", "RouteReady", "True", "NotRequested")
        .await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(bed.status("first").await.hosts, ["a.example.com"]);
    assert!(ingresses.get_opt("second").await.unwrap().is_none());
    finalizers("first", &[]).await;
    bed.condition("second", "RouteReady", "True", "RouteAccepted")
        .await;

    // So it is with one that is deleted, whose key does not wait for that.
    let user = bed.status("second").await.bucket.unwrap().user.unwrap();
    finalizers("second", &balancer).await;
    bed.delete("second").await;
    let message = bed
        .condition("second", "Ready", "False", "Terminating")
        .await;
    for part in ["Ingress", "release-external=true"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(!user_exists(&user).await);
    finalizers("second", &[]).await;
    bed.gone("second").await;
    // What became of the rest was told once, when it was done.
    for (event, what) in [("Deleted", "S3 user"), ("Retained", "kept bucket")] {
        let events = bed.events("second").await.into_iter();
        let mut found = events.filter(|found| found.reason.as_deref() == Some(event));
        let note = found
            .next()
            .and_then(|found| found.note)
            .unwrap_or_default();
        assert!(note.contains(what) && !note.contains("tag"), "{note}");
        assert!(found.next().is_none(), "{event}");
    }
}

#[tokio::test]
async fn hosts_are_not_collected_behind_a_strangers_ingress() {
    let (bed, _operator) = Bed::with_operator("manyhosts").await;
    bed.apply_class(json!({"exposure": {"hosts": ["*"], "ingress": {}}}))
        .await;
    bed.strangers_ingress("files").await;
    for host in ["a.example.com", "b.example.com", "c.example.com"] {
        let exposed = json!({"exposure": {"host": host}});
        if bed.gateways().get_opt("files").await.unwrap().is_none() {
            bed.create("files", exposed).await.unwrap();
        } else {
            bed.patch("files", json!({"spec": exposed})).await.unwrap();
        }
        bed.until("it is refused and has no other", async || {
            let status = bed.status("files").await;
            let route = status
                .conditions
                .iter()
                .find(|it| it.type_ == "RouteReady")?;
            (route.reason == "ObjectNotOwned" && status.hosts == [host]).then_some(())
        })
        .await;
    }
    let found = bed.api::<Ingress>().get("files").await.unwrap();
    assert_eq!(found.metadata.labels, None, "it is left alone");
}
