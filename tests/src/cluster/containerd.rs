//! containerd with root, state and socket of its own, and what only it can do: take images and end pods.

use super::daemon;
use super::layout::Layout;
use crate::command::run;
use crate::error::IoContext;
use crate::images::{Built, Image, layout as images};
use crate::{Error, Result, host};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The namespace that the kubelet's pods are in.
const NAMESPACE: &str = "k8s.io";
const LIMIT: Duration = Duration::from_secs(30);
/// How long containers may take to end when the cluster goes down.
const GRACE: Duration = Duration::from_secs(8);

/// Starts containerd and waits until it answers.
///
/// # Errors
/// It doesn't come up.
pub async fn start(layout: &Layout) -> Result<()> {
    let folder = layout.path("containerd");
    std::fs::create_dir_all(&folder).at("create", &folder)?;
    let config = folder.join("config.toml");
    std::fs::write(&config, configuration(layout)).at("write", &config)?;
    let mut command = Command::new("containerd");
    command.arg("--config").arg(&config);
    daemon::ensure(layout, "containerd", command)?;
    daemon::ready(layout, "containerd", LIMIT, async || {
        run(ctr(layout).args(["plugins", "ls"])).is_ok_and(|plugins| cri_is_up(&plugins))
    })
    .await
}

/// Whether the list of plugins has the kubelet's one in good order.
fn cri_is_up(plugins: &str) -> bool {
    plugins.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.contains(&"cri") && words.contains(&"ok")
    })
}

/// Overlay doesn't mount on overlay: then trees are copied.
fn snapshotter(layout: &Layout) -> &'static str {
    if host::is_overlay(layout.state()) {
        "native"
    } else {
        "overlayfs"
    }
}

fn configuration(layout: &Layout) -> String {
    let path = |name: &str| layout.path(name).display().to_string();
    format!(
        r#"version = 2
root = "{root}"
state = "{state}"
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = "{socket}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Some containers that this runs in may not lower it.
  restrict_oom_score_adj = true

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{cni}"

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
"#,
        root = path("containerd/root"),
        state = path("containerd/state"),
        socket = layout.containerd_socket().display(),
        pause = Image::Pause.reference(),
        cni = path("cni"),
        snapshotter = snapshotter(layout),
    )
}

fn ctr(layout: &Layout) -> Command {
    let mut command = Command::new("ctr");
    command
        .arg("--address")
        .arg(layout.containerd_socket())
        .args(["--namespace", NAMESPACE]);
    command
}

/// Gives containerd those images that it hasn't yet, and of those only the layers that it hasn't.
/// Which ones were given.
///
/// # Errors
/// containerd doesn't take them.
pub fn import(layout: &Layout, built: &[Built]) -> Result<Vec<Built>> {
    let known = run(ctr(layout).args(["images", "ls"]))?;
    let has = |image: &Built| {
        known.lines().any(|line| {
            line.starts_with(&format!("{} ", image.reference)) && line.contains(&image.digest)
        })
    };
    let new: Vec<Built> = built.iter().filter(|image| !has(image)).cloned().collect();
    if new.is_empty() {
        return Ok(new);
    }
    let held: BTreeSet<String> = run(ctr(layout).args(["content", "ls", "--quiet"]))?
        .lines()
        .map(str::to_owned)
        .collect();
    let mut files = BTreeSet::new();
    for image in &new {
        files.extend(
            images::blobs_of(image)?
                .difference(&held)
                .map(|digest| images::blob_path(digest)),
        );
    }
    pipe(layout, &new, &files)?;
    Ok(new)
}

