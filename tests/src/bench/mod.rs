//! `make bench`: the gateway beside others that give out and take files, in one run, with the same bytes.
//!
//! Nothing here judges: it prints medians, how far they spread, and ratios. Within each round the servers
//! take turns, so that whatever else the machine does hits all of them alike.

mod field;
mod figures;
mod rivals;
mod subject;
mod uploads;
pub mod usage;
mod video;
mod wrk;

use std::path::Path;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::Result;
use crate::error::IoContext;
use crate::servers::{Part, Servers};
use crate::tools::debian;
use field::Field;
use figures::{Figure, Table};
use subject::Subject;
use uploads::Way;
use wrk::Load;

const MIB: usize = 1024 * 1024;

/// The file that is read.
const FILM: usize = 256 * MIB;

/// What a player asks for when it seeks.
const PART: usize = 64 * 1024;

/// How many files of which size each server takes in a round.
const UPLOADS: usize = 4;
const UPLOAD: usize = 64 * MIB;

/// How often everything is measured.
const ROUNDS: usize = 3;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Files, read and uploaded.
    Files,
    /// A film, until it can be played.
    Video,
}

/// Measures, and prints Markdown.
///
/// # Errors
/// A server can't be built or started, or answers with other bytes than it was given.
pub async fn run(what: What) -> Result<()> {
    match what {
        What::Files => files().await,
        What::Video => {
            debian::ensure(debian::VIDEO)?;
            video::run().await
        }
    }
}

async fn files() -> Result<()> {
    debian::ensure(&[debian::POSTGRES, debian::ORACLES, debian::LOAD].concat())?;
    let programs = rivals::build()?;
    let parts = [Part::Postgres, Part::S3, Part::Oracles];
    let servers = Servers::start(&parts, None).await?;
    let film = noise(FILM);
    let outcome = match Field::start(&servers, &programs, film).await {
        Ok(field) => {
            let outcome = measure(&field, film).await;
            field.stop().await?;
            outcome
        }
        Err(error) => Err(error),
    };
    servers.stop().await?;
    outcome
}

async fn measure(field: &Field, film: &[u8]) -> Result<()> {
    for reader in &field.readers {
        reader.check(film).await?;
    }
    let folder = tempfile::tempdir().at("create a folder in", std::env::temp_dir())?;
    read(field, folder.path()).await?;
    write(field).await
}

async fn read(field: &Field, folder: &Path) -> Result<()> {
    for (title, load) in [
        ("Reading 256 MiB whole, one connection", Load::whole(1)),
        ("Reading ranges of 64 KiB, one connection", Load::parts(1)),
        ("Reading ranges of 64 KiB, 16 connections", Load::parts(16)),
        ("Reading ranges of 64 KiB, 64 connections", Load::parts(64)),
    ] {
        let of_one =
            async |reader: &Subject| reader.measure(async || load.run(reader, folder)).await;
        print!(
            "{}",
            table(title, load.unit(), &field.readers, of_one).await?
        );
    }
    Ok(())
}

async fn write(field: &Field) -> Result<()> {
    let bytes = noise(UPLOAD);
    for (title, writers, way, at_once) in [
        (
            "Uploading 64 MiB by tus, one after the other",
            &field.tus,
            Way::Tus,
            1,
        ),
        (
            "Uploading 64 MiB by tus, four at once",
            &field.tus,
            Way::Tus,
            UPLOADS,
        ),
        (
            "Uploading 64 MiB in a form, one after the other",
            &field.forms,
            Way::Form,
            1,
        ),
        (
            "Uploading 64 MiB in a form, four at once",
            &field.forms,
            Way::Form,
            UPLOADS,
        ),
    ] {
        let of_one = async |writer: &Subject| {
            let upload = async || uploads::run(writer, way, bytes, UPLOADS, at_once).await;
            writer.measure(upload).await
        };
        print!("{}", table(title, "MiB/s", writers, of_one).await?);
    }
    Ok(())
}

/// All rounds of one measurement. Each round begins with another server.
async fn table(
    title: &str,
    unit: &'static str,
    subjects: &[Subject],
    measure: impl AsyncFn(&Subject) -> Result<Figure>,
) -> Result<Table> {
    let names: Vec<&str> = subjects.iter().map(|subject| subject.name).collect();
    let mut table = Table::new(title, unit, &names);
    for round in 0..ROUNDS {
        for turn in 0..subjects.len() {
            let place = (round + turn) % subjects.len();
            if let Some(subject) = subjects.get(place) {
                table.note(place, measure(subject).await?);
            }
        }
    }
    Ok(table)
}

/// Bytes that nothing can compress, the same in each run. They live as long as the program.
fn noise(length: usize) -> &'static [u8] {
    let mut bytes = vec![0; length];
    StdRng::seed_from_u64(1).fill_bytes(&mut bytes);
    bytes.leak()
}
