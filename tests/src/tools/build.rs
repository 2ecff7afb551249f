//! Building missing tools with Go, one project after the other, and saying so while it lasts.

use super::catalog::{KUBERNETES, Source, Tool};
use crate::command::{display, find, tail};
use crate::error::IoContext;
use crate::{Error, Result, cache};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often a line says that a long build is still going on.
const REMINDER: Duration = Duration::from_secs(30);

/// Compilers live for seconds: collecting their garbage less often is a sixth of the time saved.
const COMPILER_GOGC: &str = "400";

/// Where the cache keeps a tool: `tools/PROJECT-VERSION/NAME`.
pub(super) fn target(tool: Tool) -> PathBuf {
    let folder = format!("{}-{}", tool.project(), tool.version());
    cache::folder("tools").join(folder).join(tool.name())
}

/// Builds tools and returns where they are.
pub(super) fn all(tools: &[Tool]) -> Result<BTreeMap<Tool, PathBuf>> {
    let mut projects: BTreeMap<&str, Vec<Tool>> = BTreeMap::new();
    for &tool in tools {
        projects.entry(tool.project()).or_default().push(tool);
    }
    if !projects.is_empty() && find("go").is_none() {
        let names: Vec<&str> = tools.iter().map(|tool| tool.name()).collect();
        return Err(Error::Missing(format!(
            "go is missing (https://go.dev/dl, 1.26 or later): it builds {}",
            names.join(", ")
        )));
    }
    let mut built = BTreeMap::new();
    for (project, tools) in projects {
        project_of(project, &tools)?;
        built.extend(tools.into_iter().map(|tool| (tool, target(tool))));
    }
    Ok(built)
}

/// Builds some programs of one project into a temporary folder and moves them where they belong, so
/// that a build that was interrupted leaves no half of a program.
fn project_of(project: &str, tools: &[Tool]) -> Result<()> {
    let root = cache::folder("tools");
    let temporary = tempfile::tempdir_in(&root).at("create a folder in", &root)?;
    let usual: u64 = tools.iter().map(|tool| tool.usual_build_seconds()).sum();
    let label = label(tools);
    eprintln!(
        "tools: building {label}, about {} on 2 cores",
        minutes(usual)
    );
    let started = Instant::now();
    let mut command = command(tools, temporary.path());
    let log = root.join(format!("{project}.log"));
    run_with_reminders(&mut command, &log, &label)?;
    for &tool in tools {
        let target = target(tool);
        let folder = target.parent().unwrap_or(&root);
        std::fs::create_dir_all(folder).at("create", folder)?;
        let made = temporary.path().join(made_name(tool));
        std::fs::rename(&made, &target).at("move", &made)?;
    }
    eprintln!("tools: {label} done in {} s", started.elapsed().as_secs());
    Ok(())
}

/// Go names a program after the last part of its import path that is not a major version.
fn made_name(tool: Tool) -> &'static str {
    match tool {
        Tool::Etcd => "server",
        other => other.name(),
    }
}

fn command(tools: &[Tool], into: &Path) -> Command {
    let mut command = Command::new("go");
    let mut version = String::from("-s -w");
    for (name, value) in version_variables() {
        version.push_str(&format!(" -X k8s.io/component-base/version.{name}={value}"));
    }
    let fast = (!tools.iter().any(|tool| tool.carries_bytes())).then_some("-gcflags=all=-l");
    let module = tools.first().and_then(|tool| match tool.source() {
        Source::Module(_) => Some(concat!(env!("CARGO_MANIFEST_DIR"), "/tools")),
        Source::Addon(_) => Some(concat!(env!("CARGO_MANIFEST_DIR"), "/tools/addons")),
        Source::Install(_) => None,
    });
    if let Some(folder) = module {
        command.current_dir(folder);
        command.args(["build", "-mod=readonly", "-ldflags", &version]);
        command.args(fast).arg("-o").arg(into.join(""));
    } else {
        command.arg("install").args(fast).env("GOBIN", into);
    }
    command.args(tools.iter().map(|tool| match tool.source() {
        Source::Module(package) | Source::Addon(package) => package.to_owned(),
        Source::Install(package) => format!("{package}@v{}", tool.version()),
    }));
    // Without cgo the programs are static: they run in images that have no C library.
    command
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-buildvcs=false -trimpath")
        .env("GOGC", COMPILER_GOGC);
    command
}

