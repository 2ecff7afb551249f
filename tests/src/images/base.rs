//! `debian:bookworm-slim`, made with debootstrap and slimmed as the one that it stands for.

use super::{Image, buildah, root};
use crate::Result;
use crate::command::run;
use crate::error::IoContext;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Its name in the Dockerfiles.
pub(super) const REFERENCE: &str = "docker.io/library/debian:bookworm-slim";
/// Raised when what is done here changes.
const REVISION: &str = "bookworm-1";

/// The sources that the published image has.
const SOURCES: &str = "\
deb http://deb.debian.org/debian bookworm main
deb http://deb.debian.org/debian bookworm-updates main
deb http://deb.debian.org/debian-security bookworm-security main
";

/// Keeps documentation out of the layers that are put on top.
const SLIM: &str = "\
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/info/*
";

/// Questions have nobody to answer them in a build.
const DEBCONF: &str = "DPkg::Options:: \"--force-confold\";\nAPT::Install-Recommends \"false\";\n";

/// What an image's inputs say about its base; empty for an image from nothing.
pub(super) fn key(image: Image) -> String {
    match image {
        Image::Pause => String::new(),
        Image::Storage | Image::Operator | Image::Gateway => REVISION.to_owned(),
    }
}

/// Makes the base of an image, once.
pub(super) fn ensure(image: Image) -> Result<()> {
    let record = root().join("base.inputs");
    let key = key(image);
    let known = std::fs::read_to_string(&record).unwrap_or_default();
    if key.is_empty() || (known == key && buildah::exists(REFERENCE)) {
        return Ok(());
    }
    eprintln!("images: making {REFERENCE} with debootstrap, about 40 s");
    let started = Instant::now();
    let folder = tempfile::tempdir_in(root()).at("create a folder in", root())?;
    let tree = folder.path().join("tree");
    run(Command::new("debootstrap")
        .args(["--variant=minbase", "bookworm"])
        .arg(&tree))?;
    slim(&tree)?;
    let recipe = folder.path().join("Dockerfile");
    std::fs::write(&recipe, "FROM scratch\nCOPY . /\nCMD [\"bash\"]\n").at("write", &recipe)?;
    buildah::build_plain(&recipe, &tree, REFERENCE)?;
    std::fs::write(&record, key).at("write", &record)?;
    eprintln!(
        "images: {REFERENCE} done in {} s",
        started.elapsed().as_secs()
    );
    Ok(())
}

fn slim(tree: &Path) -> Result<()> {
    let write = |path: &str, text: &str| -> Result<()> {
        let path = tree.join(path);
        std::fs::write(&path, text).at("write", &path)
    };
    write("etc/apt/sources.list", SOURCES)?;
    write("etc/dpkg/dpkg.cfg.d/slim", SLIM)?;
    write("etc/apt/apt.conf.d/slim", DEBCONF)?;
    let folders = [
        "var/cache/apt",
        "var/lib/apt/lists",
        "usr/share/man",
        "usr/share/locale",
    ];
    for folder in folders.map(|folder| tree.join(folder)) {
        std::fs::remove_dir_all(&folder).at("empty", &folder)?;
        std::fs::create_dir(&folder).at("create", &folder)?;
    }
    Ok(())
}
