//! The versions of FileGateways as this process wrote them last.
//!
//! Status says what was created, so a pass must not begin with one that is older. What a watch shows is good
//! enough when it is the version that was written last, or else it is read.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crds::FileGateway;

/// Of all gateways, by UID.
#[derive(Debug, Default)]
pub struct Writes(Mutex<HashMap<String, String>>);

impl Writes {
    /// Takes note of what the API server answered to a write.
    pub fn note(&self, written: &FileGateway) {
        let meta = &written.metadata;
        if let (Some(uid), Some(version)) = (&meta.uid, &meta.resource_version) {
            self.lock().insert(uid.clone(), version.clone());
        }
    }

    /// Whether `seen` is as this process wrote it last.
    pub fn is_last(&self, seen: &FileGateway) -> bool {
        let meta = &seen.metadata;
        let Some(uid) = &meta.uid else {
            return false;
        };
        meta.resource_version.is_some() && self.lock().get(uid) == meta.resource_version.as_ref()
    }

    /// A gateway is gone.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_last_write_is_good_enough() {
        let gateway = |version: &str| -> FileGateway {
            serde_json::from_value(json!({
                "apiVersion": "filegateway.dev/v1alpha1",
                "kind": "FileGateway",
                "metadata": {"name": "files", "uid": "u", "resourceVersion": version},
                "spec": {"organization": "acme", "auth": {"issuer": "i", "audience": "a"}},
            }))
            .unwrap()
        };
        let writes = Writes::default();
        assert!(!writes.is_last(&gateway("1")), "somebody else wrote it");
        writes.note(&gateway("2"));
        assert!(writes.is_last(&gateway("2")));
        assert!(!writes.is_last(&gateway("1")));
        assert!(!writes.is_last(&gateway("3")));
        writes.forget("u");
        assert!(!writes.is_last(&gateway("2")));
    }
}
