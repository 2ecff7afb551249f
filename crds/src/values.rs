//! The chart's values as a table, from the comments in `values.yaml`.

use std::fmt::Write;

/// A value of the chart.
#[derive(Debug, PartialEq, Eq)]
struct Value {
    path: String,
    default: String,
    about: String,
}

/// `charts/filegateway/README.md`, from the text of `values.yaml`.
///
/// A comment speaks of the key under it; one above a group speaks of the group.
pub fn page(values: &str) -> String {
    let mut page = String::from(
        "# The chart of FileGateway\n\n\
         <!-- Generated from values.yaml by `make generate`; change it there. -->\n\n\
         The CustomResourceDefinitions, the operator with its permissions, and as asked a class, alerts and dashboards. How to install\n\
         it: the README of the sources. What it runs: `docs/operator.md`. `helm test` says whether it works.\n\n\
         | value | default | what |\n| --- | --- | --- |\n",
    );
    for Value {
        path,
        default,
        about,
    } in read(values)
    {
        let default = if default.is_empty() {
            String::new()
        } else {
            format!("`{default}`")
        };
        // Writing to a String does not fail.
        let _ = writeln!(
            page,
            "| `{path}` | {default} | {} |",
            about.replace('|', "\\|")
        );
    }
    page
}

fn read(text: &str) -> Vec<Value> {
    let mut values: Vec<Value> = Vec::new();
    let mut parents: Vec<(usize, String)> = Vec::new();
    let mut comment = String::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        if let Some(words) = trimmed.strip_prefix('#') {
            if !comment.is_empty() {
                comment.push(' ');
            }
            comment.push_str(words.trim());
            continue;
        }
        let Some((key, default)) = trimmed.split_once(':') else {
            comment.clear();
            continue;
        };
        parents.retain(|(depth, _)| *depth < indent);
        let path = parents.iter().map(|(_, key)| key.as_str());
        let path = path.chain([key]).collect::<Vec<_>>().join(".");
        let default = default.trim().to_string();
        let about = std::mem::take(&mut comment);
        // A group without a word on it needs no row.
        if !default.is_empty() || !about.is_empty() {
            values.push(Value {
                path,
                default: default.clone(),
                about,
            });
        }
        if default.is_empty() {
            parents.push((indent, key.to_string()));
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_to_the_key_under_them() {
        let text = "# A group.\na:\n  b:\n    # One,\n    # two.\n    c: 1\n  d: \"\"\n\ne: {}\n";
        let value = |path: &str, default: &str, about: &str| Value {
            path: path.into(),
            default: default.into(),
            about: about.into(),
        };
        let expected = vec![
            value("a", "", "A group."),
            value("a.b.c", "1", "One, two."),
            value("a.d", "\"\"", ""),
            value("e", "{}", ""),
        ];
        assert_eq!(read(text), expected);
    }
}
