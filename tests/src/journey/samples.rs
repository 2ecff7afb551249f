//! Real input: a film that ffmpeg makes here, and a PDF.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::error::IoContext;
use crate::{Result, command};

/// One file to upload.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The name that it is uploaded under.
    pub name: String,
    /// Its media type.
    pub content_type: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes.
    pub sha256: [u8; 32],
}

impl Sample {
    /// A file that is there.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn of(path: PathBuf, content_type: &'static str) -> Result<Self> {
        let bytes = fs::read(&path).at("read", &path)?;
        Ok(Self {
            name: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            content_type,
            size: bytes.len() as u64,
            sha256: Sha256::digest(&bytes).into(),
            path,
        })
    }
}

/// What the main job uploads.
#[derive(Debug, Clone)]
pub struct Samples {
    /// An MP4 of tens of MiB, H.264 and AAC, its index at the end as cameras write it.
    pub film: Sample,
    /// A short PDF with text.
    pub document: Sample,
}

impl Samples {
    /// Makes the samples in `folder`, or takes the ones made there before.
    ///
    /// # Errors
    /// When ffmpeg is missing or fails, or the folder can't be written.
    pub fn make(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).at("create", folder)?;
        let film = folder.join("film.mp4");
        if !film.exists() {
            make_film(&film)?;
        }
        let document = folder.join("report.pdf");
        fs::write(&document, pdf("FileGateway sample report")).at("write", &document)?;
        Ok(Self {
            film: Sample::of(film, "video/mp4")?,
            document: Sample::of(document, "application/pdf")?,
        })
    }
}

fn make_film(path: &Path) -> Result<()> {
    let unfinished = path.with_extension("unfinished.mp4");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"])
        // Noise keeps the encoder from shrinking a test picture to nothing.
        .args([
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=1280x720:rate=30,noise=alls=16:allf=t",
        ])
        .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"])
        .args([
            "-t",
            "20",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-pix_fmt",
            "yuv420p",
        ])
        .args([
            "-b:v", "16M", "-maxrate", "16M", "-bufsize", "16M", "-g", "60",
        ])
        .args(["-c:a", "aac", "-b:a", "128k"])
        .arg(&unfinished);
    command::run(&mut ffmpeg)?;
    fs::rename(&unfinished, path).at("rename", &unfinished)
}

/// A PDF 1.4 document of one page with one line of text (ISO 32000-1, 7.5).
pub fn pdf(text: &str) -> Vec<u8> {
    let content = format!("BT /F1 24 Tf 72 720 Td ({text}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R \
         /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!(
            "<< /Length {} >>\nstream\n{content}\nendstream",
            content.len()
        ),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut document = String::from("%PDF-1.4\n");
    let mut offsets = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        offsets.push(document.len());
        document.push_str(&format!("{} 0 obj\n{object}\nendobj\n", index + 1));
    }
    let table = document.len();
    document.push_str(&format!(
        "xref\n0 {}\n0000000000 65535 f \n",
        objects.len() + 1
    ));
    for offset in offsets {
        document.push_str(&format!("{offset:010} 00000 n \n"));
    }
    document.push_str(&format!(
        "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n",
        objects.len() + 1
    ));
    document.into_bytes()
}
