//! `target/run.json`: where the gateways are and who may call them, for scripts.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::IoContext;
use crate::{Result, secret};

/// What `make run` writes and `gateway dev --json` prints.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunFile {
    /// The cluster's kubeconfig; absent for `gateway dev`.
    pub kubeconfig: Option<PathBuf>,
    /// The gateways, one per organization.
    pub gateways: Vec<Gateway>,
}

/// One reachable gateway.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Gateway {
    /// Namespace of its FileGateway.
    pub namespace: String,
    /// Name of its FileGateway.
    pub name: String,
    /// The organization that it serves.
    pub organization: String,
    /// Its base URL, without a slash at the end.
    pub url: String,
    /// Its bucket.
    pub bucket: String,
    /// Bearer tokens of three callers.
    pub tokens: Tokens,
}

/// JWTs of one organization's callers, good for a day.
#[derive(Clone, Serialize, Deserialize)]
pub struct Tokens {
    /// A member, who uploads.
    pub member: String,
    /// Another member.
    pub other_member: String,
    /// An admin of the organization.
    pub admin: String,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(…)")
    }
}

impl RunFile {
    /// Writes it for the owner alone: it holds tokens.
    ///
    /// # Errors
    /// When the file or its folder can't be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).at("create", folder)?;
        }
        secret::write(path, &format!("{}\n", serde_json::to_string_pretty(self)?))
    }
}
