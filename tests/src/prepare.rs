//! All that takes long the first time, side by side: compilers keep both cores busy while packages are
//! fetched and linkers use one.

use crate::cluster;
use crate::images;
use crate::tools::{Tool, Toolbox, debian};
use crate::{Error, Result};
use std::time::Instant;

/// What the first build of the products and the base image takes on two cores, in seconds.
const PRODUCTS: u64 = 540;
const BASE: u64 = 45;

/// Installs, builds and caches what [`cluster::Cluster::up`] and the products' images need, saying first
/// what that is and how long it will take.
///
/// # Errors
/// The first thing that can't be made. The others are finished anyway: they are cached.
pub fn everything() -> Result<()> {
    let tools = [&cluster::TOOLS[..], &[Tool::Helm]].concat();
    announce(&tools);
    let started = Instant::now();
    debian::ensure(&[debian::NODE, debian::IMAGES, debian::VIDEO].concat())?;
    std::thread::scope(|scope| {
        let programs = scope.spawn(|| Toolbox::prepare(&tools).map(drop));
        let products = scope.spawn(images::compile);
        let base = scope.spawn(images::make_base);
        [programs, products, base]
            .into_iter()
            .try_for_each(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(Error::Refused("a build panicked".to_owned())))
            })
    })?;
    eprintln!("prepare: all there after {} s", started.elapsed().as_secs());
    Ok(())
}

fn announce(tools: &[Tool]) {
    let missing = Toolbox::missing(tools);
    let programs: u64 = missing.iter().map(|tool| tool.usual_build_seconds()).sum();
    let products = if images::were_compiled() { 0 } else { PRODUCTS };
    let base = if images::has_base() { 0 } else { BASE };
    let seconds = programs + products + base;
    if seconds == 0 {
        return;
    }
    let mut parts = Vec::new();
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|tool| tool.name()).collect();
        parts.push(format!("{} from their sources", names.join(", ")));
    }
    if products > 0 {
        parts.push("operator and gateway".to_owned());
    }
    if base > 0 {
        parts.push("a Debian base image".to_owned());
    }
    eprintln!(
        "prepare: building {}; about {} min on 2 cores, once (kept in {})",
        parts.join("; "),
        seconds.div_ceil(60),
        crate::cache::root().display()
    );
}