/// Sends an OCI archive (an index, and blobs) from tar to `ctr images import`.
fn pipe(layout: &Layout, new: &[Built], files: &BTreeSet<PathBuf>) -> Result<()> {
    let parts = tempfile::tempdir_in(layout.state()).at("create a folder in", layout.state())?;
    let write = |name: &str, text: String| {
        let path = parts.path().join(name);
        std::fs::write(&path, text).at("write", &path)
    };
    write("index.json", images::index_of(new)?.to_string())?;
    write("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#.to_owned())?;
    let mut tar = Command::new("tar");
    tar.arg("--create")
        .arg("--directory")
        .arg(images::folder())
        .args(files);
    tar.arg("--directory")
        .arg(parts.path())
        .args(["oci-layout", "index.json"]);
    let mut sender = tar.stdout(Stdio::piped()).spawn().at("run", "tar")?;
    let archive = sender.stdout.take().map_or_else(Stdio::null, Stdio::from);
    let mut import = ctr(layout);
    import.args([
        "images",
        "import",
        "--snapshotter",
        snapshotter(layout),
        "-",
    ]);
    let output = import.stdin(archive).output().at("run", "ctr")?;
    let sent = sender.wait().at("wait for", "tar")?;
    if output.status.success() && sent.success() {
        return Ok(());
    }
    Err(Error::Command {
        command: crate::command::display(&import),
        status: output.status,
        output: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Ends all containers, asking first, and forgets them. The kubelet must be gone: it would start them
/// again.
///
/// # Errors
/// containerd doesn't answer.
pub fn remove_pods(layout: &Layout) -> Result<()> {
    let list = |arguments: &[&str]| -> Result<Vec<String>> {
        Ok(run(ctr(layout).args(arguments))?
            .lines()
            .map(str::to_owned)
            .collect())
    };
    let networks = network_namespaces(layout, &list(&["containers", "ls", "--quiet"])?);
    for task in running(layout)? {
        // One that ended by itself meanwhile is what we want.
        let _ = run(ctr(layout).args(["tasks", "kill", "--signal", "SIGTERM", &task]));
    }
    let started = Instant::now();
    while started.elapsed() < GRACE && !running(layout)?.is_empty() {
        std::thread::sleep(Duration::from_millis(100));
    }
    for task in list(&["tasks", "ls", "--quiet"])? {
        let _ = run(ctr(layout).args(["tasks", "rm", "--force", &task]));
    }
    for container in list(&["containers", "ls", "--quiet"])? {
        let _ = run(ctr(layout).args(["containers", "rm", &container]));
    }
    for network in networks {
        let _ = run(Command::new("umount").arg(&network));
        let _ = std::fs::remove_file(&network);
    }
    Ok(())
}

fn running(layout: &Layout) -> Result<Vec<String>> {
    let tasks = run(ctr(layout).args(["tasks", "ls"]))?;
    let running = tasks.lines().filter(|line| line.ends_with("RUNNING"));
    Ok(running
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect())
}

/// The files that hold pods' network namespaces open. CNI made them, and without the kubelet nobody
/// tells it to take them down.
fn network_namespaces(layout: &Layout, containers: &[String]) -> BTreeSet<PathBuf> {
    let of = |container: &String| -> Option<PathBuf> {
        let info = run(ctr(layout).args(["containers", "info", container])).ok()?;
        let info: serde_json::Value = serde_json::from_str(&info).ok()?;
        let namespaces = info.pointer("/Spec/linux/namespaces")?.as_array()?;
        let network = namespaces
            .iter()
            .find(|namespace| namespace["type"] == "network")?;
        let path = PathBuf::from(network["path"].as_str()?);
        let made_by_cni = path.file_name()?.to_str()?.starts_with("cni-");
        made_by_cni.then_some(path)
    };
    containers.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containerd_is_up_when_the_kubelets_plugin_is() {
        let head = "TYPE                  ID     PLATFORMS      STATUS\n";
        let line = |status| format!("{head}io.containerd.grpc.v1 cri    linux/amd64    {status}\n");
        assert!(cri_is_up(&line("ok")));
        assert!(!cri_is_up(&line("error")));
        assert!(!cri_is_up(head));
    }

    #[test]
    fn everything_containerd_keeps_is_in_the_state_folder() {
        let text = configuration(&Layout::new("/state".into()));
        assert!(text.contains("root = \"/state/containerd/root\""));
        assert!(text.contains("address = \"/state/containerd/containerd.sock\""));
        assert!(text.contains("conf_dir = \"/state/cni\""));
    }
}
