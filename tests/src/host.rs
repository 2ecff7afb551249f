//! What this machine can do.

use crate::command::{find, run};
use std::path::Path;
use std::process::Command;

/// Why this machine can't host a Kubernetes node, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Reason(String);

/// The newest C library that programs may be built against to run in Debian 12's images.
const GLIBC: (u32, u32) = (2, 36);
/// Bits of a capability mask (capability.h).
const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;

/// Whether a node can run here: Linux, root with its capabilities, control groups, iptables.
///
/// # Errors
/// The first reason why not.
pub fn can_host_a_node() -> Result<(), Reason> {
    let require = |met: bool, reason: &str| {
        if met {
            Ok(())
        } else {
            Err(Reason(reason.to_owned()))
        }
    };
    require(cfg!(target_os = "linux"), "a node needs Linux")?;
    require(
        rustix::process::geteuid().is_root(),
        "a node needs root (try sudo)",
    )?;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    require(
        has_capability(&status, CAP_SYS_ADMIN) && has_capability(&status, CAP_NET_ADMIN),
        "a node needs the capabilities to mount and to change the network; this container has not",
    )?;
    let groups = Path::new("/sys/fs/cgroup");
    require(
        groups.join("cgroup.controllers").exists() || groups.join("memory").exists(),
        "a node needs control groups at /sys/fs/cgroup",
    )?;
    require(Path::new("/dev/kmsg").exists(), "a node needs /dev/kmsg")?;
    require(
        find("iptables").is_some() || find("apt-get").is_some(),
        "a node needs iptables, and there is no apt-get to install it with",
    )?;
    if let Some(iptables) = find("iptables") {
        let listed =
            run(Command::new(iptables).args(["-w", "5", "-t", "nat", "-S", "POSTROUTING"]));
        require(
            listed.is_ok(),
            "a node needs iptables, which can't list its nat table here",
        )?;
    }
    let version = run(Command::new("ldd").arg("--version")).unwrap_or_default();
    require(
        glibc_version(&version).is_none_or(|version| version <= GLIBC),
        "programs built here need a newer C library than Debian 12's images have",
    )
}

/// Whether a folder is on an overlay file system, on which no other overlay can be mounted.
#[must_use]
pub fn is_overlay(folder: &Path) -> bool {
    // The number is OVERLAYFS_SUPER_MAGIC of statfs(2).
    #[cfg(target_os = "linux")]
    return rustix::fs::statfs(folder).is_ok_and(|system| system.f_type == 0x794c_7630);
    #[cfg(not(target_os = "linux"))]
    return false;
}

/// Reads the effective capabilities from the text of /proc/PID/status.
fn has_capability(status: &str, bit: u32) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> bit & 1 == 1)
}

/// Reads `2.36` from the first line of `ldd --version`.
fn glibc_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text
        .lines()
        .next()?
        .split_whitespace()
        .last()?
        .split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_bits_of_a_hexadecimal_mask() {
        let status = "Name:\tsh\nCapEff:\t0000000000201000\n";
        assert!(has_capability(status, CAP_SYS_ADMIN));
        assert!(has_capability(status, CAP_NET_ADMIN));
        assert!(!has_capability(status, 0));
        assert!(!has_capability("", CAP_SYS_ADMIN));
    }

    #[test]
    fn the_c_librarys_version_is_read() {
        assert_eq!(
            glibc_version("ldd (Debian GLIBC 2.36-9+deb12u14) 2.36\n"),
            Some((2, 36))
        );
        assert_eq!(glibc_version("musl libc"), None);
    }
}
