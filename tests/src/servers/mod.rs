//! Servers as plain processes on loopback: what integration tests run against, no root and no node needed.

pub mod control_plane;
pub mod folder;
pub mod http;
pub mod kubernetes;
pub mod minio;
pub mod nginx;
pub mod nodes;
pub mod npm;
pub mod oracles;
pub mod postgres;
pub mod schemathesis;
pub mod versitygw;

use crate::error::IoContext;
use crate::process::Server;
use crate::tools::{Tool, Toolbox, debian};
use crate::{Error, Result};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A part of the test bed that can be started by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// PostgreSQL: `FGW_TEST_POSTGRES_URL`.
    Postgres,
    /// versitygw with its IAM server: `FGW_TEST_S3_*` and `FGW_TEST_IAM_ENDPOINT`.
    S3,
    /// MinIO: `FGW_TEST_MINIO_*`.
    Minio,
    /// etcd and kube-apiserver: `FGW_TEST_KUBECONFIG`.
    Kubernetes,
    /// Go's `http.ServeContent` and nginx: `FGW_TEST_ORACLES_*`.
    Oracles,
    /// Node.js with tus-js-client, which is no server: `FGW_TEST_TUS`.
    Tus,
    /// Node.js with Playwright, and Chromium: `FGW_TEST_BROWSER`.
    Browser,
    /// Python with schemathesis, which is no server either: `FGW_TEST_SCHEMATHESIS`.
    Schemathesis,
    /// `promtool` and `kubeconform` on the `PATH`, which check what the chart makes.
    Checkers,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 9] = [
        Self::Postgres,
        Self::S3,
        Self::Minio,
        Self::Kubernetes,
        Self::Oracles,
        Self::Tus,
        Self::Browser,
        Self::Schemathesis,
        Self::Checkers,
    ];

    /// The tools that it needs.
    #[must_use]
    pub fn tools(self) -> &'static [Tool] {
        match self {
            Self::Postgres | Self::Oracles | Self::Tus | Self::Browser | Self::Schemathesis => &[],
            Self::Checkers => &[Tool::Kubeconform],
            Self::S3 => &[Tool::Versitygw],
            Self::Minio => &[Tool::Minio],
            Self::Kubernetes => &[Tool::Etcd, Tool::KubeApiserver, Tool::Kubectl, Tool::Helm],
        }
    }
}

/// What one part brought up.
#[derive(Debug, Default)]
pub struct Started {
    /// Its processes, in the order of their start.
    pub servers: Vec<Server>,
    /// Variables that tell tests where it is.
    pub variables: Vec<(&'static str, String)>,
}

/// Running servers with their data in a temporary folder. Dropping it kills them and removes the data.
#[derive(Debug)]
pub struct Servers {
    servers: Vec<Server>,
    /// Variables that tell tests where the servers are.
    pub variables: Vec<(&'static str, String)>,
    /// Where the tools are.
    pub toolbox: Toolbox,
    _folder: TempDir,
}

impl Servers {
    /// Starts parts beside each other and waits until each of them answers. Logs go to `logs`, or into
    /// the temporary folder.
    ///
    /// # Errors
    /// A tool is missing, or a server doesn't come up; those that did are ended.
    pub async fn start(parts: &[Part], logs: Option<&Path>) -> Result<Self> {
        Self::start_in(folder::anywhere()?, parts, logs).await
    }

