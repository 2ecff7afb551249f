//! A status on its way: changed by several steps, written only when it differs.

use std::time::Duration;

use crds::{FileGateway, FileGatewayStatus};
use kube::Resource;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};

use super::error::Error;
use crate::context::Context;
use crate::meta::{MANAGER, Owner};

/// The status of one gateway during one reconcile.
pub struct Draft<'a> {
    context: &'a Context,
    owner: Owner,
    status: Mutex<Both>,
    more: Mutex<()>,
}

/// How long one step waits for what another is about to note.
const MOMENT: Duration = Duration::from_millis(500);

struct Both {
    /// As it is to be.
    next: FileGatewayStatus,
    /// As it is on the API server.
    written: FileGatewayStatus,
    /// Whether something has to be written before anything is made.
    owed: bool,
}

impl<'a> Draft<'a> {
    /// Starts from the status that `gateway` has.
    pub fn new(context: &'a Context, gateway: &FileGateway, owner: &Owner) -> Self {
        let status = gateway.status.clone().unwrap_or_default();
        Self {
            context,
            owner: owner.clone(),
            status: Mutex::new(Both {
                next: status.clone(),
                written: status,
                owed: false,
            }),
            more: Mutex::default(),
        }
    }

    /// The status with all that was changed and noted.
    pub async fn read(&self) -> FileGatewayStatus {
        self.status.lock().await.next.clone()
    }

    /// Applies `change`, to be written with the next one: for what would be found out again if this were
    /// the end.
    pub async fn note(&self, change: impl FnOnce(&mut FileGatewayStatus)) {
        change(&mut self.status.lock().await.next);
    }

    /// Applies `change`, to be written before anything is made; whether the API server does not know it yet.
    pub async fn intend(&self, change: impl FnOnce(&mut FileGatewayStatus)) -> bool {
        let mut status = self.status.lock().await;
        change(&mut status.next);
        status.owed |= status.next != status.written;
        status.owed
    }

    /// Held by a step that is about to note more, so that one write is enough.
    pub async fn more_to_come(&self) -> MutexGuard<'_, ()> {
        self.more.lock().await
    }

    /// Writes what is intended, and with it what was noted, unless that was done already.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn write(&self) -> Result<(), Error> {
        // A server that does not answer holds nobody else up.
        let _ = tokio::time::timeout(MOMENT, self.more.lock()).await;
        if !self.status.lock().await.owed {
            return Ok(());
        }
        self.change(|_| {}).await
    }

    /// Applies `change` and writes the outcome if it differs.
    ///
    /// # Errors
    /// When the API server refuses; the draft is as before then.
    pub async fn change(&self, change: impl FnOnce(&mut FileGatewayStatus)) -> Result<(), Error> {
        let mut status = self.status.lock().await;
        let mut next = status.next.clone();
        change(&mut next);
        if next == status.written {
            status.next = next;
            status.owed = false;
            return Ok(());
        }
        // The UID keeps this from reaching a namesake that was made in the meantime.
        let body = json!({
            "apiVersion": FileGateway::api_version(&()),
            "kind": FileGateway::kind(&()),
            "metadata": {"name": self.owner.name, "uid": self.owner.uid},
            "status": next,
        });
        let api: Api<FileGateway> =
            Api::namespaced(self.context.client.clone(), &self.owner.namespace);
        let written = api
            .patch_status(
                &self.owner.name,
                &PatchParams::apply(MANAGER).force(),
                &Patch::Apply(&body),
            )
            .await
            .map_err(Error::api("write the status"))?;
        self.context.writes.note(&written);
        status.written.clone_from(&next);
        status.next = next;
        status.owed = false;
        Ok(())
    }
}
