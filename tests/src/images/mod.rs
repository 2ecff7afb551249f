//! Container images, built from the Dockerfiles that a user gives to Docker, without a registry.
//!
//! The base `debian:bookworm-slim` is made by debootstrap. Each Dockerfile has a stage called
//! `binaries` that compiles; here a folder with the programs, built on this machine, takes its place
//! (`--build-context`), so only what runs afterwards is repeated. An image is built again when the
//! hash of its inputs has changed, and its finished form is an OCI layout shared by all images.

mod base;
mod binaries;
mod buildah;
mod inputs;
pub mod layout;

use crate::error::IoContext;
use crate::tools::debian;
use crate::{Result, cache};
use std::path::PathBuf;
use std::time::Instant;

/// An image that can be built here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Image {
    /// Holds a pod's namespaces.
    Pause,
    /// versitygw and PostgreSQL.
    Storage,
    /// The operator.
    Operator,
    /// The gateway, with ffmpeg.
    Gateway,
}

impl Image {
    /// Every image.
    pub const ALL: [Self; 4] = [Self::Pause, Self::Storage, Self::Operator, Self::Gateway];

    /// The last part of its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Storage => "storage",
            Self::Operator => "operator",
            Self::Gateway => "gateway",
        }
    }

    /// Its full name: registry, repository, and the workspace's version as the tag.
    #[must_use]
    pub fn reference(self) -> String {
        format!(
            "docker.io/filegateway/{}:{}",
            self.name(),
            env!("CARGO_PKG_VERSION")
        )
    }
}

/// An image that is ready to be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Its full name.
    pub reference: String,
    /// The digest of its manifest, `sha256:…`: changes exactly when the image does.
    pub digest: String,
}

/// Builds those images whose inputs have changed, and returns all of them.
///
/// # Errors
/// A program is missing, or a build fails; the message carries the end of its output.
pub fn ensure(images: &[Image]) -> Result<Vec<Built>> {
    debian::ensure(debian::IMAGES)?;
    let root = root();
    std::fs::create_dir_all(&root).at("create", &root)?;
    let _lock = lock()?;
    let binaries = binaries::build(images)?;
    let mut built = Vec::new();
    for &image in images {
        built.push(one(image, &binaries)?);
    }
    Ok(built)
}

/// Compiles the operator and the gateway for their images, and leaves it to cargo to remember them.
///
/// # Errors
/// cargo fails.
pub fn compile() -> Result<()> {
    binaries::cargo(&[Image::Operator, Image::Gateway]).map(drop)
}

/// Whether images of the operator and the gateway were ever built here.
#[must_use]
pub fn were_compiled() -> bool {
    root().join("operator.inputs").exists() && root().join("gateway.inputs").exists()
}

/// Makes the image that the others start from.
///
/// # Errors
/// debootstrap or buildah fail.
pub fn make_base() -> Result<()> {
    let root = root();
    std::fs::create_dir_all(&root).at("create", &root)?;
    let _lock = lock()?;
    base::ensure(Image::Gateway)
}

/// Whether that image was made.
#[must_use]
pub fn has_base() -> bool {
    root().join("base.inputs").exists()
}

fn one(image: Image, binaries: &binaries::Binaries) -> Result<Built> {
    let base = base::key(image);
    let hash = inputs::hash(image, binaries.folder(image), &base)?;
    let record = root().join(format!("{}.inputs", image.name()));
    let unchanged = std::fs::read_to_string(&record).is_ok_and(|known| known == hash);
    if unchanged && let Some(built) = layout::find(&image.reference())? {
        return Ok(built);
    }
    base::ensure(image)?;
    eprintln!(
        "images: building {}, {}",
        image.reference(),
        usual_time(image)
    );
    let started = Instant::now();
    buildah::build(image, binaries.folder(image))?;
    buildah::push(image)?;
    layout::remove_unreferenced()?;
    std::fs::write(&record, hash).at("write", &record)?;
    eprintln!(
        "images: {} done in {} s",
        image.reference(),
        started.elapsed().as_secs()
    );
    layout::require(&image.reference())
}

fn usual_time(image: Image) -> &'static str {
    match image {
        Image::Pause => "about 1 s",
        Image::Storage => "about 30 s the first time, then 5 s",
        Image::Operator => "about 15 s the first time, then 3 s",
        Image::Gateway => "about 60 s the first time (ffmpeg), then 3 s",
    }
}

/// Where images and everything that leads to them are kept.
fn root() -> PathBuf {
    cache::folder("images")
}

fn lock() -> Result<std::fs::File> {
    let path = root().join("lock");
    let file = std::fs::File::create(&path).at("create", &path)?;
    file.lock().at("lock", &path)?;
    Ok(file)
}
