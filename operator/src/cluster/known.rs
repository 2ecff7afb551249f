//! What watches have told of objects, beside how this operator left them.
//!
//! An object that is as it was left need not be read, and one that a complete watch does not show need not
//! be looked for. A watch is a moment late, which costs nothing: what it tells then wakes the gateway that
//! the object belongs to. Before an object is changed it is always read, though: another of that name
//! may have appeared just now.
//!
//! Kept are hashes alone, some 60 bytes for an object.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::runtime::watcher::Event;
use tokio::sync::Notify;

/// Annotations in which Kubernetes' own controller counts the revisions of a Deployment.
const DEPLOYMENT_CONTROLLER: &str = "deployment.kubernetes.io/";

/// Of every watched kind, by its name.
#[derive(Debug, Default)]
pub struct Known {
    kinds: Mutex<HashMap<String, Kind>>,
    hasher: RandomState,
    lost: Notify,
}

/// Objects of one kind. All keys and values are hashes: of namespace and name, of what makes a version,
/// and of what was wanted.
#[derive(Debug, Default)]
struct Kind {
    /// Whether the watch has told of every object that there is.
    complete: bool,
    seen: HashMap<u64, u64>,
    left: HashMap<u64, Left>,
}

/// What a watch tells of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing that this operator has not just written itself.
    None,
    /// Its status has changed and nothing else, where there is a generation to tell.
    Status,
    /// It has appeared, changed, or gone.
    Object,
}

#[derive(Clone, Copy, Debug)]
struct Left {
    version: u64,
    /// Of this very write: another one may be of a status that has changed since.
    resource: u64,
    wanted: u64,
}

impl Known {
    /// Takes note of what a watch of all our objects of `kind` tells.
    pub fn note<K: Resource>(&self, kind: &str, event: &Event<K>) -> News {
        let mut kinds = self.lock();
        let kind = kinds.entry(kind.to_string()).or_default();
        match event {
            Event::Init => {
                kind.complete = false;
                kind.seen.clear();
                News::None
            }
            Event::InitDone => {
                kind.complete = true;
                // What has gone in between was not told.
                let (seen, before) = (&kind.seen, kind.left.len());
                kind.left.retain(|object, _| seen.contains_key(object));
                if kind.left.len() < before {
                    self.lost.notify_one();
                }
                News::None
            }
            // Its status may have changed, too, while nobody watched.
            Event::InitApply(object) => {
                let meta = object.meta();
                kind.seen.insert(self.key_of(meta), self.version_of(meta));
                News::Object
            }
            Event::Apply(object) => {
                let meta = object.meta();
                let (key, version) = (self.key_of(meta), self.version_of(meta));
                if kind.seen.insert(key, version) == Some(version) {
                    return News::Status;
                }
                match kind.left.get(&key) {
                    Some(left) if left.version != version => News::Object,
                    Some(left) if left.resource == self.resource_of(meta) => News::None,
                    Some(_) => News::Status,
                    None => News::Object,
                }
            }
            Event::Delete(object) => {
                let key = self.key_of(object.meta());
                kind.seen.remove(&key);
                kind.left.remove(&key);
                News::Object
            }
        }
    }

    /// Waits until a list shows that something has gone while nobody watched. Whose it was is not known any
    /// more: of an object there is no more than a hash.
    pub async fn lost(&self) {
        self.lost.notified().await;
    }

    /// Takes note that the object of `kind` with the metadata `live` is as `wanted`, a text that differs with
    /// all that is wanted of it.
    pub fn leave(&self, kind: &str, live: &ObjectMeta, wanted: &str) {
        let left = Left {
            version: self.version_of(live),
            resource: self.resource_of(live),
            wanted: self.hasher.hash_one(wanted),
        };
        let key = self.key_of(live);
        let mut kinds = self.lock();
        // Without a watch nobody would ever forget it.
        if let Some(kind) = kinds.get_mut(kind) {
            kind.left.insert(key, left);
        }
    }

    /// Whether a watch shows the object as it was left when `wanted` was wanted of it.
    pub fn is_as_left(&self, kind: &str, namespace: &str, name: &str, wanted: &str) -> bool {
        let key = self.key(namespace, name);
        let kinds = self.lock();
        kinds.get(kind).is_some_and(|kind| {
            kind.left.get(&key).is_some_and(|left| {
                left.wanted == self.hasher.hash_one(wanted)
                    && kind.seen.get(&key) == Some(&left.version)
            })
        })
    }