/// What Kubernetes programs say about their version; without it they claim to be v0.0.0, which
/// clients refuse.
fn version_variables() -> [(&'static str, String); 3] {
    let mut parts = KUBERNETES.split('.').map(str::to_owned);
    let (major, minor) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    [
        ("gitVersion", format!("v{KUBERNETES}")),
        ("gitMajor", major),
        ("gitMinor", minor),
    ]
}

fn run_with_reminders(command: &mut Command, log: &Path, label: &str) -> Result<()> {
    let output = File::create(log).at("create", log)?;
    let errors = output.try_clone().at("write", log)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .at("run", display(command))?;
    let started = Instant::now();
    let mut reminder = REMINDER;
    let status = loop {
        if let Some(status) = child.try_wait().at("wait for", display(command))? {
            break status;
        }
        if started.elapsed() >= reminder {
            eprintln!(
                "tools: still building {label}, {} s",
                started.elapsed().as_secs()
            );
            reminder += REMINDER;
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    if status.success() {
        return Ok(());
    }
    let output = tail(&String::from_utf8_lossy(
        &std::fs::read(log).unwrap_or_default(),
    ));
    Err(Error::Command {
        command: display(command),
        status,
        output,
    })
}

fn label(tools: &[Tool]) -> String {
    let first = tools.first().map_or("nothing", |tool| tool.name());
    match tools.len() {
        0 | 1 => first.to_owned(),
        2 => format!("{first} and one more"),
        n => format!("{first} and {} more", n - 1),
    }
}

fn minutes(seconds: u64) -> String {
    if seconds < 90 {
        format!("{seconds} s")
    } else {
        format!("{} min", seconds.div_ceil(60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_one_build_in_the_checked_in_module() {
        let command = command(&[Tool::KubeApiserver, Tool::Kubectl], Path::new("/into"));
        assert_eq!(
            display(&command),
            "go build -mod=readonly -ldflags -s -w \
             -X k8s.io/component-base/version.gitVersion=v1.35.4 \
             -X k8s.io/component-base/version.gitMajor=1 \
             -X k8s.io/component-base/version.gitMinor=35 -gcflags=all=-l -o /into/ \
             k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kubectl"
        );
    }

    #[test]
    fn a_program_of_its_own_is_installed_by_version() {
        let command = command(&[Tool::Versitygw], Path::new("/into"));
        assert_eq!(
            display(&command),
            "go install github.com/versity/versitygw/cmd/versitygw@v1.8.0"
        );
    }

    #[test]
    fn a_program_that_carries_no_bytes_is_compiled_fast() {
        let command = command(&[Tool::Helm], Path::new("/into"));
        assert_eq!(
            display(&command),
            "go build -mod=readonly -ldflags -s -w \
             -X k8s.io/component-base/version.gitVersion=v1.35.4 \
             -X k8s.io/component-base/version.gitMajor=1 \
             -X k8s.io/component-base/version.gitMinor=35 -gcflags=all=-l -o /into/ \
             helm.sh/helm/v4/cmd/helm"
        );
    }

    #[test]
    fn labels_count_what_they_leave_out() {
        assert_eq!(label(&[Tool::Helm]), "helm");
        assert_eq!(
            label(&[Tool::KubeApiserver, Tool::Kubectl]),
            "kube-apiserver and one more"
        );
        assert_eq!(minutes(260), "5 min");
    }
}