    /// [`Servers::start`] with the data in `folder`.
    ///
    /// # Errors
    /// A tool is missing, or a server doesn't come up; those that did are ended.
    pub async fn start_in(folder: TempDir, parts: &[Part], logs: Option<&Path>) -> Result<Self> {
        let tools: Vec<Tool> = parts
            .iter()
            .flat_map(|part| part.tools())
            .copied()
            .collect();
        let toolbox = Toolbox::prepare(&tools)?;
        if parts.contains(&Part::Postgres) {
            debian::ensure(debian::POSTGRES)?;
        }
        if parts.contains(&Part::Oracles) {
            debian::ensure(&[debian::ORACLES, debian::CLOCK].concat())?;
        }
        if parts.contains(&Part::Tus) || parts.contains(&Part::Browser) {
            debian::ensure(debian::NPM)?;
        }
        if parts.contains(&Part::Browser) {
            debian::ensure(debian::BROWSER)?;
        }
        if parts.contains(&Part::Schemathesis) {
            debian::ensure(debian::PYTHON)?;
        }
        if parts.contains(&Part::Checkers) {
            debian::ensure(debian::PROMTOOL)?;
        }
        let logs = logs.map_or_else(|| folder.path().join("logs"), PathBuf::from);
        std::fs::create_dir_all(&logs).at("create", &logs)?;
        let place = Place {
            folder: folder.path().to_owned(),
            logs,
            toolbox: toolbox.clone(),
        };

        let wanted = |part| parts.contains(&part);
        let (postgres, s3, minio, kubernetes, oracles, tus, browser, schemathesis) = tokio::try_join!(
            maybe(wanted(Part::Postgres), postgres::start(&place)),
            maybe(wanted(Part::S3), versitygw::start(&place)),
            maybe(wanted(Part::Minio), minio::start(&place)),
            maybe(wanted(Part::Kubernetes), kubernetes::start(&place)),
            maybe(wanted(Part::Oracles), oracles::start(&place)),
            maybe(wanted(Part::Tus), npm::start(npm::TUS)),
            maybe(wanted(Part::Browser), npm::start(npm::BROWSER)),
            maybe(wanted(Part::Schemathesis), schemathesis::start()),
        )?;
        let (mut servers, mut variables) = (Vec::new(), Vec::new());
        for part in [
            postgres,
            s3,
            minio,
            kubernetes,
            oracles,
            tus,
            browser,
            schemathesis,
        ] {
            servers.extend(part.servers);
            variables.extend(part.variables);
        }
        Ok(Self {
            servers,
            variables,
            toolbox,
            _folder: folder,
        })
    }

    /// What a part said about itself.
    ///
    /// # Errors
    /// The part was not started.
    pub fn variable(&self, name: &str) -> Result<&str> {
        let found = self.variables.iter().find(|(known, _)| *known == name);
        let missing = || Error::Missing(format!("{name}: its part was not started"));
        found.map(|(_, value)| value.as_str()).ok_or_else(missing)
    }

    /// The process id of a server by the name of its log.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn pid(&self, name: &str) -> Result<u32> {
        let found = self.servers.iter().find(|server| server.name() == name);
        let missing = || Error::Missing(format!("{name}: its part was not started"));
        found.map(Server::pid).ok_or_else(missing)
    }

    /// A server by the name of its log.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn server(&mut self, name: &str) -> Result<&mut Server> {
        let found = self.servers.iter_mut().find(|server| server.name() == name);
        found.ok_or_else(|| Error::Missing(format!("{name}: its part was not started")))
    }

    /// Ends the servers, last started first.
    ///
    /// # Errors
    /// A server can't be waited for.
    pub async fn stop(mut self) -> Result<()> {
        while let Some(server) = self.servers.pop() {
            server.stop().await?;
        }
        Ok(())
    }
}

/// Where a part puts its data and logs, and finds its programs.
#[derive(Debug)]
pub struct Place {
    /// A folder shared by all parts; each makes one of its own in it.
    pub folder: PathBuf,
    /// Log files.
    pub logs: PathBuf,
    /// Programs.
    pub toolbox: Toolbox,
}

impl Place {
    /// Makes a part's own folder.
    ///
    /// # Errors
    /// It can't be made.
    pub fn make(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder).at("create", &folder)?;
        Ok(folder)
    }
}

/// A port of 127.0.0.1 that nothing listens on now.
///
/// # Errors
/// The machine has none left.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).at("bind", "127.0.0.1:0")?;
    Ok(listener.local_addr().at("bind", "127.0.0.1:0")?.port())
}

async fn maybe(wanted: bool, part: impl Future<Output = Result<Started>>) -> Result<Started> {
    if wanted {
        part.await
    } else {
        Ok(Started::default())
    }
}

/// A user to run a server as that will not or shall not run as root: `postgres`, or `nobody`. None when the
/// caller is an ordinary user.
fn unprivileged_user() -> Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd").at("read", "/etc/passwd")?;
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| ids_of(&users, name))
        .map(Some)
        .ok_or_else(|| Error::Missing("no user `postgres` or `nobody` to run servers as".into()))
}

/// User and group id of a name in the text of `passwd(5)`.
fn ids_of(users: &str, name: &str) -> Option<(u32, u32)> {
    users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        match fields[..] {
            [user, _, uid, gid, ..] if user == name => Some((uid.parse().ok()?, gid.parse().ok()?)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name() {
        let users = "postgresql:x:7:8::/:/bin/sh\npostgres:x:101:104:admin:/var:/bin/bash\n";
        assert_eq!(ids_of(users, "postgres"), Some((101, 104)));
        assert_eq!(ids_of(users, "nobody"), None);
    }
}
