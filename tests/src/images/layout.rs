//! The OCI layout (image-spec 1.0) that holds the finished images: blobs by digest, and an index.

use super::{Built, root};
use crate::error::IoContext;
use crate::{Error, Result};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const NAME: &str = "org.opencontainers.image.ref.name";

/// Where the layout is.
#[must_use]
pub fn folder() -> PathBuf {
    root().join("oci")
}

/// An image that the layout holds.
///
/// # Errors
/// The index can't be read.
pub fn find(reference: &str) -> Result<Option<Built>> {
    let entry = entries(&folder())?
        .into_iter()
        .find(|entry| name(entry) == Some(reference));
    Ok(entry.as_ref().and_then(digest).map(|digest| Built {
        reference: reference.to_owned(),
        digest: digest.to_owned(),
    }))
}

/// An image that the layout holds, or an error that names it.
///
/// # Errors
/// It isn't there.
pub fn require(reference: &str) -> Result<Built> {
    find(reference)?.ok_or_else(|| Error::Refused(format!("no image {reference} was built")))
}

/// An index that names `images` alone, for containerd to read.
///
/// # Errors
/// The layout's index can't be read.
pub fn index_of(images: &[Built]) -> Result<Value> {
    let mut manifests = Vec::new();
    for mut entry in entries(&folder())? {
        let wanted = images.iter().find(|image| {
            digest(&entry) == Some(&image.digest) && name(&entry) == Some(&image.reference)
        });
        if let Some(image) = wanted {
            entry["annotations"] = json!({ "io.containerd.image.name": image.reference });
            manifests.push(entry);
        }
    }
    Ok(json!({ "schemaVersion": 2, "manifests": manifests }))
}

/// The digests of everything that an image consists of: manifest, configuration, layers.
///
/// # Errors
/// The manifest can't be read.
pub fn blobs_of(image: &Built) -> Result<BTreeSet<String>> {
    blobs(&folder(), &image.digest)
}

/// The path of a blob inside a layout.
#[must_use]
pub fn blob_path(digest: &str) -> PathBuf {
    Path::new("blobs").join(digest.replacen(':', "/", 1))
}

/// Deletes blobs that no image in the index uses any more.
pub(super) fn remove_unreferenced() -> Result<()> {
    sweep(&folder())
}

fn sweep(layout: &Path) -> Result<()> {
    let mut used = BTreeSet::new();
    for digest in entries(layout)?.iter().filter_map(digest) {
        used.extend(
            blobs(layout, digest)?
                .iter()
                .map(|digest| layout.join(blob_path(digest))),
        );
    }
    let folder = layout.join("blobs/sha256");
    for entry in folder.read_dir().at("list", &folder)? {
        let path = entry.at("list", &folder)?.path();
        if !used.contains(&path) {
            std::fs::remove_file(&path).at("delete", &path)?;
        }
    }
    Ok(())
}

fn blobs(layout: &Path, digest: &str) -> Result<BTreeSet<String>> {
    let manifest = read(&layout.join(blob_path(digest)))?;
    let layers = manifest["layers"].as_array().into_iter().flatten();
    let parts = layers.chain(std::iter::once(&manifest["config"]));
    let parts = parts
        .filter_map(|part| part["digest"].as_str())
        .map(str::to_owned);
    Ok(parts.chain(std::iter::once(digest.to_owned())).collect())
}

fn entries(layout: &Path) -> Result<Vec<Value>> {
    let path = layout.join("index.json");
    if !path.exists() {
        return Ok(Vec::new());
    }
    Ok(read(&path)?["manifests"]
        .as_array()
        .cloned()
        .unwrap_or_default())
}

fn read(path: &Path) -> Result<Value> {
    let bytes = std::fs::read(path).at("read", path)?;
    serde_json::from_slice(&bytes)
        .map_err(std::io::Error::other)
        .at("read", path)
}

fn name(entry: &Value) -> Option<&str> {
    entry.get("annotations")?.get(NAME)?.as_str()
}

fn digest(entry: &Value) -> Option<&str> {
    entry.get("digest")?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeping_keeps_what_an_image_is_made_of() {
        let layout = tempfile::tempdir().unwrap();
        let blobs = layout.path().join("blobs/sha256");
        std::fs::create_dir_all(&blobs).unwrap();
        let write = |name: &str, text: &str| std::fs::write(blobs.join(name), text).unwrap();
        write(
            "m",
            r#"{"config":{"digest":"sha256:c"},"layers":[{"digest":"sha256:l"}]}"#,
        );
        write("c", "{}");
        write("l", "layer");
        write("old", "layer of the image before");
        let index = r#"{"manifests":[{"digest":"sha256:m","annotations":{}}]}"#;
        std::fs::write(layout.path().join("index.json"), index).unwrap();
        sweep(layout.path()).unwrap();
        let mut left: Vec<_> = blobs
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["c", "l", "m"]);
    }
}
