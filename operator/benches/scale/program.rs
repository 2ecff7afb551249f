//! The operator as it is shipped, as a process of its own.

use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use testbed::bench::usage::Usage;
use testbed::process::Server;
use testbed::servers::{free_port, http};

use crate::field::{Field, SYSTEM};
use crate::settings::Settings;

const LIMIT: Duration = Duration::from_secs(60);

/// A process, killed when dropped.
pub struct Program {
    server: Server,
    health: String,
}

impl Program {
    /// Starts one and waits until it leads, or stands by.
    pub async fn start(settings: &Settings, field: &Field, name: &str) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(&settings.program);
        command
            .arg("run")
            .env("KUBECONFIG", &field.kubeconfig)
            .env("FILEGATEWAY_OPERATOR_NAMESPACE", SYSTEM)
            .env("FILEGATEWAY_GATEWAY_IMAGE", "filegateway/gateway:scale")
            .env("FILEGATEWAY_POD_NAME", name)
            .env("FILEGATEWAY_HEALTH_LISTEN", format!("127.0.0.1:{port}"))
            // The slow look at the outside world comes after everything that is measured.
            .env("FILEGATEWAY_RESYNC_SECONDS", "7200");
        let mut server = Server::start(name, command, &field.logs)?;
        let health = format!("http://127.0.0.1:{port}");
        let (client, ready) = (http::client()?, format!("{health}/readyz"));
        server
            .ready(LIMIT, async || http::succeeds(&client, &ready).await)
            .await?;
        Ok(Self { server, health })
    }

    /// Kills it, as a crash would.
    pub fn crash(&mut self) -> anyhow::Result<()> {
        Ok(self.server.crash()?)
    }

    /// Asks it to stop, and waits.
    pub async fn stop(self) -> anyhow::Result<()> {
        Ok(self.server.stop().await?)
    }

    /// Processor time and peak memory so far.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        Ok(Usage::of(self.server.pid())?)
    }

    /// Resident memory now, in MiB.
    pub fn resident(&self) -> anyhow::Result<f64> {
        let path = format!("/proc/{}/status", self.server.pid());
        let status = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        Ok(kibibytes.context("no VmRSS")? / 1024.0)
    }

    /// The sum of the samples of a metric whose labels contain each of `labels`.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> anyhow::Result<f64> {
        let url = format!("{}/metrics", self.health);
        let text = http::client()?.get(&url).send().await?.text().await?;
        Ok(sum(&text, name, labels))
    }
}

/// The sum of samples in Prometheus' text format.
pub fn sum(text: &str, name: &str, labels: &[&str]) -> f64 {
    text.lines()
        .filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (found, rest) = series.split_once('{').unwrap_or((series, ""));
            let wanted = found == name && labels.iter().all(|label| rest.contains(label));
            wanted.then(|| value.parse::<f64>().ok())?
        })
        // The sum of none would be -0.
        .fold(0.0, |sum, value| sum + value)
}
