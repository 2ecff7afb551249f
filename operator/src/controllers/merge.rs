//! The watches of several namespaces as one.
//!
//! What listens to a watch takes a list for the whole of what there is: a store drops all that it does not
//! name. So there is one list at first, once every namespace has been listed, and a list of one
//! namespace that comes later is told as changes: of what is in it, and of what has gone.

use std::collections::{HashMap, HashSet};

use futures_util::stream::{self, Stream, StreamExt};
use kube::core::Resource;
use kube::runtime::watcher::{Error, Event};

/// How often in a row a namespace has to be refused before it counts as empty: an API server that has just
/// started knows no Roles for a moment.
const GIVEN_UP: usize = 4;

type Told<K> = Result<Event<K>, Error>;

/// `sources`, of one namespace each, as one watch. Nothing is told before each of them has been listed; one that
/// is refused for long counts as empty, unless `every` one has to be.
pub fn merged<K>(
    sources: Vec<impl Stream<Item = Told<K>> + Send + 'static>,
    every: bool,
) -> impl Stream<Item = Told<K>> + Send + 'static
where
    K: Resource + Clone + Send + 'static,
{
    let mut merge = Merge {
        begun: false,
        every,
        parts: sources.iter().map(|_| Part::default()).collect(),
    };
    let sources = sources.into_iter().enumerate();
    let sources = sources.map(|(number, source)| source.map(move |told| (number, told)).boxed());
    stream::select_all(sources)
        .flat_map(move |(number, told)| stream::iter(merge.answers(number, told)))
}

struct Merge<K> {
    /// Whether the list of all has been told.
    begun: bool,
    every: bool,
    parts: Vec<Part<K>>,
}

/// One namespace.
struct Part<K> {
    /// Whether its first list has ended.
    listed: bool,
    /// How often in a row it might not be listed.
    refused: usize,
    /// By name: whole objects until they are told, and then what [`trace`] leaves of them.
    known: HashMap<String, K>,
    /// Names of the list that goes on.
    listing: HashSet<String>,
}

impl<K> Default for Part<K> {
    fn default() -> Self {
        Self {
            listed: false,
            refused: 0,
            known: HashMap::new(),
            listing: HashSet::new(),
        }
    }
}

impl<K: Resource + Clone> Merge<K> {
    /// What is to be told once the source called `number` has told `told`.
    fn answers(&mut self, number: usize, told: Told<K>) -> Vec<Told<K>> {
        let Some(part) = self.parts.get_mut(number) else {
            return Vec::new();
        };
        let changes = match told {
            Err(error) => {
                // A namespace that is gone, and its Role with it, keeps nobody waiting. Nothing of it is
                // known, and what comes of it later is a change.
                part.refused += usize::from(is_forbidden(&error));
                part.listed |= !self.every && part.refused >= GIVEN_UP;
                vec![Err(error)]
            }
            Ok(Event::Init) => {
                part.listing.clear();
                Vec::new()
            }
            Ok(Event::InitApply(object)) => {
                part.refused = 0;
                part.listing.insert(name(&object));
                part.note(object, self.begun)
            }
            Ok(Event::Apply(object)) => part.note(object, self.begun),
            Ok(Event::Delete(object)) => {
                part.known.remove(&name(&object));
                vec![Ok(Event::Delete(object))]
            }
            Ok(Event::InitDone) => {
                part.listed = true;
                part.refused = 0;
                let listing = std::mem::take(&mut part.listing);
                let gone = part.known.extract_if(|name, _| !listing.contains(name));
                gone.map(|(_, gone)| Ok(Event::Delete(gone))).collect()
            }
        };
        if self.begun {
            return changes;
        }
        let errors = changes.into_iter().filter(Result::is_err).collect();
        if self.parts.iter().all(|part| part.listed) {
            self.begin(errors)
        } else {
            errors
        }
    }

    fn begin(&mut self, mut told: Vec<Told<K>>) -> Vec<Told<K>> {
        self.begun = true;
        told.push(Ok(Event::Init));
        for part in &mut self.parts {
            for known in part.known.values_mut() {
                let trace = trace(known);
                told.push(Ok(Event::InitApply(std::mem::replace(known, trace))));
            }
        }
        told.push(Ok(Event::InitDone));
        told
    }
}

