//! Where settings come from: variables first, then the configuration file.

use std::path::Path;

use super::file::File;
use super::names::{CONFIG_FILE, PREFIX, key_of, nearest};
use super::reader::{ConfigError, Problem, Reader};
use super::{Backends, Config, Database, Lookup};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// From the variable itself.
    Variable,
    /// From its key in the configuration file.
    File,
    /// From nowhere, so the documented default holds.
    Default,
}

/// The variables, and the configuration file if there is one.
pub struct Sources<'a> {
    environment: Lookup<'a>,
    file: Option<File>,
    problems: Vec<Problem>,
}

impl<'a> Sources<'a> {
    /// The variables that `environment` knows, and the file called `file`, or else by the variable
    /// `FILEGATEWAY_CONFIG_FILE`. A file that can't be read is a problem like any other.
    pub fn load(environment: Lookup<'a>, file: Option<&Path>) -> Self {
        let (field, path) = match file {
            Some(path) => ("--config", Some(path.to_owned())),
            None => (
                CONFIG_FILE,
                environment(CONFIG_FILE)
                    .map(|path| path.trim().to_owned())
                    .filter(|path| !path.is_empty())
                    .map(Into::into),
            ),
        };
        let mut problems = Vec::new();
        let file = path.and_then(|path| {
            File::read(&path)
                .map_err(|message| problems.push(Problem::new(field, message)))
                .ok()
        });
        Self {
            environment,
            file,
            problems,
        }
    }

    /// Everything that `serve` needs.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem found.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let mut reader = self.reader();
        let config = Config::from(&mut reader);
        reader.finish(config)
    }

    /// What `worker` needs.
    ///
    /// # Errors
    /// As [`Sources::config`].
    pub fn backends(&self) -> Result<Backends, ConfigError> {
        let mut reader = self.reader();
        let backends = Backends::from(&mut reader);
        reader.finish(backends)
    }

    /// What `migrate` needs.
    ///
    /// # Errors
    /// As [`Sources::config`].
    pub fn database(&self) -> Result<Database, ConfigError> {
        let mut reader = self.reader();
        let database = Database::from(&mut reader);
        reader.finish(database)
    }

    /// `FILEGATEWAY_LOG`: what to log, in tracing's filter syntax.
    pub fn log_filter(&self, default: &str) -> String {
        Reader::new(self).text("FILEGATEWAY_LOG", default)
    }

    /// Those of `names` that look like variables of the gateway and are none, each with what was
    /// most likely meant. Variables that Kubernetes makes up for a Service called `filegateway…`
    /// are not among them.
    pub fn unknown_variables(
        &self,
        names: impl IntoIterator<Item = String>,
    ) -> Vec<(String, Option<String>)> {
        let known = known();
        names
            .into_iter()
            .filter(|name| name.starts_with(PREFIX) && !is_service_link(name))
            .filter(|name| !known.contains(&name.as_str()) && name != CONFIG_FILE)
            .map(|name| {
                let meant = nearest(&name, known.iter().map(|name| (*name).to_owned()));
                (name, meant)
            })
            .collect()
    }

    /// The text of a setting, and where it came from. An empty variable counts as absent: a
    /// ConfigMap has no other way to leave one out.
    pub(super) fn get(&self, variable: &str) -> Option<(String, Origin)> {
        let said = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        if let Some(text) = (self.environment)(variable).as_deref().and_then(said) {
            return Some((text, Origin::Variable));
        }
        let values = &self.file.as_ref()?.values;
        let text = values.get(&key_of(variable))?;
        Some((said(text)?, Origin::File))
    }

    /// What to call a setting in a problem: the variable, or the file's key if it was set there.
    pub(super) fn field(&self, variable: &str) -> String {
        match (self.get(variable), &self.file) {
            (Some((_, Origin::File)), Some(file)) => in_file(&key_of(variable), file),
            _ => variable.to_owned(),
        }
    }

    /// The path of the file, for people.
    pub(super) fn file_name(&self) -> String {
        let file = self.file.as_ref();
        file.map_or_else(String::new, |file| file.path.display().to_string())
    }

    /// What is wrong before any setting is looked at.
    fn reader(&self) -> Reader<'_> {
        let mut reader = Reader::new(self);
        for problem in &self.problems {
            reader.add(problem.clone());
        }
        let Some(file) = &self.file else {
            return reader;
        };
        for (key, message) in &file.unusable {
            reader.add(Problem::new(in_file(key, file), *message));
        }
        let known: Vec<_> = known().into_iter().map(key_of).collect();
        for key in file.values.keys().filter(|key| !known.contains(key)) {
            let message = match nearest(key, known.iter().cloned()) {
                Some(meant) => format!("is no known key; did you mean {meant}?"),
                None => "is no known key".to_owned(),
            };
            reader.add(Problem::new(in_file(key, file), message));
        }
        reader
    }
}

fn in_file(key: &str, file: &File) -> String {
    format!("{key} in {}", file.path.display())
}

/// Every variable that any command looks at.
pub(super) fn known() -> Vec<&'static str> {
    let nothing = |_: &str| None;
    let sources = Sources::load(&nothing, None);
    let mut reader = Reader::new(&sources);
    Config::from(&mut reader);
    reader.text("FILEGATEWAY_LOG", "");
    reader
        .seen()
        .into_iter()
        .map(|seen| seen.variable)
        .collect()
}

/// `FILEGATEWAY_SERVICE_HOST`, `FILEGATEWAY_PORT_8080_TCP_ADDR` and so on, with or without more of
/// the Service's name between.
fn is_service_link(name: &str) -> bool {
    let ends = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"];
    ends.iter().any(|end| name.ends_with(end))
        || name.contains("_SERVICE_PORT_")
        || name
            .split_once("_PORT_")
            .is_some_and(|(_, rest)| rest.starts_with(|first: char| first.is_ascii_digit()))
}
