//! From what a tenant asks for and what the class offers to a way into the cluster. Pure.

use std::collections::BTreeMap;

use crds::conditions::reason;
use crds::{ExposureRules, ExposureSpec, ExposureType, ParentReference};

use crate::meta::{Owner, tls_secret_name};

/// A way into the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// The host name that requests come with.
    pub host: String,
    /// Whether they come over TLS.
    pub tls: bool,
    /// What leads in.
    pub route: Route,
}

/// What leads in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// An Ingress.
    Ingress {
        /// Its IngressClass.
        class: Option<String>,
        /// Its annotations.
        annotations: BTreeMap<String, String>,
        /// The Secret with the host's certificate.
        tls_secret: Option<String>,
    },
    /// An HTTPRoute.
    HttpRoute {
        /// The Gateways that it is attached to.
        parents: Vec<ParentReference>,
    },
}

/// The way in for `spec`, or the condition's reason and message why there is none.
pub fn expose(
    spec: &ExposureSpec,
    rules: &ExposureRules,
    class_name: &str,
    owner: &Owner,
) -> Result<Exposure, (&'static str, String)> {
    let not_offered = |kind: &str, field: &str| {
        (
            reason::INVALID_SPEC,
            format!(
                "FileGatewayClass {class_name} offers no {kind}: give it spec.exposure.{field}, \
                 choose another spec.exposure.type, or leave spec.exposure out"
            ),
        )
    };
    let exposure = match spec.type_ {
        ExposureType::Ingress => {
            let rules = rules
                .ingress
                .as_ref()
                .ok_or_else(|| not_offered("Ingress", "ingress"))?;
            let mut annotations = rules.annotations.clone();
            let tls_secret = match (&spec.tls_secret_ref, &rules.cluster_issuer) {
                (Some(secret), _) => Some(secret.name.clone()),
                (None, Some(issuer)) => {
                    let key = "cert-manager.io/cluster-issuer".to_string();
                    annotations.insert(key, issuer.clone());
                    Some(tls_secret_name(&owner.name))
                }
                (None, None) => None,
            };
            Exposure {
                host: spec.host.clone(),
                tls: tls_secret.is_some(),
                route: Route::Ingress {
                    class: rules.class_name.clone(),
                    annotations,
                    tls_secret,
                },
            }
        }
        ExposureType::HTTPRoute => {
            let rules = rules
                .http_route
                .as_ref()
                .ok_or_else(|| not_offered("HTTPRoute", "httpRoute"))?;
            Exposure {
                host: spec.host.clone(),
                tls: rules.tls,
                route: Route::HttpRoute {
                    parents: rules.parent_refs.clone(),
                },
            }
        }
    };
    if !allowed(&spec.host, &rules.hosts, &owner.namespace) {
        let hosts = match rules.hosts.as_slice() {
            [] => "no host".into(),
            hosts => hosts.join(", "),
        };
        return Err((
            reason::NOT_ALLOWED_BY_CLASS,
            format!(
                "spec.exposure.host is {}: FileGatewayClass {class_name} allows {hosts} in this \
                 namespace, which is {}; write another host, or ask the platform team to add it to the \
                 class's spec.exposure.hosts",
                spec.host, owner.namespace
            ),
        ));
    }
    Ok(exposure)
}

fn allowed(host: &str, patterns: &[String], namespace: &str) -> bool {
    patterns.iter().any(|pattern| {
        let pattern = pattern.replace("{namespace}", namespace);
        match pattern.strip_prefix("*.") {
            Some(domain) => host
                .split_once('.')
                .is_some_and(|(_, parent)| parent == domain),
            None => pattern == "*" || host == pattern,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_those_of_the_class_and_of_the_namespace() {
        let allowed = |host: &str, patterns: &[&str]| {
            let patterns: Vec<_> = patterns.iter().map(|p| (*p).to_string()).collect();
            allowed(host, &patterns, "acme")
        };
        assert!(!allowed("anything.example.com", &[]));
        assert!(allowed("anything.example.com", &["x.example.com", "*"]));
        assert!(allowed(
            "a.files.example.com",
            &["x.example.com", "*.files.example.com"]
        ));
        assert!(!allowed("a.b.files.example.com", &["*.files.example.com"]));
        assert!(!allowed("files.example.com", &["*.files.example.com"]));
        assert!(!allowed("afiles.example.com", &["*.files.example.com"]));
        assert!(allowed("acme.example.com", &["{namespace}.example.com"]));
        assert!(allowed(
            "x.acme.example.com",
            &["*.{namespace}.example.com"]
        ));
        assert!(!allowed("globex.example.com", &["{namespace}.example.com"]));
    }
}