impl<K: Resource + Clone> Part<K> {
    fn note(&mut self, object: K, begun: bool) -> Vec<Told<K>> {
        if begun {
            self.known.insert(name(&object), trace(&object));
            vec![Ok(Event::Apply(object))]
        } else {
            self.known.insert(name(&object), object);
            Vec::new()
        }
    }
}

fn name(object: &impl Resource) -> String {
    object.meta().name.clone().unwrap_or_default()
}

/// What tells whose an object was, without the most of its metadata.
fn trace<K: Resource + Clone>(object: &K) -> K {
    let mut trace = object.clone();
    trace.meta_mut().managed_fields = None;
    trace.meta_mut().annotations = None;
    trace
}

fn is_forbidden(error: &Error) -> bool {
    matches!(error, Error::InitialListFailed(kube::Error::Api(status)) if status.code == 403)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::core::Status;
    use kube::runtime::reflector::{self, ObjectRef, Store};
    use serde_json::json;
    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

    use super::*;

    fn map(namespace: &str, name: &str) -> ConfigMap {
        serde_json::from_value(json!({
            "metadata": {
                "name": name, "namespace": namespace, "labels": {"of": "us"},
                "annotations": {"long": "text"},
                "managedFields": [{"manager": "somebody"}],
            },
            "data": {"a": "b"},
        }))
        .unwrap()
    }

    fn refused(code: u16) -> Error {
        let status = Status::failure("no", "No").with_code(code);
        Error::InitialListFailed(kube::Error::Api(status.boxed()))
    }

    /// Two namespaces, `a` and `b`, and a store of what is told of them.
    struct Bed {
        sources: Vec<UnboundedSender<Told<ConfigMap>>>,
        merged: stream::BoxStream<'static, Told<ConfigMap>>,
        store: Store<ConfigMap>,
        writer: reflector::store::Writer<ConfigMap>,
    }

    impl Bed {
        fn new(every: bool) -> Self {
            let source = || {
                let (sender, receiver) = unbounded_channel();
                let told = stream::unfold(receiver, |mut receiver| async {
                    receiver.recv().await.map(|told| (told, receiver))
                });
                (sender, told)
            };
            let (sources, receivers): (_, Vec<_>) = [source(), source()].into_iter().unzip();
            let (store, writer) = reflector::store();
            Self {
                sources,
                merged: merged(receivers, every).boxed(),
                store,
                writer,
            }
        }

        /// What is told after one namespace's watch has told `told`, in words.
        fn after(&mut self, namespace: &str, told: Vec<Told<ConfigMap>>) -> Vec<String> {
            let number = usize::from(namespace != "a");
            for one in told {
                self.sources[number].send(one).unwrap();
            }
            let mut words = Vec::new();
            while let Some(Some(told)) = self.merged.next().now_or_never() {
                words.push(match &told {
                    Ok(event) => event.to_string(),
                    Err(_) => "error".to_string(),
                });
                if let Ok(event) = told {
                    self.writer.apply_watcher_event(&event);
                }
            }
            words
        }

        fn list(&mut self, namespace: &str, names: &[&str]) -> Vec<String> {
            let mut told = vec![Ok(Event::Init)];
            let maps = names.iter().map(|name| map(namespace, name));
            told.extend(maps.map(|map| Ok(Event::InitApply(map))));
            told.push(Ok(Event::InitDone));
            self.after(namespace, told)
        }

        fn has(&self, namespace: &str, name: &str) -> bool {
            let reference = ObjectRef::new(name).within(namespace);
            self.store.get(&reference).is_some()
        }
    }

    #[test]
    fn there_is_one_list_once_all_are_through() {
        let mut bed = Bed::new(false);
        assert_eq!(bed.list("a", &["x", "y"]), [""; 0]);
        // One that is through goes on meanwhile.
        let changes = vec![
            Ok(Event::Apply(map("a", "z"))),
            Ok(Event::Delete(map("a", "y"))),
        ];
        assert_eq!(bed.after("a", changes), [""; 0]);
        let mut told = bed.list("b", &["x"]);
        told[1..4].sort();
        assert_eq!(
            told,
            [
                "Init",
                "InitApply(x)",
                "InitApply(x)",
                "InitApply(z)",
                "InitDone"
            ]
        );
        let found = [("a", "x"), ("a", "z"), ("b", "x")];
        assert!(found.iter().all(|(space, name)| bed.has(space, name)));
        assert_eq!(bed.store.len(), 3);
        // They are told whole.
        let known = bed.store.get(&ObjectRef::new("x").within("a")).unwrap();
        assert_eq!(*known, map("a", "x"));
    }

    #[test]
    fn another_list_of_one_namespace_is_told_as_changes() {
        let mut bed = Bed::new(false);
        bed.list("a", &["x", "y"]);
        bed.list("b", &["x", "y"]);
        let told = bed.list("a", &["y", "z"]);
        assert_eq!(told, ["Apply(y)", "Apply(z)", "Delete(x)"]);
        assert!(!bed.has("a", "x") && bed.has("b", "x"));
        assert_eq!(bed.store.len(), 4);
        // What came as a change is known as well.
        bed.after("a", vec![Ok(Event::Apply(map("a", "late")))]);
        bed.after("a", vec![Ok(Event::Delete(map("a", "y")))]);
        assert_eq!(bed.list("a", &["z"]), ["Apply(z)", "Delete(late)"]);
        assert_eq!(bed.store.len(), 3);
    }

    #[test]
    fn what_a_list_told_before_it_broke_is_not_forgotten() {
        let mut bed = Bed::new(false);
        // At first nothing of it is told.
        let broken = vec![
            Ok(Event::Init),
            Ok(Event::InitApply(map("a", "x"))),
            Err(refused(500)),
        ];
        assert_eq!(bed.after("a", broken), ["error"]);
        bed.list("b", &[]);
        assert_eq!(bed.list("a", &["y"]), ["Init", "InitApply(y)", "InitDone"]);
        // Later it is told at once, and taken back.
        let broken = vec![
            Ok(Event::Init),
            Ok(Event::InitApply(map("a", "x"))),
            Err(refused(500)),
        ];
        assert_eq!(bed.after("a", broken), ["Apply(x)", "error"]);
        assert_eq!(bed.list("a", &["y"]), ["Apply(y)", "Delete(x)"]);
        assert_eq!(bed.store.len(), 1);
    }

    #[test]
    fn a_namespace_that_may_not_be_listed_keeps_nobody_waiting() {
        let mut bed = Bed::new(false);
        bed.list("a", &["x"]);
        assert_eq!(
            bed.after("b", vec![Ok(Event::Init), Err(refused(503))]),
            ["error"]
        );
        // An API server that has just started refuses what it will allow in a moment.
        for _ in 1..GIVEN_UP {
            let told = bed.after("b", vec![Ok(Event::Init), Err(refused(403))]);
            assert_eq!(told, ["error"]);
        }
        let told = bed.after("b", vec![Ok(Event::Init), Err(refused(403))]);
        assert_eq!(told, ["error", "Init", "InitApply(x)", "InitDone"]);
        assert_eq!(bed.list("b", &["x"]), ["Apply(x)"]);
        assert!(bed.has("a", "x") && bed.has("b", "x"));
    }

    #[test]
    fn where_nothing_may_be_missed_nobody_is_given_up() {
        let mut bed = Bed::new(true);
        bed.list("a", &["x"]);
        for _ in 0..100 {
            let told = bed.after("b", vec![Ok(Event::Init), Err(refused(403))]);
            assert_eq!(told, ["error"]);
        }
        let mut told = bed.list("b", &["x"]);
        told.sort();
        assert_eq!(told, ["Init", "InitApply(x)", "InitApply(x)", "InitDone"]);
    }

    #[test]
    fn what_has_gone_tells_whose_it_was_and_is_kept_small() {
        let mut merge = Merge {
            begun: false,
            every: true,
            parts: vec![Part::default(), Part::default()],
        };
        for number in [0, 1] {
            merge.answers(number, Ok(Event::InitApply(map("a", "x"))));
            merge.answers(number, Ok(Event::InitDone));
        }
        let told = merge.answers(0, Ok(Event::InitDone));
        let Some(Ok(Event::Delete(gone))) = told.first() else {
            panic!("{told:?}");
        };
        assert!(gone.metadata.labels.is_some());
        assert_eq!(gone.metadata.managed_fields, None);
        assert_eq!(gone.metadata.annotations, None);
    }
}
