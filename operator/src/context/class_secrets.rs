//! The Secrets that classes name, as they were read. Each of a thousand gateways needs them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Context;
use crate::secrets::{self, SecretError};
use crate::sensitive::Sensitive;

/// Values by Secret and key, with the version that a watch told of before they were read.
#[derive(Default)]
pub(super) struct ClassSecrets(Mutex<HashMap<String, Read>>);

struct Read {
    version: u64,
    values: HashMap<&'static str, Sensitive>,
}

impl ClassSecrets {
    fn get<const N: usize>(
        &self,
        name: &str,
        version: u64,
        keys: [&'static str; N],
    ) -> Option<[Sensitive; N]> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let read = all.get(name).filter(|read| read.version == version)?;
        let values: Option<Vec<Sensitive>> = keys
            .iter()
            .map(|key| read.values.get(key).cloned())
            .collect();
        values?.try_into().ok()
    }

    fn put<const N: usize>(
        &self,
        name: &str,
        version: u64,
        keys: [&'static str; N],
        values: &[Sensitive; N],
    ) {
        let values = keys.into_iter().zip(values.iter().cloned()).collect();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(name.to_string(), Read { version, values });
    }
}

/// What watches of the operator's own namespace are known by, where it is not watched besides.
pub const OWN_SECRETS: &str = "Secret of the operator's namespace";

impl Context {
    /// Changes with each change of a Secret in the operator's namespace; `None` when it is not there.
    pub fn version_of_own_secret(&self, name: &str) -> Option<u64> {
        let seen = |kind| self.known.seen(kind, &self.config.operator_namespace, name);
        seen("Secret").or_else(|| seen(OWN_SECRETS))
    }

    /// The values of `keys` of the Secret called `name` in the operator's namespace. It is read once for
    /// each version that a watch tells of, or each time where nobody watches it.
    ///
    /// # Errors
    /// When the Secret or one of the keys is missing, or the API server fails.
    pub(super) async fn class_secret<const N: usize>(
        &self,
        name: &str,
        keys: [&'static str; N],
    ) -> Result<[Sensitive; N], SecretError> {
        let namespace = &self.config.operator_namespace;
        let version = self.version_of_own_secret(name);
        if let Some(version) = version
            && let Some(values) = self.class_secrets.get(name, version, keys)
        {
            return Ok(values);
        }
        let values = secrets::read(&self.client, namespace, name, keys).await?;
        if let Some(version) = version {
            self.class_secrets.put(name, version, keys, &values);
        }
        Ok(values)
    }
}
