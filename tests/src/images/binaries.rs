//! The programs that go into images, built on this machine instead of in the `binaries` stage.

use super::{Image, root};
use crate::command::{display, run};
use crate::error::IoContext;
use crate::tools::{Tool, Toolbox};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const PACKAGES: [&str; 3] = ["gateway", "operator", "testbed"];

/// A folder per image that holds what its `COPY --from=binaries` lines name.
pub(super) struct Binaries {
    folders: BTreeMap<Image, PathBuf>,
}

impl Binaries {
    pub(super) fn folder(&self, image: Image) -> &Path {
        self.folders
            .get(&image)
            .map_or(Path::new(""), PathBuf::as_path)
    }
}

pub(super) fn build(images: &[Image]) -> Result<Binaries> {
    let products: Vec<Image> = images
        .iter()
        .copied()
        .filter(|image| matches!(image, Image::Operator | Image::Gateway))
        .collect();
    let compiled = if products.is_empty() {
        BTreeMap::new()
    } else {
        cargo(&products)?
    };
    let mut folders = BTreeMap::new();
    for &image in images {
        let folder = root().join("binaries").join(image.name());
        std::fs::create_dir_all(&folder).at("create", &folder)?;
        match image {
            Image::Pause => pause(&folder)?,
            Image::Storage => {
                let toolbox = Toolbox::prepare(&[Tool::Versitygw])?;
                place(&toolbox.path(Tool::Versitygw), &folder.join("versitygw"))?;
            }
            Image::Operator | Image::Gateway => {
                let made = compiled.get(image.name()).ok_or_else(|| {
                    Error::Refused(format!("cargo built no program called {}", image.name()))
                })?;
                place(made, &folder.join(image.name()))?;
            }
        }
        folders.insert(image, folder);
    }
    Ok(Binaries { folders })
}

/// The same command as in the Dockerfiles, and the paths of what it made.
pub(super) fn cargo(products: &[Image]) -> Result<BTreeMap<String, PathBuf>> {
    let names: Vec<&str> = products.iter().map(|image| image.name()).collect();
    eprintln!(
        "images: cargo build --release of {}; from nothing about 9 min on 2 cores",
        names.join(" and ")
    );
    let started = Instant::now();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(super::inputs::workspace());
    command.args([
        "build",
        "--release",
        "--locked",
        "--message-format=json-render-diagnostics",
    ]);
    // Every package that is ever built this way, so that all of them agree on the features of what they
    // depend on, and nothing is compiled twice (the Makefile does the same for the test bed).
    for package in PACKAGES {
        command.args(["--package", package]);
    }
    for name in &names {
        command.args(["--bin", name]);
    }
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .at("run", "cargo")?;
    if !output.status.success() {
        return Err(Error::Command {
            command: display(&command),
            status: output.status,
            output: "its messages are above".to_owned(),
        });
    }
    eprintln!("images: cargo done in {} s", started.elapsed().as_secs());
    Ok(executables(&String::from_utf8_lossy(&output.stdout)))
}

/// Names and paths of programs among cargo's messages, one JSON object a line.
fn executables(messages: &str) -> BTreeMap<String, PathBuf> {
    messages
        .lines()
        .filter_map(|line| {
            let message: serde_json::Value = serde_json::from_str(line).ok()?;
            let name = message.pointer("/target/name")?.as_str()?.to_owned();
            Some((name, PathBuf::from(message.get("executable")?.as_str()?)))
        })
        .collect()
}

fn pause(folder: &Path) -> Result<()> {
    let source = super::inputs::context(Image::Pause).join("pause.c");
    let target = folder.join("pause");
    let mut command = Command::new("cc");
    command
        .args(["-Os", "-static", "-o"])
        .arg(&target)
        .arg(&source);
    run(&mut command).map(drop)
}

fn place(from: &Path, to: &Path) -> Result<()> {
    std::fs::copy(from, to).at("copy", from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_read_from_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"gateway"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"gateway"},"executable":"/t/gateway"}"#,
            "\nwarning: not JSON\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        let expected = BTreeMap::from([("gateway".to_owned(), PathBuf::from("/t/gateway"))]);
        assert_eq!(executables(messages), expected);
    }
}
