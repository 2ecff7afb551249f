//! Which FileGateway has which host. Two with the same one would have each other's requests, as whatever
//! leads into the cluster likes.
//!
//! Whoever has a host keeps it. Turned down: the oldest, as the Gateway API has it; the owner of an old
//! FileGateway could write another tenant's host into it and take it over. Age decides between those that
//! ask while nobody has it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crds::conditions::{ACCEPTED, Finding, reason};
use crds::{FileGateway, FileGatewayStatus};
use kube::ResourceExt;
use kube::runtime::watcher::Event;

use super::pause::is_paused;
use super::validate::Plan;
use crate::context::Context;
use crate::meta::{Owner, service_host};

/// What is known of hosts beside what the status of FileGateways says.
#[derive(Debug, Default)]
pub struct Hosts(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Hosts that passes have given away, until the watch shows it.
    given: HashMap<String, Given>,
    /// By UID, of those that have to do with a host.
    known: HashMap<String, Claim>,
    /// All of them, while a watch lists them anew.
    listing: Option<HashMap<String, Claim>>,
    /// Whether all were listed once.
    complete: bool,
}

#[derive(Debug)]
struct Given {
    uid: String,
    /// What is older says nothing of it.
    generation: Option<i64>,
}

/// A host that a FileGateway neither has nor asks for any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freed {
    /// The host.
    pub host: String,
    /// UID of the FileGateway.
    pub by: String,
}

/// What a FileGateway has to do with hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Claim {
    has: Vec<String>,
    asks: Option<String>,
}

impl Claim {
    fn of(gateway: &FileGateway) -> Self {
        let status = gateway.status.as_ref();
        let (namespace, name) = (gateway.namespace().unwrap_or_default(), gateway.name_any());
        let has = status.map_or_else(Vec::new, |status| held_by(status, &namespace, &name));
        let held_up = gateway.metadata.deletion_timestamp.is_some() || is_paused(gateway);
        let generation = gateway.metadata.generation;
        let asks = asked(gateway).filter(|_| !held_up && may_get(status, generation));
        Self {
            has,
            asks: asks.map(str::to_string),
        }
    }

    fn hosts(&self) -> impl Iterator<Item = &String> {
        self.has.iter().chain(&self.asks)
    }
}

/// The hosts that may lead to the gateway `owner`, whose status this is.
pub fn held(status: &FileGatewayStatus, owner: &Owner) -> Vec<String> {
    held_by(status, &owner.namespace, &owner.name)
}

fn held_by(status: &FileGatewayStatus, namespace: &str, name: &str) -> Vec<String> {
    let mut hosts = status.hosts.clone();
    // A status of before has no list.
    let address = status.address.as_deref();
    let address = address.and_then(|address| address.split_once("://"));
    if let Some((_, host)) = address
        && host != service_host(namespace, name)
        && !hosts.iter().any(|held| held == host)
    {
        hosts.push(host.into());
    }
    hosts
}

/// The host that `gateway` asks for.
pub fn asked(gateway: &FileGateway) -> Option<&str> {
    let exposure = gateway.spec.exposure.as_ref()?;
    Some(&exposure.host)
}

/// Whether it asks for `host`, or its address is there: what can be told of thousands without a copy.
fn names(gateway: &FileGateway, host: &str) -> bool {
    let status = gateway.status.as_ref();
    let has = status.is_some_and(|status| {
        let address = status.address.as_deref();
        let mut hosts = status.hosts.iter();
        hosts.any(|held| held == host) || address.is_some_and(|address| address.ends_with(host))
    });
    has || asked(gateway) == Some(host)
}

/// Not of one that was refused for other reasons: by asking alone nobody keeps a host from others.
fn may_get(status: Option<&FileGatewayStatus>, generation: Option<i64>) -> bool {
    let Some(status) = status.filter(|status| status.observed_generation == generation) else {
        return true;
    };
    let accepted = status.conditions.iter().find(|it| it.type_ == ACCEPTED);
    accepted.is_none_or(|it| it.status == "True" || it.reason == reason::HOST_CONFLICT)
}

