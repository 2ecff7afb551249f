//! Programs that come from the system: installed by `apt-get` when that is possible, else named.

use crate::command::{find, run};
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program of the system and the Debian package that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// A name on the `PATH`, an absolute path, or `python3 -m` and a module of Python.
    pub name: &'static str,
    /// Its package.
    pub package: &'static str,
}

const fn program(name: &'static str, package: &'static str) -> Program {
    Program { name, package }
}

/// PostgreSQL's server.
pub const POSTGRES: &[Program] = &[program("postgres", "postgresql")];

/// What the gateway's answers are compared with, besides a Go program of our own.
pub const ORACLES: &[Program] = &[program("nginx", "nginx-light")];

/// What reads from servers as fast as they can, in the benchmark.
pub const LOAD: &[Program] = &[program("wrk", "wrk")];

/// What makes videos in the tests, and reads them in `gateway dev`.
pub const VIDEO: &[Program] = &[program("ffmpeg", "ffmpeg"), program("ffprobe", "ffmpeg")];

/// What lets a program's clock jump in the tests.
pub const CLOCK: &[Program] = &[program("faketime", "faketime")];

/// What plays videos in the tests.
pub const BROWSER: &[Program] = &[program("chromium", "chromium")];

/// What checks alert rules. Its package has Prometheus itself too, and nothing smaller has it.
pub const PROMTOOL: &[Program] = &[program("promtool", "prometheus")];

/// What a node needs.
pub const NODE: &[Program] = &[
    program("containerd", "containerd"),
    program("ctr", "containerd"),
    program("runc", "runc"),
    program("/usr/lib/cni/bridge", "containernetworking-plugins"),
    program("iptables", "iptables"),
    program("ip", "iproute2"),
    program("mount", "mount"),
    program("nsenter", "util-linux"),
    program("cc", "gcc"),
];

/// What makes images without a registry.
pub const IMAGES: &[Program] = &[
    program("buildah", "buildah"),
    program("debootstrap", "debootstrap"),
];

/// What runs tus-js-client.
pub const NPM: &[Program] = &[program("node", "nodejs"), program("npm", "npm")];

/// What makes Python environments. Debian's Python has no pip for them until `python3-venv` is there.
pub const PYTHON: &[Program] = &[
    program("python3", "python3"),
    program("python3 -m ensurepip", "python3-venv"),
];

/// Installs what is missing of `programs`.
///
/// # Errors
/// Something is missing and can't be installed from here; one line names programs and packages.
pub fn ensure(programs: &[Program]) -> Result<()> {
    let missing = missing(programs);
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<&str> = missing.iter().map(|program| program.package).collect();
    packages.dedup();
    let names: Vec<&str> = missing.iter().map(|program| program.name).collect();
    let (names, list) = (names.join(", "), packages.join(" "));
    if !rustix::process::geteuid().is_root() || find("apt-get").is_none() {
        return Err(Error::Missing(format!(
            "{names}: missing; on Debian: apt-get install {list}"
        )));
    }
    eprintln!("tools: apt-get install {list}, about 30 s");
    // A package list that is older than the mirror names files that are gone, so it is renewed first.
    run(Command::new("apt-get").args(["update", "-qq"]))?;
    run(Command::new("apt-get")
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(&packages)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // The programs are wanted, not their services, which would take ports 80, 5432 and 9090.
        .env("SYSTEMD_OFFLINE", "1"))?;
    match self::missing(programs).first() {
        None => Ok(()),
        Some(Program { name, package }) => Err(Error::Missing(format!(
            "{name} is missing although {package} is installed"
        ))),
    }
}

fn missing(programs: &[Program]) -> Vec<Program> {
    programs
        .iter()
        .copied()
        .filter(|program| locate(program.name).is_none())
        .collect()
}

/// Where a program of the system is. PostgreSQL's are not on Debian's `PATH`: the newest version wins.
#[must_use]
pub fn locate(name: &str) -> Option<PathBuf> {
    if let Some(module) = name.strip_prefix("python3 -m ") {
        let python = find("python3")?;
        let mut import = Command::new(&python);
        import.args(["-c", &format!("import {module}")]);
        return run(&mut import).is_ok().then_some(python);
    }
    if name.starts_with('/') {
        return Some(PathBuf::from(name)).filter(|path| path.exists());
    }
    find(name).or_else(|| {
        let mut versions: Vec<(u32, PathBuf)> = Path::new("/usr/lib/postgresql")
            .read_dir()
            .ok()?
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let version = entry.file_name().to_str()?.parse().ok()?;
                Some((version, entry.path().join("bin").join(name)))
            })
            .filter(|(_, path)| path.exists())
            .collect();
        versions.sort();
        versions.pop().map(|(_, path)| path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_there_needs_nothing() {
        assert!(missing(&[program("sh", "dash")]).is_empty());
        assert!(missing(&[program("/bin/sh", "dash")]).is_empty());
        assert!(missing(&[program("python3 -m json", "python3")]).is_empty());
    }

    #[test]
    fn a_missing_program_is_listed_with_its_package() {
        let absent = program("no-such-program", "no-such-package");
        assert_eq!(missing(&[program("sh", "dash"), absent]), vec![absent]);
        let absent = program("python3 -m no_such_module", "no-such-package");
        assert_eq!(missing(&[absent]), vec![absent]);
    }
}
