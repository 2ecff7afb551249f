//! Programs that the test bed runs: found where the user has them, else built once and kept.
//!
//! Order: the folder named by `KUBEBUILDER_ASSETS` (taken as it is), our own cache, the `PATH` when the
//! version fits, and last a build from source with Go. Nothing is downloaded as a binary.

mod build;
pub mod catalog;
pub mod debian;

use crate::error::IoContext;
use crate::{Result, cache, command};
pub use catalog::{Source, Tool};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where each asked tool is.
#[derive(Debug, Clone, Default)]
pub struct Toolbox {
    paths: BTreeMap<Tool, PathBuf>,
}

impl Toolbox {
    /// Finds the tools, and builds those that are nowhere.
    ///
    /// # Errors
    /// Go is missing or a build fails.
    pub fn prepare(tools: &[Tool]) -> Result<Self> {
        let mut toolbox = Self::default();
        let missing = toolbox.look_up(tools);
        if !missing.is_empty() {
            // Another process may be building the same tools: wait for it, then look again.
            let _lock = lock()?;
            let missing = toolbox.look_up(&missing);
            toolbox.paths.extend(build::all(&missing)?);
        }
        Ok(toolbox)
    }

    /// Those tools that [`Toolbox::prepare`] would have to build.
    #[must_use]
    pub fn missing(tools: &[Tool]) -> Vec<Tool> {
        tools
            .iter()
            .copied()
            .filter(|tool| find(*tool).is_none())
            .collect()
    }

    /// Notes the tools that are there already and returns the others.
    fn look_up(&mut self, tools: &[Tool]) -> Vec<Tool> {
        let mut missing = Vec::new();
        for &tool in tools {
            match find(tool) {
                Some(path) => drop(self.paths.insert(tool, path)),
                None => missing.push(tool),
            }
        }
        missing
    }

    /// A command that runs one of the prepared tools.
    #[must_use]
    pub fn command(&self, tool: Tool) -> Command {
        Command::new(self.path(tool))
    }

    /// Where a tool is; its bare name when it was not among the prepared.
    #[must_use]
    pub fn path(&self, tool: Tool) -> PathBuf {
        self.paths
            .get(&tool)
            .cloned()
            .unwrap_or_else(|| PathBuf::from(tool.name()))
    }

    /// This process's `PATH` with the folders of the tools in front.
    #[must_use]
    pub fn search_path(&self) -> OsString {
        let mut folders: Vec<PathBuf> = Vec::new();
        let own = self
            .paths
            .values()
            .filter_map(|path| path.parent().map(Path::to_owned));
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        for folder in own.chain(std::env::split_paths(&inherited)) {
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        std::env::join_paths(folders).unwrap_or(inherited)
    }

    /// Tools and paths, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (Tool, &Path)> {
        self.paths
            .iter()
            .map(|(tool, path)| (*tool, path.as_path()))
    }
}

/// Where a tool is before anything is built.
fn find(tool: Tool) -> Option<PathBuf> {
    let asset = || {
        let folder = std::env::var_os("KUBEBUILDER_ASSETS").filter(|value| !value.is_empty())?;
        Some(PathBuf::from(folder).join(tool.name())).filter(|path| command::is_executable(path))
    };
    let cached = || Some(build::target(tool)).filter(|path| command::is_executable(path));
    let installed = || command::find(tool.name()).filter(|path| version_fits(tool, path));
    asset().or_else(cached).or_else(installed)
}

/// Asks a program for its version; only an answer that names the wanted one will do.
fn version_fits(tool: Tool, path: &Path) -> bool {
    let Some((arguments, wanted)) = tool.version_check() else {
        return false;
    };
    Command::new(path)
        .args(arguments)
        .output()
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(&wanted))
}

/// Held while something is built.
fn lock() -> Result<std::fs::File> {
    let folder = cache::folder("tools");
    std::fs::create_dir_all(&folder).at("create", &folder)?;
    let path = folder.join("lock");
    let file = std::fs::File::create(&path).at("create", &path)?;
    if file.try_lock().is_err() {
        eprintln!("tools: waiting for another process that is building them");
        file.lock().at("lock", &path)?;
    }
    Ok(file)
}
