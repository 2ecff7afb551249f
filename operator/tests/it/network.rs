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
