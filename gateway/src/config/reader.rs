//! Reads settings and collects what is wrong with them.

use std::cell::RefCell;
use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use url::Url;

use super::effective::Setting;
use super::sources::{Origin, Sources};

/// One setting that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable, or the key of the configuration file, whichever the value came from.
    pub field: String,
    /// What is wrong, and what is expected.
    pub message: String,
}

impl Problem {
    pub(super) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// Every problem of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// In the order in which the variables are documented; at least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the configuration has {} problem(s):",
            self.problems.len()
        )?;
        for problem in &self.problems {
            write!(formatter, "\n  {}: {}", problem.field, problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Reads settings, by the names of their variables. A problem is noted and a stand-in returned, so that reading goes on to the next
/// one; [`Reader::finish`] lets no stand-in out.
pub(super) struct Reader<'a> {
    sources: &'a Sources<'a>,
    problems: Vec<Problem>,
    seen: RefCell<Vec<Setting>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(sources: &'a Sources<'a>) -> Self {
        Self {
            sources,
            problems: Vec::new(),
            seen: RefCell::default(),
        }
    }

    /// Every setting that was looked at, in order.
    pub(super) fn seen(self) -> Vec<Setting> {
        self.seen.into_inner()
    }

    pub(super) fn finish<T>(self, value: T) -> Result<T, ConfigError> {
        if self.problems.is_empty() {
            Ok(value)
        } else {
            Err(ConfigError {
                problems: self.problems,
            })
        }
    }

    pub(super) fn problem(&mut self, variable: &'static str, message: impl Into<String>) {
        self.add(Problem::new(self.sources.field(variable), message));
    }

    pub(super) fn add(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// A setting that says something.
    pub(super) fn optional(&self, variable: &'static str) -> Option<String> {
        let found = self.sources.get(variable);
        let mut seen = self.seen.borrow_mut();
        if seen.iter().all(|setting| setting.variable != variable) {
            let (value, origin) = found.clone().unzip();
            seen.push(Setting {
                variable,
                value,
                origin: origin.unwrap_or(Origin::Default),
            });
        }
        found.map(|(text, _)| text)
    }

    /// Notes what holds while a setting that was looked at is absent.
    pub(super) fn note_default(&self, variable: &str, default: &dyn Display) {
        let mut seen = self.seen.borrow_mut();
        let setting = seen.iter_mut().find(|setting| setting.variable == variable);
        if let Some(setting) = setting
            && setting.value.is_none()
        {
            setting.value = Some(default.to_string());
        }
    }

    pub(super) fn required(&mut self, variable: &'static str) -> String {
        self.optional(variable).unwrap_or_else(|| {
            self.problem(variable, "is required and not set");
            String::new()
        })
    }

    pub(super) fn text(&self, variable: &'static str, default: &str) -> String {
        let text = self.optional(variable);
        self.note_default(variable, &default);
        text.unwrap_or_else(|| default.to_owned())
    }

    pub(super) fn path(&self, variable: &'static str, default: &str) -> PathBuf {
        PathBuf::from(self.text(variable, default))
    }

    pub(super) fn parsed<T: FromStr + Display>(
        &mut self,
        variable: &'static str,
        default: T,
        expected: &str,
    ) -> T {
        let text = self.optional(variable);
        self.note_default(variable, &default);
        match text.map(|text| text.parse().map_err(|_| text)) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(text)) => {
                self.problem(variable, format!("{text:?} is not {expected}"));
                default
            }
        }
    }

    pub(super) fn number(
        &mut self,
        variable: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> u64 {
        let expected = format!("a number from {} to {}", range.start(), range.end());
        let number = self.parsed(variable, default, &expected);
        if !range.contains(&number) {
            self.problem(variable, format!("{number} is not {expected}"));
        }
        number
    }

    /// A number of whole seconds.
    pub(super) fn seconds(
        &mut self,
        variable: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Duration {
        Duration::from_secs(self.number(variable, default, range))
    }

    pub(super) fn choice<T: Copy + PartialEq>(
        &mut self,
        variable: &'static str,
        default: T,
        choices: &[(&str, T)],
    ) -> T {
        let text = self.optional(variable);
        if let Some((name, _)) = choices.iter().find(|(_, value)| *value == default) {
            self.note_default(variable, name);
        }
        let Some(text) = text else {
            return default;
        };
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
            return *value;
        }
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        self.problem(
            variable,
            format!("{text:?} is not one of {}", names.join(", ")),
        );
        default
    }

    pub(super) fn http_url(&mut self, variable: &'static str) -> Option<Url> {
        let text = self.optional(variable)?;
        let url = Url::parse(&text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if url.is_none() {
            self.problem(variable, format!("{text:?} is not an http or https URL"));
        }
        url
    }
}
