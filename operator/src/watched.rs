//! Which namespaces the operator looks after: all, or those that it is told of.

use std::collections::BTreeSet;

use k8s_openapi::NamespaceResourceScope;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::Resource;

/// All namespaces, or some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched(BTreeSet<String>);

/// Not a name that a namespace can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoNamespace;

impl Watched {
    /// The namespaces of `names`, which are separated by commas.
    ///
    /// # Errors
    /// When one of them is no namespace's name; nothing between two commas is none either.
    pub fn parse(names: &str) -> Result<Self, NoNamespace> {
        let names = names.split(',').map(str::trim).map(|name| {
            let valid = is_label(name).then(|| name.to_string());
            valid.ok_or(NoNamespace)
        });
        names.collect::<Result<_, _>>().map(Self)
    }

    /// `names` alone.
    pub fn only<const N: usize>(names: [&str; N]) -> Self {
        Self(names.map(str::to_string).into())
    }

    /// Whether it is every namespace, those to come too.
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `namespace` is one of them.
    pub fn includes(&self, namespace: &str) -> bool {
        self.is_everything() || self.0.contains(namespace)
    }

    /// Their names; none where it is every namespace.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// What is in them of a kind: one for each, or one for all.
    pub fn apis<K>(&self, client: &Client) -> Vec<Api<K>>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        self.each(
            || Api::all(client.clone()),
            |name| Api::namespaced(client.clone(), name),
        )
    }

    /// [`Self::apis`] of a kind that is known at run time only.
    pub fn apis_of(&self, client: &Client, kind: &ApiResource) -> Vec<Api<DynamicObject>> {
        self.each(
            || Api::all_with(client.clone(), kind),
            |name| Api::namespaced_with(client.clone(), name, kind),
        )
    }

    fn each<T>(&self, all: impl Fn() -> T, one: impl Fn(&str) -> T) -> Vec<T> {
        if self.is_everything() {
            vec![all()]
        } else {
            self.names().map(one).collect()
        }
    }
}

/// Names of namespaces are labels of DNS.
fn is_label(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| plain(*byte) || *byte == b'-')
        && bytes.first().copied().is_some_and(plain)
        && bytes.last().copied().is_some_and(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_namespace_is_there_once() {
        let watched = Watched::parse("beta, acme,beta").unwrap();
        assert_eq!(watched, Watched::only(["acme", "beta"]));
        assert!(watched.includes("acme") && !watched.includes("gamma"));
        assert!(!watched.is_everything());
        assert!(Watched::default().is_everything() && Watched::default().includes("gamma"));
    }

    #[test]
    fn what_is_no_name_is_never_taken_for_all() {
        let long = "a".repeat(64);
        let wrong = [
            "", " ", ",", "acme,", "Acme", "a_b", "-a", "a-", "a.b", "*", &long,
        ];
        for names in wrong {
            assert_eq!(Watched::parse(names), Err(NoNamespace), "{names}");
        }
        assert!(Watched::parse(&long[1..]).is_ok());
    }
}
