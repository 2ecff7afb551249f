//! tusd and PocketBase, built from the versions that `tests/rivals/go.mod` pins.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{find, run};
use crate::{Error, Result, cache};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/rivals");

const INPUTS: [&str; 3] = ["go.mod", "go.sum", "main.go"];

/// Programs and the Go packages that they are built from.
const PROGRAMS: [(&str, &str); 2] = [
    ("tusd", "github.com/tus/tusd/v2/cmd/tusd"),
    ("pocketbase", "."),
];

/// Builds them unless that was done before with the same versions: the folder that they are in.
///
/// # Errors
/// Go is missing or a build fails.
pub fn build() -> Result<PathBuf> {
    cache::made_of(Path::new(SOURCE), &INPUTS, "rivals", |draft| {
        let go = find("go").ok_or_else(|| {
            Error::Missing("go is missing (https://go.dev/dl, 1.26 or later)".into())
        })?;
        for (name, package) in PROGRAMS {
            eprintln!("bench: building {name}, about 2 min on 2 cores, once");
            let mut build = Command::new(&go);
            build
                .args([
                    "build",
                    "-trimpath",
                    "-ldflags",
                    "-s -w",
                    "-o",
                    name,
                    package,
                ])
                .current_dir(draft)
                .env("CGO_ENABLED", "0");
            run(&mut build)?;
        }
        Ok(())
    })
}
