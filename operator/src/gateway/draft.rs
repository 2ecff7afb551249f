//! A status on its way: changed by several steps, written only when it differs.

use crds::{FileGateway, FileGatewayStatus};
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Resource};
use serde_json::json;
use tokio::sync::Mutex;

use super::error::Error;
use crate::meta::{MANAGER, Owner};

/// The status of one gateway during one reconcile.
pub struct Draft {
    api: Api<FileGateway>,
    owner: Owner,
    status: Mutex<Both>,
}

struct Both {
    /// As it is to be.
    next: FileGatewayStatus,
    /// As it is on the API server.
    written: FileGatewayStatus,
}

impl Draft {
    /// Starts from the status that `gateway` has.
    pub fn new(client: &Client, gateway: &FileGateway, owner: &Owner) -> Self {
        let status = gateway.status.clone().unwrap_or_default();
        Self {
            api: Api::namespaced(client.clone(), &owner.namespace),
            owner: owner.clone(),
            status: Mutex::new(Both {
                next: status.clone(),
                written: status,
            }),
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

    /// Applies `change` and writes the outcome if it differs; answers whether it does.
    ///
    /// # Errors
    /// When the API server refuses; the draft is as before then.
    pub async fn change(&self, change: impl FnOnce(&mut FileGatewayStatus)) -> Result<bool, Error> {
        let mut status = self.status.lock().await;
        let mut next = status.next.clone();
        change(&mut next);
        if next == status.written {
            status.next = next;
            return Ok(false);
        }
        // The UID keeps this from reaching a namesake that was made in the meantime.
        let body = json!({
            "apiVersion": FileGateway::api_version(&()),
            "kind": FileGateway::kind(&()),
            "metadata": {"name": self.owner.name, "uid": self.owner.uid},
            "status": next,
        });
        self.api
            .patch_status(
                &self.owner.name,
                &PatchParams::apply(MANAGER).force(),
                &Patch::Apply(&body),
            )
            .await
            .map_err(Error::api("write the status"))?;
        status.written.clone_from(&next);
        status.next = next;
        Ok(true)
    }
}
