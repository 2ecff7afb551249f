//! Pausing: an annotation that the operator looks at first.

use operator::meta::PAUSED_ANNOTATION;
use serde_json::json;

use crate::cluster::Cluster;

/// Pauses or resumes the gateway called `name`.
pub async fn set(cluster: &Cluster, name: &str, paused: bool) -> anyhow::Result<()> {
    cluster.gateway(name).await?;
    let value = paused.then_some("true");
    cluster
        .annotate(name, json!({ PAUSED_ANNOTATION: value }))
        .await?;
    let namespace = &cluster.namespace;
    if paused {
        println!(
            "{namespace}/{name} is paused: its pods go on, and the operator changes nothing until \
             `kubectl fgw resume {name} -n {namespace}`"
        );
    } else {
        println!("{namespace}/{name} is looked after again");
    }
    Ok(())
}
