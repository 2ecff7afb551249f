//! Whom pods may talk to.

use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::bed::Bed;

#[tokio::test]
async fn a_policy_denies_what_is_not_named_and_stays_so() {
    let (bed, operator) = Bed::with_operator("policy").await;
    bed.create("files", json!({})).await.unwrap();
    bed.ready("files").await;
    operator.quiet().await;
    let policies = bed.api::<NetworkPolicy>();
    let before = policies.get("files").await.unwrap().spec.unwrap();
    assert_eq!(
        before.policy_types,
        Some(vec!["Ingress".into(), "Egress".into()])
    );
    // Servers of these tests have IP addresses; the shared secret needs no issuer.
    let egress = serde_json::to_value(&before.egress).unwrap();
    let address = json!([{"ipBlock": {"cidr": "127.0.0.1/32"}}]);
    assert_eq!(egress.as_array().unwrap().len(), 3, "{egress}");
    assert_eq!(egress[0]["ports"][0]["port"], 53);
    for (rule, server) in [(1, &bed.s3), (2, &bed.postgres)] {
        assert_eq!(egress[rule]["to"], address);
        assert_eq!(egress[rule]["ports"][0]["port"], server.address.port());
    }

    let open = json!({"spec": {"egress": [{}], "ingress": [{}]}});
    policies
        .patch("files", &PatchParams::default(), &Patch::Merge(&open))
        .await
        .unwrap();
    bed.until("the policy again", async || {
        let now = policies.get("files").await.unwrap().spec;
        (now.as_ref() == Some(&before)).then_some(())
    })
    .await;

    // The platform team opens it, or does without.
    let scrapers = json!([{"namespaceSelector": {}}]);
    bed.apply_class(json!({"networkPolicy": {"scrapers": scrapers}}))
        .await;
    bed.until("metrics are allowed", async || {
        let ingress = policies.get("files").await.unwrap().spec?.ingress?;
        (ingress.len() == 2).then_some(())
    })
    .await;
    bed.apply_class(json!({"networkPolicy": {"enabled": false}}))
        .await;
    bed.none_left::<NetworkPolicy>("files").await;
}

/// The address is the tenant's, and so would be the hole in the policy.
#[tokio::test]
async fn a_tenant_opens_no_way_to_anothers_namespace() {
    let (bed, _operator) = Bed::with_operator("egress").await;
    let issuer = |host: &str| {
        let url = format!("https://{host}");
        json!({"auth": {"secretRef": null, "issuer": url}})
    };
    let egress = async || {
        let policy = bed.api::<NetworkPolicy>().get_opt("files").await.unwrap()?;
        let rules = serde_json::to_value(policy.spec?.egress).unwrap();
        rules.as_array().cloned()
    };
    let foreign = "keycloak.kube-system.svc";
    bed.create("files", issuer(foreign)).await.unwrap();
    let refused = bed
        .condition("files", "Accepted", "False", "NotAllowedByClass")
        .await;
    for part in [
        "spec.auth.issuer",
        "kube-system",
        "networkPolicy.egress.issuer",
    ] {
        assert!(refused.contains(part), "{refused}");
    }
    assert_eq!(egress().await, None);

    let own = format!("keycloak.{}.svc", bed.namespace);
    bed.patch("files", json!({"spec": issuer(&own)}))
        .await
        .unwrap();
    bed.ready("files").await;
    let rules = egress().await.unwrap();
    assert!(
        rules.contains(&json!({"to": [{"podSelector": {}}]})),
        "{rules:?}"
    );

    // Refused again, it goes on as it was; with the class's word it may.
    bed.patch("files", json!({"spec": issuer(foreign)}))
        .await
        .unwrap();
    bed.condition("files", "Accepted", "False", "NotAllowedByClass")
        .await;
    assert_eq!(egress().await.unwrap(), rules);
    let system = json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}]);
    let named = json!({"to": system, "ports": [8443]});
    bed.apply_class(json!({"networkPolicy": {"egress": {"issuer": named}}}))
        .await;
    let rule = json!({"to": system, "ports": [{"protocol": "TCP", "port": 8443}]});
    bed.until("the class's rule", async || {
        egress().await?.contains(&rule).then_some(())
    })
    .await;
}