    /// Whether a watch shows that there is no such object. It does not show at once what was just made.
    pub fn is_absent(&self, kind: &str, namespace: &str, name: &str) -> bool {
        let key = self.key(namespace, name);
        let kinds = self.lock();
        kinds.get(kind).is_some_and(|kind| {
            let made = kind.left.contains_key(&key);
            kind.complete && !made && !kind.seen.contains_key(&key)
        })
    }

    /// Changes with every change of the object that a watch tells of; nothing while it shows none.
    pub fn seen(&self, kind: &str, namespace: &str, name: &str) -> Option<u64> {
        let key = self.key(namespace, name);
        self.lock().get(kind)?.seen.get(&key).copied()
    }

    /// What [`Self::seen`] says once the watch shows the object as it was left; what it says now of one that
    /// was not left in any way.
    pub fn expected(&self, kind: &str, namespace: &str, name: &str) -> Option<u64> {
        let key = self.key(namespace, name);
        let kinds = self.lock();
        let kind = kinds.get(kind)?;
        let left = kind.left.get(&key).map(|left| left.version);
        left.or_else(|| kind.seen.get(&key).copied())
    }

    fn key_of(&self, meta: &ObjectMeta) -> u64 {
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        self.key(namespace, meta.name.as_deref().unwrap_or_default())
    }

    fn key(&self, namespace: &str, name: &str) -> u64 {
        self.hasher.hash_one((namespace, name))
    }

    fn resource_of(&self, meta: &ObjectMeta) -> u64 {
        self.hasher.hash_one(&meta.resource_version)
    }