impl Hosts {
    /// Takes note of what the watch of FileGateways told, after it went into its store. Answers hosts that
    /// others may get now.
    pub fn note(&self, event: &Event<FileGateway>) -> Vec<Freed> {
        let mut state = self.lock();
        match event {
            Event::Init => {
                state.listing = Some(HashMap::new());
                Vec::new()
            }
            Event::InitApply(gateway) => {
                state.shown(gateway);
                let claim = Claim::of(gateway);
                if let (Some(listing), Some(uid)) = (&mut state.listing, gateway.uid()) {
                    listing.insert(uid, claim);
                }
                Vec::new()
            }
            Event::InitDone => {
                let mut listed = state.listing.take().unwrap_or_default();
                let before = std::mem::take(&mut state.known);
                // The first list wakes everybody by itself.
                let before = if state.complete {
                    before
                } else {
                    HashMap::new()
                };
                state.complete = true;
                let given = &mut state.given;
                given.retain(|_, given| listed.contains_key(&given.uid));
                listed.retain(|_, claim| *claim != Claim::default());
                let freed = before
                    .iter()
                    .flat_map(|(uid, claim)| freed(uid, claim, listed.get(uid)))
                    .collect();
                state.known = listed;
                freed
            }
            Event::Apply(gateway) => {
                state.shown(gateway);
                let Some(uid) = gateway.uid() else {
                    return Vec::new();
                };
                let claim = Claim::of(gateway);
                let before = if claim == Claim::default() {
                    state.known.remove(&uid)
                } else {
                    state.known.insert(uid.clone(), claim.clone())
                };
                freed(&uid, &before.unwrap_or_default(), Some(&claim))
            }
            Event::Delete(gateway) => {
                let Some(uid) = gateway.uid() else {
                    return Vec::new();
                };
                state.given.retain(|_, given| given.uid != uid);
                let before = state.known.remove(&uid).unwrap_or_default();
                freed(&uid, &before, None)
            }
        }
    }

    /// Gives `host` to `gateway`, unless another of `all` has it or comes first.
    fn give(&self, gateway: &FileGateway, host: &str, all: &[Arc<FileGateway>]) -> bool {
        let Some(uid) = gateway.uid() else {
            return false;
        };
        let mut state = self.lock();
        let given = state.given.get(host).map(|given| given.uid == uid);
        if given == Some(false) {
            return false;
        }
        let is = |claimed: &String| claimed == host;
        let has = given.is_some() || Claim::of(gateway).has.iter().any(is);
        let first = all
            .iter()
            .filter(|other| names(other, host) && other.uid().as_ref() != Some(&uid))
            .all(|other| {
                let claim = Claim::of(other);
                let other_has = claim.has.iter().any(is);
                let other_asks = claim.asks.iter().any(is);
                match (other_has, has) {
                    (true, false) => false,
                    (false, true) => true,
                    // Both, of a version that let them.
                    (true, true) => age(gateway) < age(other),
                    (false, false) => !other_asks || age(gateway) < age(other),
                }
            });
        if first && !has {
            let generation = gateway.metadata.generation;
            state.given.insert(host.into(), Given { uid, generation });
        }
        first
    }

    fn release(&self, uid: &str) {
        self.lock().given.retain(|_, given| given.uid != uid);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What was given stands in the status now, or is not asked for any more.
    fn shown(&mut self, gateway: &FileGateway) {
        let (uid, generation) = (gateway.uid(), gateway.metadata.generation);
        let has = Claim::of(gateway).has;
        self.given.retain(|host, given| {
            let about = Some(&given.uid) == uid.as_ref() && generation >= given.generation;
            !about || (!has.contains(host) && asked(gateway) == Some(host.as_str()))
        });
    }
}

fn freed(uid: &str, before: &Claim, now: Option<&Claim>) -> Vec<Freed> {
    let still = |host: &String| now.is_some_and(|now| now.hosts().any(|held| held == host));
    let gone = before.hosts().filter(|host| !still(host));
    gone.map(|host| Freed {
        host: host.clone(),
        by: uid.into(),
    })
    .collect()
}

/// What tells who comes first.
fn age(gateway: &FileGateway) -> impl Ord {
    (
        gateway.creation_timestamp(),
        gateway.namespace(),
        gateway.name_any(),
    )
}

/// Keeps `plan` from a host that another FileGateway has.
///
/// # Errors
/// What `plan` is already, or a false `Accepted`. It names nobody: the other may be another tenant's.
pub fn settle(
    context: &Context,
    gateway: &FileGateway,
    plan: Result<Plan, Finding>,
) -> Result<Plan, Finding> {
    let outcome = plan.and_then(|plan| {
        let Some(exposure) = &plan.exposure else {
            return Ok(plan);
        };
        let host = &exposure.host;
        let stores = context.stores.get();
        let all = stores.map_or_else(Vec::new, |stores| stores.gateways.state());
        if context.hosts.give(gateway, host, &all) {
            return Ok(plan);
        }
        Err(Finding::no(
            ACCEPTED,
            reason::HOST_CONFLICT,
            format!(
                "spec.exposure.host is {host}, which another FileGateway has: write another host, or wait; \
                 this one gets it when the other gives it up"
            ),
        ))
    });
    if let (Err(_), Some(uid)) = (&outcome, gateway.uid()) {
        context.hosts.release(&uid);
    }
    outcome
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const HOST: &str = "a.example.com";

    /// A gateway that asks for [`HOST`], made at the given second.
    fn gateway(namespace: &str, second: u32, status: Value) -> FileGateway {
        serde_json::from_value(json!({
            "apiVersion": "filegateway.dev/v1alpha1",
            "kind": "FileGateway",
            "metadata": {
                "name": "files", "namespace": namespace, "uid": namespace, "generation": 1,
                "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z"),
            },
            "spec": {
                "className": "gold", "organization": "acme", "auth": {"issuer": "i", "audience": "a"},
                "exposure": {"host": HOST},
            },
            "status": status,
        }))
        .unwrap()
    }

