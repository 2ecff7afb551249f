//! buildah, with a store of its own and no registry.

use super::{Image, inputs, layout, root};
use crate::command::{display, run};
use crate::error::IoContext;
use crate::{Result, host};
use std::path::Path;
use std::process::Command;

fn buildah() -> Command {
    let mut command = Command::new("buildah");
    command
        .arg("--root")
        .arg(root().join("storage"))
        .arg("--runroot")
        .arg(root().join("run"));
    // Overlay on overlay doesn't mount; copying whole trees always works.
    let driver = if host::is_overlay(&root()) {
        "vfs"
    } else {
        "overlay"
    };
    command
        .env("BUILDAH_ISOLATION", "chroot")
        .env("STORAGE_DRIVER", driver);
    command
}

/// Whether the store has an image of that name.
pub(super) fn exists(reference: &str) -> bool {
    run(buildah().args(["inspect", "--type", "image", reference])).is_ok()
}

/// Builds an image with `binaries` in place of its stage of that name.
pub(super) fn build(image: Image, binaries: &Path) -> Result<()> {
    let stage = format!("--build-context=binaries={}", binaries.display());
    let mut command = recipe(&inputs::dockerfile(image), &image.reference());
    logged(command.arg(stage).arg(inputs::context(image)), image.name())
}

/// Builds an image whose Dockerfile has one stage.
pub(super) fn build_plain(dockerfile: &Path, context: &Path, reference: &str) -> Result<()> {
    logged(recipe(dockerfile, reference).arg(context), "base")
}

fn recipe(dockerfile: &Path, reference: &str) -> Command {
    let mut command = buildah();
    command.args([
        "bud",
        "--layers",
        "--pull-never",
        "--tag",
        reference,
        "--file",
    ]);
    command.arg(dockerfile);
    command
}

/// Copies an image into the shared layout, where layers that are there already are not written again,
/// and drops what its predecessor alone used.
pub(super) fn push(image: Image) -> Result<()> {
    let reference = image.reference();
    let target = format!("oci:{}:{reference}", layout::folder().display());
    // gzip takes longer than all else about a changed program, and there is no way to choose none here:
    // `--disable-compression` goes unheeded for layouts.
    let compression = ["--compression-format", "zstd", "--compression-level", "1"];
    let mut push = buildah();
    push.args(["push", "--quiet"])
        .args(compression)
        .args([&reference, &target]);
    run(&mut push)?;
    run(buildah().args(["rmi", "--prune"]))?;
    Ok(())
}

/// Runs a build with its output in `NAME.log`.
fn logged(command: &mut Command, name: &str) -> Result<()> {
    let log = root().join(format!("{name}.log"));
    let output = std::fs::File::create(&log).at("create", &log)?;
    let errors = output.try_clone().at("write", &log)?;
    let status = command
        .stdin(std::process::Stdio::null())
        .stdout(output)
        .stderr(errors)
        .status()
        .at("run", display(command))?;
    if status.success() {
        return Ok(());
    }
    let written = std::fs::read(&log).unwrap_or_default();
    Err(crate::Error::Command {
        command: display(command),
        status,
        output: crate::command::tail(&String::from_utf8_lossy(&written)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::base;

    #[test]
    fn the_dockerfiles_start_from_the_base_that_is_made() {
        for image in [Image::Storage, Image::Operator, Image::Gateway] {
            let text = std::fs::read_to_string(inputs::dockerfile(image)).unwrap();
            assert!(
                text.contains(&format!("\nFROM {}\n", base::REFERENCE)),
                "{image:?}"
            );
        }
    }
}
