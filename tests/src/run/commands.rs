//! What `testbed run`, `testbed stop` and `testbed test` do.

use std::process::Command;

use super::install::Images;
use super::suite::{Suite, cargo};
use super::{Access, Reach, on_cluster, on_dev, one_binary, reach, workspace};
use crate::cluster::{Cluster, storage};
use crate::error::IoContext;
use crate::images::{self, Image};
use crate::journey::Steps;
use crate::tools::{Tool, Toolbox, debian};
use crate::{Result, cache, command, host, prepare, recorded};

/// Sets up, starts a cluster unless `context` names one, installs, and does the main job.
///
/// # Errors
/// The first step that fails.
pub async fn run(context: Option<String>) -> Result<()> {
    let steps = Steps::default();
    if let Some(context) = context {
        let access = foreign(context)?;
        let storage = std::env::var("STORAGE_IMAGE")
            .ok()
            .filter(|image| !image.is_empty());
        storage::apply(&access, storage.as_deref())?;
        storage::wait(&access)?;
        return on_cluster(
            &access,
            &Images::from_environment(),
            &steps,
            Reach::PortForward,
        )
        .await;
    }
    if let Err(reason) = host::can_host_a_node() {
        println!(
            "No Kubernetes node on this machine: {reason}. The same job runs on `gateway dev` instead."
        );
        return on_dev(&steps).await;
    }
    println!(
        "A one-node Kubernetes cluster with FileGateway on it. The first time its parts are built from source: \
         20 to 25 minutes on 2 cores. Later: about a minute."
    );
    prepare::everything()?;
    let cluster = Cluster::new(None);
    cluster.up().await?;
    on_the_local_one(&cluster, &steps).await
}

/// The run on the local cluster, which is up.
async fn on_the_local_one(cluster: &Cluster, steps: &Steps) -> Result<()> {
    debian::ensure(debian::VIDEO)?;
    let access = cluster.access()?;
    let built = images::ensure(&[Image::Operator, Image::Gateway])?;
    // Images keep their tag while they are worked on, so pods that run an older one have to be told.
    if !cluster.import(&built)?.is_empty() {
        restart(&access)?;
    }
    on_cluster(&access, &Images::default(), steps, Reach::NodePort).await
}

/// Restarts the operator's and the gateways' pods, where there are any.
fn restart(access: &Access) -> Result<()> {
    for namespace in ["filegateway-system", "acme", "globex"] {
        let deployments = command::run(&mut access.kubectl(&[
            "get",
            "deployments",
            "-n",
            namespace,
            "-o",
            "name",
        ]))?;
        for deployment in deployments.lines() {
            command::run(
                &mut access.kubectl(&["rollout", "restart", "-n", namespace, deployment]),
            )?;
            command::run(&mut access.kubectl(&[
                "rollout",
                "status",
                "-n",
                namespace,
                deployment,
                "--timeout=120s",
            ]))?;
        }
    }
    Ok(())
}

/// kubectl and Helm on a context of the user's own kubeconfig.
fn foreign(context: String) -> Result<Access> {
    debian::ensure(debian::VIDEO)?;
    let toolbox = Toolbox::prepare(&[Tool::Kubectl, Tool::Helm])?;
    Ok(Access {
        kubectl: toolbox.path(Tool::Kubectl),
        helm: toolbox.path(Tool::Helm),
        kubeconfig: None,
        context: Some(context),
    })
}

/// Ends everything that [`run`] left running.
///
/// # Errors
/// A process or the node's network can't be taken down.
pub async fn stop() -> Result<()> {
    recorded::stop_all(&cache::folder(super::dev::STATE).join("pids"))?;
    recorded::stop_all(&cache::folder(reach::STATE).join("pids"))?;
    if host::can_host_a_node().is_ok() {
        Cluster::new(None).down().await?;
    }
    println!("stopped");
    Ok(())
}

/// Runs every test that this machine can run.
///
/// # Errors
/// A test fails, or in CI one can't run.
pub async fn test() -> Result<()> {
    let mut suite = Suite::default();
    debian::ensure(&[debian::VIDEO, debian::BROWSER].concat())?;
    suite.check("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "--deny=warnings",
    ];
    suite.check("lints", &mut cargo(&clippy))?;
    let toolbox = Toolbox::prepare(&[Tool::Helm])?;
    let mut lint = toolbox.command(Tool::Helm);
    suite.check(
        "chart",
        lint.args(["lint", "--strict", "charts/filegateway"]),
    )?;
    suite.check(
        "unit and integration tests",
        &mut among_servers(&["test", "--workspace", "--locked", "--no-fail-fast"])?,
    )?;
    match host::can_host_a_node() {
        Ok(()) => end_to_end(&mut suite).await?,
        Err(reason) => {
            on_dev(&Steps::default()).await?;
            recorded::stop_all(&cache::folder(super::dev::STATE).join("pids"))?;
            suite.skip("the end-to-end tests on a cluster", &reason.to_string());
        }
    }
    suite.finish()
}

/// Cargo under `testbed exec`, so that the servers live exactly as long as the tests.
fn among_servers(arguments: &[&str]) -> Result<Command> {
    let program = std::env::current_exe().at("find", "this program")?;
    let mut command = Command::new(&program);
    command
        .args(["exec", "--"])
        .arg(cargo(&[]).get_program())
        .args(one_binary::by(&program)?)
        .args(arguments);
    Ok(command)
}

async fn end_to_end(suite: &mut Suite) -> Result<()> {
    let cluster = Cluster::new(None);
    // A cluster that somebody is using stays as it is; otherwise the tests begin on an empty one.
    let in_use = cluster.is_running();
    if in_use {
        cluster.up().await?;
    } else {
        cluster.reset().await?;
    }
    let outcome = end_to_end_on(suite, &cluster).await;
    if !in_use {
        cluster.down().await?;
    }
    outcome
}

async fn end_to_end_on(suite: &mut Suite, cluster: &Cluster) -> Result<()> {
    on_the_local_one(cluster, &Steps::default()).await?;
    let mut tests = cargo(&["test", "--locked", "-p", "testbed", "--test", "e2e"]);
    // One at a time: they share two gateways, and some of them take pods down.
    tests.args(["--", "--test-threads=1"]);
    tests.env("FGW_TEST_RUN", workspace().join("target/run.json"));
    let access = cluster.access()?;
    tests.env("FGW_TEST_KUBECTL", access.kubectl);
    tests.env("FGW_TEST_HELM", access.helm);
    suite.check("end-to-end tests", &mut tests)
}