    fn has() -> Value {
        json!({"address": format!("https://{HOST}")})
    }

    fn refused(reason: &str) -> Value {
        json!({"observedGeneration": 1, "conditions": [{"type": "Accepted", "status": "False",
            "reason": reason, "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]})
    }

    fn gets(asking: &FileGateway, other: FileGateway) -> bool {
        let all = [Arc::new(asking.clone()), Arc::new(other)];
        Hosts::default().give(asking, HOST, &all)
    }

    #[test]
    fn who_has_a_host_keeps_it_and_else_the_oldest_gets_it() {
        let asking = gateway("b", 5, json!({}));
        let having = gateway("b", 5, has());
        let inside = json!({"address": "http://files.c.svc"});
        let held_up = |annotations: Value| {
            let mut other = gateway("c", 1, json!({}));
            other.metadata.annotations = serde_json::from_value(annotations).unwrap();
            other
        };
        for (asking, other, expected) in [
            (&asking, gateway("c", 9, has()), false),
            (&asking, gateway("c", 1, json!({})), false),
            (&asking, gateway("c", 9, json!({})), true),
            (&asking, gateway("c", 5, inside), true),
            (&asking, gateway("a", 5, json!({})), false),
            (&asking, gateway("c", 1, refused("HostConflict")), false),
            (&asking, gateway("c", 1, refused("NotAllowedByClass")), true),
            (&having, gateway("c", 1, json!({})), true),
            (&having, gateway("c", 1, has()), false),
            (&having, gateway("c", 9, has()), true),
            (
                &asking,
                held_up(json!({"filegateway.dev/paused": "true"})),
                true,
            ),
        ] {
            assert_eq!(gets(asking, other.clone()), expected, "{other:?}");
        }
    }

    #[test]
    fn what_was_given_is_kept_until_the_watch_shows_it() {
        let hosts = Hosts::default();
        let (first, second) = (gateway("b", 5, json!({})), gateway("a", 1, json!({})));
        assert!(hosts.give(&first, HOST, &[]));
        let seen = |status| Arc::new(gateway("b", 5, status));
        // The store is late.
        assert!(!hosts.give(&second, HOST, &[seen(json!({}))]));
        assert!(hosts.give(&first, HOST, &[Arc::new(second.clone())]));
        let shown = seen(has());
        hosts.note(&Event::Apply((*shown).clone()));
        assert!(!hosts.give(&second, HOST, &[shown]));
        let mut other = gateway("b", 5, json!({"address": "https://b.example.com"}));
        other.spec.exposure.as_mut().unwrap().host = "b.example.com".into();
        assert!(hosts.give(&second, HOST, &[Arc::new(other)]));
        hosts.release("a");
        assert!(hosts.give(&first, HOST, &[]));
        hosts.note(&Event::Delete(first));
        assert!(hosts.give(&second, HOST, &[]));
    }

    #[test]
    fn a_host_is_freed_when_it_is_neither_had_nor_asked_for() {
        let hosts = Hosts::default();
        let freed = |hosts: &Hosts, event: Event<FileGateway>| {
            let freed = hosts.note(&event).into_iter();
            freed
                .map(|freed| (freed.host, freed.by))
                .collect::<Vec<_>>()
        };
        let by = |uid: &str| vec![(HOST.to_string(), uid.to_string())];
        let list = |namespace: &str| {
            let one = Event::InitApply(gateway(namespace, 1, has()));
            [Event::Init, one, Event::InitDone]
        };
        for event in list("b") {
            assert_eq!(freed(&hosts, event), []);
        }
        let mut hidden = gateway("b", 1, has());
        hidden.spec.exposure = None;
        assert_eq!(freed(&hosts, Event::Apply(hidden.clone())), []);
        hidden.status = None;
        assert_eq!(freed(&hosts, Event::Apply(hidden)), by("b"));
        let asking = gateway("b", 1, json!({}));
        assert_eq!(freed(&hosts, Event::Apply(asking.clone())), []);
        let refused = gateway("b", 1, refused("InvalidSpec"));
        assert_eq!(freed(&hosts, Event::Apply(refused)), by("b"));
        freed(&hosts, Event::Apply(asking.clone()));
        assert_eq!(freed(&hosts, Event::Delete(asking.clone())), by("b"));
        // Deleted while nobody watched.
        freed(&hosts, Event::Apply(asking));
        let found: Vec<_> = list("c").map(|event| freed(&hosts, event)).into();
        assert_eq!(found, [vec![], vec![], by("b")]);
    }
}
