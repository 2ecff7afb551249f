//! How long the values are that gateways' own Secrets have, as they were found; the values are not kept.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Context;
use crate::meta::Owner;
use crate::secrets::{self, SecretError};

/// By gateway.
#[derive(Default)]
pub(super) struct Lengths(Mutex<HashMap<String, Own>>);

/// By Secret and key.
type Own = HashMap<(String, String), Found>;

#[derive(Clone, Copy)]
struct Found {
    /// That a watch told of before the Secret was read.
    version: u64,
    length: Option<usize>,
}

impl Lengths {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Own>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }
}

impl Context {
    /// [`secrets::length_of`] a Secret that `owner`'s spec names, read once for each version that a watch
    /// tells of.
    ///
    /// # Errors
    /// When the API server fails.
    pub async fn length_of(
        &self,
        owner: &Owner,
        name: &str,
        key: &str,
    ) -> Result<Option<usize>, SecretError> {
        let version = self.known.seen("Secret", &owner.namespace, name);
        let at = (name.to_string(), key.to_string());
        let found = {
            let all = self.lengths.lock();
            all.get(&owner.uid).and_then(|own| own.get(&at)).copied()
        };
        if let (Some(version), Some(found)) = (version, found)
            && found.version == version
        {
            return Ok(found.length);
        }
        let length = secrets::length_of(&self.client, &owner.namespace, name, key).await?;
        if let Some(version) = version {
            let mut all = self.lengths.lock();
            let own = all.entry(owner.uid.clone()).or_default();
            own.insert(at, Found { version, length });
        }
        Ok(length)
    }
}
