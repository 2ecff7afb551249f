//! Imports go one way: `api` → `files` → `catalog`, `store`, `media`, `auth`; those four know
//! nothing of each other, and only `app` and what starts it know all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each top-level module, and the modules that it may import. `causes` is words
/// only: everybody may. `telemetry` is counters that whoever does the work counts in.
const RULES: [(&str, &[&str]); 13] = [
    ("api", &["auth", "files", "telemetry"]),
    (
        "app",
        &[
            "api",
            "auth",
            "catalog",
            "config",
            "files",
            "media",
            "store",
            "telemetry",
            "webhooks",
            "worker",
        ],
    ),
    ("auth", &[]),
    ("catalog", &[]),
    ("causes", &[]),
    ("config", &["auth", "files", "server", "webhooks"]),
    ("files", &["auth", "catalog", "media", "store", "telemetry"]),
    ("media", &[]),
    ("server", &[]),
    ("store", &["telemetry"]),
    ("telemetry", &[]),
    ("webhooks", &["auth", "catalog", "telemetry"]),
    ("worker", &["catalog", "files", "telemetry"]),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The names right after `crate::` in a source, comments left out: `crate::name` and
/// `crate::{name, other::Thing}`.
fn imports(source: &str) -> BTreeSet<String> {
    let code: Vec<_> = source
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect();
    let code = code.join("\n");
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let names: Vec<&str> = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap().split(',').collect(),
            None => vec![rest],
        };
        for name in names {
            let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
            let end = name.trim().find(|character| !is_word(character));
            let name = &name.trim()[..end.unwrap_or(name.trim().len())];
            found.insert(name.to_owned());
        }
    }
    found
}

#[test]
fn imports_go_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for path in sources(&root) {
        let inside = path.strip_prefix(&root).unwrap();
        let module = inside.iter().next().unwrap().to_str().unwrap();
        let module = module.strip_suffix(".rs").unwrap_or(module);
        // The program itself puts everything together.
        if ["lib", "main", "commands"].contains(&module) {
            continue;
        }
        let (_, allowed) = RULES
            .iter()
            .find(|(name, _)| *name == module)
            .unwrap_or_else(|| panic!("{module} has no rule in tests/layers.rs"));
        for import in imports(&fs::read_to_string(&path).unwrap()) {
            let known = RULES.iter().any(|(name, _)| *name == import);
            let open = import == module || import == "causes" || allowed.contains(&import.as_str());
            if known && !open {
                wrong.push(format!("{} imports {import}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn http_stays_in_the_api() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for layer in ["auth", "catalog", "files", "media", "config"] {
        for path in sources(&root.join(layer)) {
            let source = fs::read_to_string(&path).unwrap();
            for word in ["StatusCode", "poem::", "use http::"] {
                assert!(!source.contains(word), "{} has {word}", path.display());
            }
        }
    }
}

#[test]
fn imports_are_seen_in_every_form() {
    let source = "use crate::store::Store;\nuse crate::{api, files::Files};\n\
                  let x = crate::media::probe(); // crate::auth";
    let expected = ["api", "files", "media", "store"].map(str::to_owned);
    assert_eq!(imports(source), BTreeSet::from(expected));
}