    /// What metadata tells of changes. A generation does not count those of a status, which is why it goes
    /// before the resource version; not all kinds have one.
    fn version_of(&self, meta: &ObjectMeta) -> u64 {
        let version = match meta.generation {
            Some(_) => None,
            None => meta.resource_version.as_deref(),
        };
        let owners = meta.owner_references.iter().flatten();
        let owners: Vec<&str> = owners.map(|owner| owner.uid.as_str()).collect();
        let said = (&meta.uid, meta.generation, version, owners);
        let annotations = meta.annotations.iter().flatten();
        let annotations: Vec<_> = annotations
            .filter(|(name, _)| !name.starts_with(DEPLOYMENT_CONTROLLER))
            .collect();
        let marks = (&meta.labels, annotations);
        self.hasher
            .hash_one((said, marks, meta.deletion_timestamp.is_some()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kind>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use k8s_openapi::api::core::v1::ConfigMap;
    use k8s_openapi::api::networking::v1::NetworkPolicy;
    use serde_json::json;

    use super::*;

    const KIND: &str = "ConfigMap";

    fn map(name: &str, version: &str) -> ConfigMap {
        serde_json::from_value(json!({"metadata": {
            "name": name, "namespace": "acme", "uid": name, "resourceVersion": version}}))
        .unwrap()
    }

    fn listed(maps: &[ConfigMap]) -> Known {
        let known = Known::default();
        known.note::<ConfigMap>(KIND, &Event::Init);
        for map in maps {
            known.note(KIND, &Event::InitApply(map.clone()));
        }
        known.note::<ConfigMap>(KIND, &Event::InitDone);
        known
    }

    fn as_left(known: &Known, wanted: &str) -> bool {
        known.is_as_left(KIND, "acme", "files", wanted)
    }

    #[test]
    fn what_was_just_made_is_not_absent() {
        let known = listed(&[]);
        assert!(known.is_absent(KIND, "acme", "files"));
        known.leave(KIND, &map("files", "1").metadata, "a");
        assert!(!known.is_absent(KIND, "acme", "files"), "the watch is late");
        known.note(KIND, &Event::Apply(map("files", "1")));
        assert!(!known.is_absent(KIND, "acme", "files"));
        known.note(KIND, &Event::Delete(map("files", "1")));
        assert!(known.is_absent(KIND, "acme", "files"));
    }

    #[test]
    fn a_status_that_has_changed_since_our_write_is_told() {
        let policy = |version: &str| -> NetworkPolicy {
            serde_json::from_value(json!({"metadata": {
                "name": "files", "namespace": "acme", "uid": "u", "generation": 1,
                "resourceVersion": version}}))
            .unwrap()
        };
        let known = Known::default();
        known.note::<NetworkPolicy>(KIND, &Event::Init);
        known.note::<NetworkPolicy>(KIND, &Event::InitDone);
        known.leave(KIND, &policy("1").metadata, "a");
        let told = known.note(KIND, &Event::Apply(policy("2")));
        assert_eq!(told, News::Status);
        known.note(KIND, &Event::Delete(policy("2")));
        known.leave(KIND, &policy("3").metadata, "a");
        let told = known.note(KIND, &Event::Apply(policy("3")));
        assert_eq!(told, News::None);
    }

    #[test]
    fn an_object_is_as_it_was_left_once_a_watch_says_so() {
        let known = listed(&[]);
        assert!(known.is_absent(KIND, "acme", "files"));
        known.leave(KIND, &map("files", "7").metadata, "a");
        assert!(!as_left(&known, "a"), "the watch shows nothing yet");
        let expected = known.expected(KIND, "acme", "files");
        let told = |version| known.note(KIND, &Event::Apply(map("files", version)));
        assert_eq!(told("7"), News::None, "it was written here");
        assert!(as_left(&known, "a"));
        assert!(!as_left(&known, "b"), "something else is wanted");
        assert_eq!(known.seen(KIND, "acme", "files"), expected);
        assert!(!known.is_absent(KIND, "acme", "files"));
        assert_eq!(told("8"), News::Object);
        assert!(!as_left(&known, "a"), "somebody changed it");
        known.note(KIND, &Event::Delete(map("files", "9")));
        assert!(!as_left(&known, "a"));
        assert!(known.is_absent(KIND, "acme", "files"));
    }

    #[test]
    fn nothing_is_known_of_what_is_not_watched() {
        let known = Known::default();
        known.leave(KIND, &map("files", "7").metadata, "a");
        assert!(!as_left(&known, "a"));
        assert!(!known.is_absent(KIND, "acme", "files"));
        assert_eq!(known.expected(KIND, "acme", "files"), None);
    }

    #[test]
    fn what_went_while_a_watch_was_broken_is_not_taken_for_left() {
        let known = listed(&[map("files", "7"), map("other", "7")]);
        known.leave(KIND, &map("files", "7").metadata, "a");
        assert!(as_left(&known, "a"));
        known.note::<ConfigMap>(KIND, &Event::Init);
        assert!(!as_left(&known, "a"), "it was not listed again yet");
        assert!(!known.is_absent(KIND, "acme", "files"));
        known.note(KIND, &Event::InitApply(map("other", "7")));
        assert_eq!(known.lost().now_or_never(), None, "the list goes on");
        known.note::<ConfigMap>(KIND, &Event::InitDone);
        assert!(known.is_absent(KIND, "acme", "files"));
        assert_eq!(known.expected(KIND, "acme", "files"), None);
        assert_eq!(known.lost().now_or_never(), Some(()));
        // It is told once.
        known.note::<ConfigMap>(KIND, &Event::Init);
        known.note(KIND, &Event::InitApply(map("other", "7")));
        known.note::<ConfigMap>(KIND, &Event::InitDone);
        assert_eq!(known.lost().now_or_never(), None);
    }

    #[test]
    fn a_status_is_no_change_where_there_is_a_generation() {
        let policy = |version: &str, generation: i64, label: &str| -> NetworkPolicy {
            serde_json::from_value(json!({"metadata": {
                "name": "files", "namespace": "acme", "uid": "u", "resourceVersion": version,
                "generation": generation, "labels": {"a": label}}}))
            .unwrap()
        };
        let known = Known::default();
        let version = |version, generation, label| {
            let policy = policy(version, generation, label);
            let news = known.note("NetworkPolicy", &Event::Apply(policy));
            (news, known.seen("NetworkPolicy", "acme", "files"))
        };
        let (news, first) = version("1", 1, "x");
        assert_eq!(news, News::Object);
        assert_eq!(version("2", 1, "x"), (News::Status, first));
        for changed in [version("3", 2, "x"), version("4", 1, "y")] {
            assert_eq!(changed.0, News::Object);
            assert_ne!(changed.1, first);
        }
    }
}
