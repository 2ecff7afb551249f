//! Which of the kinds that a cluster may lack this one has.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use kube::Client;

use crate::optional::OptionalKind;

/// What was found by those who look from time to time.
#[derive(Debug, Default)]
pub struct Served(Mutex<HashMap<&'static str, bool>>);

impl Served {
    /// Takes note that the cluster has `kind`, or lacks it.
    pub fn note(&self, kind: OptionalKind, served: bool) {
        self.lock().insert(kind.kind, served);
    }

    /// Whether the cluster has `kind`; asks `client` as long as nobody else did.
    ///
    /// # Errors
    /// When the API server can't be asked.
    pub async fn has(&self, client: &Client, kind: OptionalKind) -> Result<bool, kube::Error> {
        let known = self.lock().get(kind.kind).copied();
        match known {
            Some(served) => Ok(served),
            None => kind.is_served(client).await,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<&'static str, bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
