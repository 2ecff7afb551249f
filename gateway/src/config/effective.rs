//! The configuration as it is in effect, each value with where it came from.

use std::collections::BTreeMap;
use std::fmt::Write;

use url::Url;

use super::Config;
use super::names::key_of;
use super::reader::{ConfigError, Reader};
use super::sources::{Origin, Sources};
use super::webhook::URL as WEBHOOK_URL;

/// A setting that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// Its variable.
    pub(super) variable: &'static str,
    /// Its text, or its default's; none when it is simply not set.
    pub(super) value: Option<String>,
    /// Where that came from.
    pub(super) origin: Origin,
}

impl Sources<'_> {
    /// The effective configuration of `serve` as a configuration file, each value with its origin
    /// behind it. Files with secrets are named, never read; a password in a URL is left out.
    ///
    /// # Errors
    /// The problems of the configuration come beside it.
    pub fn effective(&self) -> (String, Result<(), ConfigError>) {
        let outcome = self.config().map(|_| ());
        let mut reader = Reader::new(self);
        Config::from(&mut reader);
        reader.text("FILEGATEWAY_LOG", "info");
        (self.printed(&reader.seen()), outcome)
    }

    fn printed(&self, settings: &[Setting]) -> String {
        let mut lone = Vec::new();
        let mut sections: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for setting in settings {
            let key = key_of(setting.variable);
            match key.split_once('.') {
                None => lone.push(self.line(&key, setting)),
                Some((section, key)) => {
                    let lines = sections.entry(section.to_owned()).or_default();
                    lines.push(format!("  {}", self.line(key, setting)));
                }
            }
        }
        let mut text = String::new();
        for line in lone {
            // Writing to a string can't fail.
            writeln!(text, "{line}").ok();
        }
        for (section, lines) in sections {
            writeln!(text, "{section}:").ok();
            for line in lines {
                writeln!(text, "{line}").ok();
            }
        }
        text
    }

    fn line(&self, key: &str, setting: &Setting) -> String {
        let Some(value) = &setting.value else {
            return format!("# {key}: not set");
        };
        let origin = match setting.origin {
            Origin::Variable => setting.variable.to_owned(),
            Origin::File => self.file_name(),
            Origin::Default => "default".to_owned(),
        };
        let value = match setting.variable {
            WEBHOOK_URL => without_query(value),
            _ => without_password(value),
        };
        format!("{key}: {} # {origin}", quoted(&value))
    }
}

fn quoted(value: &str) -> String {
    let as_it_is = value == "true" || value == "false" || value.parse::<u64>().is_ok();
    if as_it_is && (value == "0" || !value.starts_with('0')) {
        value.to_owned()
    } else {
        serde_json::Value::from(value).to_string()
    }
}

/// Some receivers have the caller's right to call them in the query.
fn without_query(value: &str) -> String {
    match Url::parse(value) {
        Ok(mut url) if url.query().is_some() => {
            url.set_query(Some("not-shown"));
            without_password(url.as_str())
        }
        _ => without_password(value),
    }
}

/// A URL with a password is a mistake that is told elsewhere; it is not repeated here.
fn without_password(value: &str) -> String {
    match Url::parse(value) {
        Ok(mut url) if url.password().is_some() => {
            url.set_password(Some("not-shown")).ok();
            url.set_query(None);
            url.into()
        }
        _ => value.to_owned(),
    }
}
