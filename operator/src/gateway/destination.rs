//! Where an address leads that a tenant wrote, as far as the address says it. Pure.
//!
//! A NetworkPolicy made from such an address must not open what the tenant could not reach without it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crds::EgressRules;
use crds::conditions::{ACCEPTED, Finding, reason};
use url::{Host, Url};

use super::given::DatabaseServer;
use super::validate::{DatabasePlan, Plan};

/// Ranges of which no address is public, by RFC 1918, 6598, 3927 and 1122.
const PRIVATE_V4: [(Ipv4Addr, u8); 6] = [
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
];

/// The same of IPv6, by RFC 4291 and 4193.
const PRIVATE_V6: [(Ipv6Addr, u8); 3] = [
    (Ipv6Addr::LOCALHOST, 128),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
];

/// All public addresses: ranges, and what is left out of each.
pub fn public_ranges() -> [(&'static str, Vec<String>); 2] {
    let four = PRIVATE_V4.iter();
    let six = PRIVATE_V6.iter();
    [
        (
            "0.0.0.0/0",
            four.map(|(ip, n)| format!("{ip}/{n}")).collect(),
        ),
        ("::/0", six.map(|(ip, n)| format!("{ip}/{n}")).collect()),
    ]
}

/// Where a host of a spec is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the gateway's own namespace.
    OwnNamespace,
    /// In another namespace, by this name.
    Namespace(String),
    /// At this public address.
    Address(IpAddr),
    /// At this address inside of some network.
    PrivateAddress(IpAddr),
    /// Wherever a name of the public DNS leads.
    Name,
}

/// Where `host` is for pods of namespace `own`.
pub fn place(host: &Host, own: &str) -> Place {
    let address = match host {
        Host::Ipv4(address) => IpAddr::from(*address),
        Host::Ipv6(address) => IpAddr::from(*address).to_canonical(),
        Host::Domain(name) => {
            return match service_namespace(name) {
                ServiceName::Single => Place::OwnNamespace,
                ServiceName::In(namespace) if namespace == own => Place::OwnNamespace,
                ServiceName::In(namespace) => Place::Namespace(namespace.into()),
                ServiceName::No => Place::Name,
            };
        }
    };
    if is_private(address) {
        Place::PrivateAddress(address)
    } else {
        Place::Address(address)
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_unspecified()
                || PRIVATE_V4
                    .iter()
                    .any(|(range, bits)| (address.to_bits() ^ range.to_bits()) >> (32 - bits) == 0)
        }
        IpAddr::V6(address) => {
            address.is_unspecified()
                || PRIVATE_V6
                    .iter()
                    .any(|(range, bits)| (address.to_bits() ^ range.to_bits()) >> (128 - bits) == 0)
        }
    }
}

/// What a name says of a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceName<'a> {
    /// A single word, which the cluster's DNS completes with the pod's own namespace.
    Single,
    /// It is in this namespace.
    In(&'a str),
    /// It is none of the cluster's.
    No,
}

/// The namespace of `name.namespace.svc` or `pod.name.namespace.svc`, whatever the cluster's domain is.
pub fn service_namespace(name: &str) -> ServiceName<'_> {
    let labels: Vec<_> = name.trim_end_matches('.').split('.').collect();
    match labels.as_slice() {
        [_] => ServiceName::Single,
        [_, namespace, "svc", ..] | [_, _, namespace, "svc", ..] => ServiceName::In(namespace),
        _ => ServiceName::No,
    }
}

/// Host and port of a URL.
pub fn host_of(url: &str) -> Option<(Host, u16)> {
    let url = Url::parse(url).ok()?;
    Some((url.host()?.to_owned(), url.port_or_known_default()?))
}

/// Whether a database that was given is on the server that the class names, and so vouches for: gateways
/// with a database of the operator's reach it as well.
pub fn is_of_class(plan: &Plan, given: &DatabaseServer) -> bool {
    plan.class.database.as_ref().is_some_and(|own| {
        own.port == i32::from(given.port)
            && Host::parse(&own.host).is_ok_and(|host| Host::parse(&given.host) == Ok(host))
    })
}

