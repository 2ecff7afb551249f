//! What pods leave on the machine when the kubelet is not there to clear up: mounts, processes, control
//! groups, links to logs.

use super::layout::Layout;
use crate::Result;
use crate::command::run;
use crate::error::IoContext;
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Removes all of it.
///
/// # Errors
/// A mount can't be undone.
pub fn clear(layout: &Layout) -> Result<()> {
    end_shims(layout);
    unmount(layout)?;
    remove_groups();
    remove_log_links(layout);
    remove_cni_results();
    Ok(())
}

/// Whether a pod of this cluster still runs.
#[must_use]
pub fn has_pods(layout: &Layout) -> bool {
    shims(layout).next().is_some()
}

/// Kills shims that containerd could not end, with the processes that they watch over.
fn end_shims(layout: &Layout) {
    for shim in shims(layout) {
        let children = std::fs::read_to_string(format!("/proc/{shim}/task/{shim}/children"));
        for child in children.unwrap_or_default().split_whitespace() {
            kill(child.parse().ok());
        }
        kill(Some(shim));
    }
}

/// Processes that watch over our containers, known by the address of our socket among their arguments.
fn shims(layout: &Layout) -> impl Iterator<Item = i32> {
    let socket = layout.containerd_socket().display().to_string();
    processes().filter(move |pid| {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        is_our_shim(&arguments, &socket)
    })
}

fn is_our_shim(arguments: &[u8], socket: &str) -> bool {
    let mut words = arguments.split(|byte| *byte == 0);
    let is_shim = words
        .next()
        .is_some_and(|name| name.ends_with(b"containerd-shim-runc-v2"));
    is_shim && words.any(|word| word == socket.as_bytes())
}

fn kill(pid: Option<i32>) {
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn processes() -> impl Iterator<Item = i32> {
    let entries = Path::new("/proc").read_dir().into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Undoes the mounts below the state folder, the innermost first.
fn unmount(layout: &Layout) -> Result<()> {
    let mounts =
        std::fs::read_to_string("/proc/self/mountinfo").at("read", "/proc/self/mountinfo")?;
    for mount in below(&mounts, layout.state()) {
        if run(Command::new("umount").arg(&mount)).is_err() {
            run(Command::new("umount").arg("--lazy").arg(&mount))?;
        }
    }
    Ok(())
}

/// Mount points below a folder in the text of mountinfo (proc(5)), last mounted first.
fn below(mountinfo: &str, folder: &Path) -> Vec<PathBuf> {
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    let mut points: Vec<PathBuf> = points
        .map(PathBuf::from)
        .filter(|point| point.starts_with(folder))
        .collect();
    points.reverse();
    points
}

/// Removes the kubelet's empty control groups, in each hierarchy. One that is still in use stays.
fn remove_groups() {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = root.read_dir().into_iter().flatten();
    let hierarchies = hierarchies.filter_map(|entry| Some(entry.ok()?.path()));
    for hierarchy in hierarchies.chain([root.to_owned()]) {
        remove_group(&hierarchy.join("kubepods"));
    }
}

fn remove_group(group: &Path) {
    for entry in group.read_dir().into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_group(&entry.path());
        }
    }
    let _ = std::fs::remove_dir(group);
}

/// The kubelet links each log from /var/log/containers, wherever the logs are.
fn remove_log_links(layout: &Layout) {
    let links = Path::new("/var/log/containers");
    for entry in links.read_dir().into_iter().flatten().flatten() {
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        if target.starts_with(layout.state()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// CNI notes what it did for each container, by the name of our network; its loopback has one of its own,
/// and its notes for containers that are gone go with ours.
fn remove_cni_results() {
    let folder = Path::new("/var/lib/cni/results");
    let names: Vec<String> = folder
        .read_dir()
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let ours = names
        .iter()
        .filter_map(|name| name.strip_prefix("filegateway-")?.strip_suffix("-eth0"));
    for container in ours {
        let loopback = format!("cni-loopback-{container}-lo");
        for name in [loopback, format!("filegateway-{container}-eth0")] {
            let _ = std::fs::remove_file(folder.join(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_mounts_come_first_and_foreign_ones_not_at_all() {
        let text = "30 25 0:26 / /state/kubelet/pods/a rw - tmpfs tmpfs rw\n\
            31 30 0:27 / /state/kubelet/pods/a/b rw - tmpfs tmpfs rw\n\
            32 25 0:28 / /statement rw - tmpfs tmpfs rw\n";
        let expected: Vec<PathBuf> = ["/state/kubelet/pods/a/b", "/state/kubelet/pods/a"]
            .map(PathBuf::from)
            .into();
        assert_eq!(below(text, Path::new("/state")), expected);
    }

    #[test]
    fn a_shim_is_ours_by_its_socket() {
        let shim =
            b"/usr/bin/containerd-shim-runc-v2\0-namespace\0k8s.io\0-address\0/state/c.sock\0";
        assert!(is_our_shim(shim, "/state/c.sock"));
        assert!(!is_our_shim(shim, "/state/c"));
        assert!(!is_our_shim(b"vim\0/state/c.sock\0", "/state/c.sock"));
    }
}
