//! What an image is made of, and the hash that says whether any of it changed.

use super::Image;
use crate::Result;
use crate::error::IoContext;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The checkout that this crate was built from.
pub(super) fn workspace() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().unwrap_or(crate_folder).to_owned()
}

/// The Dockerfile of an image.
pub(super) fn dockerfile(image: Image) -> PathBuf {
    match image {
        Image::Pause | Image::Storage => context(image).join("Dockerfile"),
        Image::Operator | Image::Gateway => workspace().join(image.name()).join("Dockerfile"),
    }
}

/// The folder that is sent along with it.
pub(super) fn context(image: Image) -> PathBuf {
    match image {
        Image::Pause | Image::Storage => Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("images")
            .join(image.name()),
        Image::Operator | Image::Gateway => workspace(),
    }
}

/// The hash of the Dockerfile, the small files beside it, the programs and the base. The products'
/// context is the whole checkout, but only their replaced stage reads it.
pub(super) fn hash(image: Image, binaries: &Path, base: &str) -> Result<String> {
    let mut files = vec![dockerfile(image)];
    if matches!(image, Image::Pause | Image::Storage) {
        files.extend(files_in(&context(image))?);
    }
    files.extend(files_in(binaries)?);
    let mut hasher = Sha256::new();
    hasher.update(base);
    for file in files {
        let content = std::fs::read(&file).at("read", &file)?;
        hasher.update(file.file_name().unwrap_or_default().as_encoded_bytes());
        hasher.update((content.len() as u64).to_be_bytes());
        hasher.update(content);
    }
    Ok(hasher
        .finalize()
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }))
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in folder.read_dir().at("list", folder)? {
        let path = entry.at("list", folder)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_program_or_base_changes_the_hash() {
        let binaries = tempfile::tempdir().unwrap();
        let program = binaries.path().join("pause");
        std::fs::write(&program, "one").unwrap();
        let first = hash(Image::Pause, binaries.path(), "").unwrap();
        assert_eq!(first, hash(Image::Pause, binaries.path(), "").unwrap());
        assert_ne!(first, hash(Image::Pause, binaries.path(), "base").unwrap());
        std::fs::write(&program, "two").unwrap();
        assert_ne!(first, hash(Image::Pause, binaries.path(), "").unwrap());
    }

    #[test]
    fn every_image_has_its_dockerfile_and_its_replaceable_stage() {
        for image in Image::ALL {
            let text = std::fs::read_to_string(dockerfile(image)).unwrap();
            assert!(text.contains(" AS binaries\n"), "{image:?}");
            assert!(text.contains("COPY --from=binaries "), "{image:?}");
        }
    }

    #[test]
    fn the_storage_image_has_the_version_of_the_tools() {
        let text = std::fs::read_to_string(dockerfile(Image::Storage)).unwrap();
        let version = crate::tools::Tool::Versitygw.version();
        assert!(text.contains(&format!("versitygw@v{version}\n")));
    }
}