/// Refuses addresses of the spec that the class's network policy does not reach out to.
///
/// # Errors
/// A false `Accepted` that names the field, and what to ask for.
pub fn check(plan: &Plan) -> Result<(), Finding> {
    if !plan.network.enabled {
        return Ok(());
    }
    let EgressRules {
        database,
        issuer,
        webhooks,
        ..
    } = &plan.network.egress;
    let mut named = Vec::new();
    if let (DatabasePlan::Given { server, .. }, None) = (&plan.database, database)
        && !is_of_class(plan, server)
    {
        let host = Host::parse(&server.host).ok();
        named.push(("spec.database.secretRef", "database", host));
    }
    // A shared secret is not fetched from anywhere.
    if plan.auth.secret_ref.is_none() && issuer.is_none() {
        let (field, url) = match &plan.auth.jwks_url {
            Some(url) => ("spec.auth.jwksUrl", url),
            None => ("spec.auth.issuer", &plan.auth.issuer),
        };
        named.push((field, "issuer", host_of(url).map(|(host, _)| host)));
    }
    if let (Some(webhook), None) = (&plan.webhook, webhooks) {
        let host = host_of(&webhook.spec.url).map(|(host, _)| host);
        named.push(("spec.webhooks.url", "webhooks", host));
    }
    for (field, rule, host) in named {
        let place = host.map(|host| place(&host, &plan.owner.namespace));
        let to = match place {
            Some(Place::Namespace(namespace)) => format!("namespace {namespace}"),
            Some(Place::PrivateAddress(address)) => format!("the private address {address}"),
            _ => continue,
        };
        return Err(Finding::no(
            ACCEPTED,
            reason::NOT_ALLOWED_BY_CLASS,
            format!(
                "{field} leads to {to}, and gateways of FileGatewayClass {class} reach only their own \
                 namespace, public addresses and what the class names: ask the platform team to name it \
                 in the class's spec.networkPolicy.egress.{rule}, or write another address",
                class = plan.class.name
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_says_where_it_is() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let private = |text| Place::PrivateAddress(address(text));
        let public = |text| Place::Address(address(text));
        for (host, expected) in [
            ("keycloak", Place::OwnNamespace),
            ("keycloak.tenant.svc", Place::OwnNamespace),
            ("keycloak.tenant.svc.cluster.local.", Place::OwnNamespace),
            ("db-0.db.TENANT.svc", Place::OwnNamespace),
            ("x.kube-system.svc", Place::Namespace("kube-system".into())),
            (
                "a.x.kube-system.svc.k8s",
                Place::Namespace("kube-system".into()),
            ),
            ("id.example.com", Place::Name),
            ("keycloak.auth", Place::Name),
            ("10.0.0.7", private("10.0.0.7")),
            ("0x7f.1", private("127.0.0.1")),
            ("0.0.0.0", private("0.0.0.0")),
            ("100.127.255.255", private("100.127.255.255")),
            ("100.128.0.0", public("100.128.0.0")),
            ("169.254.169.254", private("169.254.169.254")),
            ("172.31.0.1", private("172.31.0.1")),
            ("172.32.0.1", public("172.32.0.1")),
            ("192.168.1.1", private("192.168.1.1")),
            ("8.8.8.8", public("8.8.8.8")),
            ("[::1]", private("::1")),
            ("[::2]", public("::2")),
            ("[::ffff:10.0.0.7]", private("10.0.0.7")),
            ("[fd00::1]", private("fd00::1")),
            ("[fe80::1]", private("fe80::1")),
            ("[2001:db8::1]", public("2001:db8::1")),
        ] {
            assert_eq!(
                place(&Host::parse(host).unwrap(), "tenant"),
                expected,
                "{host}"
            );
        }
    }
}
