//! The configuration file: YAML, sections of keys, each value a plain one or a list of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// What a configuration file says.
#[derive(Debug)]
pub(super) struct File {
    /// Where it is.
    pub(super) path: PathBuf,
    /// The text of each value that is set, by its key.
    pub(super) values: BTreeMap<String, String>,
    /// Keys whose value is of no use, and why.
    pub(super) unusable: Vec<(String, &'static str)>,
}

impl File {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// Why it can't be read at all, in words.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{} can't be read: {error}", path.display()))?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, String> {
        let options = serde_saphyr::options! {
            // What is written 007, 1_000 or no is meant as it is written.
            leading_zero_numbers_as_strings: true,
            underscored_numbers_as_strings: true,
            strict_booleans: true,
            with_snippet: false,
        };
        let document: Value = if text.trim().is_empty() {
            Value::Null
        } else {
            serde_saphyr::from_str_with_options(text, options)
                .map_err(|error| format!("{} is not usable YAML: {error}", path.display()))?
        };
        let mut file = Self {
            path: path.to_owned(),
            values: BTreeMap::new(),
            unusable: Vec::new(),
        };
        match document {
            Value::Null => {}
            Value::Object(sections) => {
                for (key, value) in sections {
                    file.take(key, value);
                }
            }
            _ => return Err(format!("{} is not a mapping of sections", path.display())),
        }
        Ok(file)
    }

    fn take(&mut self, key: String, value: Value) {
        match value {
            // As an empty variable: not set.
            Value::Null => {}
            Value::Object(entries) => {
                for (name, value) in entries {
                    self.take(format!("{key}.{name}"), value);
                }
            }
            Value::Array(items) => {
                let texts: Option<Vec<_>> = items.into_iter().map(plain).collect();
                match texts {
                    Some(texts) => {
                        self.values.insert(key, texts.join(","));
                    }
                    None => {
                        let problem = "should be a plain value, or a list of plain values";
                        self.unusable.push((key, problem));
                    }
                }
            }
            value => {
                if let Some(text) = plain(value) {
                    self.values.insert(key, text);
                }
            }
        }
    }
}

fn plain(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<File, String> {
        File::parse(Path::new("config.yaml"), text)
    }

    #[test]
    fn sections_keys_and_lists_become_texts() {
        let file = parse(
            "# a comment\norganization: 007\nuploads:\n  maxFileBytes: 5368709120\n  maxFiles:\n\
             auth: {algorithms: [RS256, ES256], issuer: \"https://a.example\"}\nworker:\n  embedded: true\n",
        )
        .unwrap();
        let found: Vec<_> = file
            .values
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("auth.algorithms", "RS256,ES256"),
                ("auth.issuer", "https://a.example"),
                ("organization", "007"),
                ("uploads.maxFileBytes", "5368709120"),
                ("worker.embedded", "true"),
            ]
        );
    }

    #[test]
    fn an_empty_file_says_nothing() {
        for text in ["", "\n", "# nothing\n", "---\n"] {
            assert!(parse(text).unwrap().values.is_empty(), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_mapping_is_refused_with_its_place() {
        for text in ["- a\n- b\n", "just words", "a: [", "a: 1\na: 2\n"] {
            let problem = parse(text).unwrap_err();
            assert!(problem.starts_with("config.yaml is not"), "{problem}");
        }
        assert!(parse("a: 1\n  b: 2\n").unwrap_err().contains("line 2"));
    }

    #[test]
    fn a_list_of_lists_is_told() {
        let file = parse("auth:\n  algorithms: [[RS256]]\n").unwrap();
        assert_eq!(file.unusable[0].0, "auth.algorithms");
    }
}
