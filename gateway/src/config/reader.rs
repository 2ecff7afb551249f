//! Reads variables and collects what is wrong with them.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use url::Url;

use super::Lookup;

/// One variable that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable.
    pub variable: &'static str,
    /// What is wrong, and what is expected.
    pub message: String,
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
            write!(formatter, "\n  {}: {}", problem.variable, problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Reads variables. A problem is noted and a stand-in returned, so that reading goes on to the next
/// variable; [`Reader::finish`] lets no stand-in out.
pub(super) struct Reader<'a> {
    lookup: Lookup<'a>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(lookup: Lookup<'a>) -> Self {
        Self {
            lookup,
            problems: Vec::new(),
        }
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
        self.problems.push(Problem {
            variable,
            message: message.into(),
        });
    }

    /// A variable that is set and says something. An empty one counts as absent: a ConfigMap has no
    /// other way to leave one out.
    pub(super) fn optional(&self, variable: &'static str) -> Option<String> {
        (self.lookup)(variable)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    pub(super) fn required(&mut self, variable: &'static str) -> String {
        self.optional(variable).unwrap_or_else(|| {
            self.problem(variable, "is required and not set");
            String::new()
        })
    }

    pub(super) fn text(&self, variable: &'static str, default: &str) -> String {
        self.optional(variable)
            .unwrap_or_else(|| default.to_owned())
    }

    pub(super) fn path(&self, variable: &'static str, default: &str) -> PathBuf {
        PathBuf::from(self.text(variable, default))
    }

    pub(super) fn parsed<T: FromStr>(
        &mut self,
        variable: &'static str,
        default: T,
        expected: &str,
    ) -> T {
        match self
            .optional(variable)
            .map(|text| text.parse().map_err(|_| text))
        {
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

    pub(super) fn choice<T: Copy>(
        &mut self,
        variable: &'static str,
        default: T,
        choices: &[(&str, T)],
    ) -> T {
        let Some(text) = self.optional(variable) else {
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
