//! The command line of the test bed.

use clap::{Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use testbed::bench::What;
use testbed::cluster::Cluster;
use testbed::images::Image;
use testbed::servers::Part;
use testbed::tools::{Tool, Toolbox, debian};

/// Real servers for FileGateway's tests, and a real one-node cluster to run it on.
#[derive(Debug, Parser)]
#[command(version, name = "testbed")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Find, install or build every program that the test bed runs, and print where they are.
    Tools {
        /// Only these, comma separated: programs such as kubectl, or `system` for Debian's packages.
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
    },
    /// Install, build and cache all that the cluster and the images need, side by side.
    Prepare,
    /// Start servers on loopback, run a command with their addresses in FGW_TEST_*, and stop them.
    Exec {
        /// Only these parts, comma separated.
        #[arg(long, value_delimiter = ',', value_enum)]
        only: Vec<PartName>,
        /// Keep the servers' logs in this folder.
        #[arg(long)]
        logs: Option<PathBuf>,
        /// The command and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Run one binary of tests, as cargo does in `make test`.
    #[command(hide = true)]
    RunTests {
        /// The binary and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// `make run`: a cluster, the chart, two organizations, and the main job on both.
    Run {
        /// A context of your kubeconfig, to install there instead of starting a cluster.
        #[arg(long)]
        context: Option<String>,
    },
    /// `make stop`: end what `run` left running.
    Stop,
    /// `make test`: every test that this machine can run.
    Test,
    /// `make bench`: the gateway beside others, in figures.
    Bench {
        /// What to measure; everything when it is left out.
        what: Option<BenchName>,
    },
    /// The local one-node cluster.
    Cluster {
        /// What to do with it.
        #[arg(value_enum)]
        action: Action,
        /// Its folder; by default in the cache.
        #[arg(long)]
        state: Option<PathBuf>,
    },
    /// Build the images whose inputs changed, give them to the local cluster when it is up, and print
    /// their names and digests.
    Images {
        /// Only these, comma separated.
        #[arg(long, value_delimiter = ',', value_enum)]
        only: Vec<ImageName>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    /// Bring it up, as far as it isn't.
    Up,
    /// End it and take back what it changed on this machine; its data stays.
    Down,
    /// Down, delete its data, up.
    Reset,
    /// Say what runs.
    Status,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ImageName {
    Pause,
    Storage,
    Operator,
    Gateway,
}

impl From<ImageName> for Image {
    fn from(name: ImageName) -> Self {
        match name {
            ImageName::Pause => Self::Pause,
            ImageName::Storage => Self::Storage,
            ImageName::Operator => Self::Operator,
            ImageName::Gateway => Self::Gateway,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BenchName {
    Files,
    Video,
}

impl From<BenchName> for What {
    fn from(name: BenchName) -> Self {
        match name {
            BenchName::Files => Self::Files,
            BenchName::Video => Self::Video,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PartName {
    Postgres,
    S3,
    Minio,
    Kubernetes,
    Oracles,
    Tus,
    Browser,
    Schemathesis,
    Checkers,
}

impl From<PartName> for Part {
    fn from(name: PartName) -> Self {
        match name {
            PartName::Postgres => Self::Postgres,
            PartName::S3 => Self::S3,
            PartName::Minio => Self::Minio,
            PartName::Kubernetes => Self::Kubernetes,
            PartName::Oracles => Self::Oracles,
            PartName::Tus => Self::Tus,
            PartName::Browser => Self::Browser,
            PartName::Schemathesis => Self::Schemathesis,
            PartName::Checkers => Self::Checkers,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse().task).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("testbed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(task: Task) -> anyhow::Result<ExitCode> {
    match task {
        Task::Tools { only } => tools(&only)?,
        Task::RunTests { command } => testbed::run::one_binary::run(&command)?,
        Task::Prepare => testbed::prepare::everything()?,
        Task::Run { context } => testbed::run::commands::run(context).await?,
        Task::Stop => testbed::run::commands::stop().await?,
        Task::Test => testbed::run::commands::test().await?,
        Task::Bench { what } => {
            let all = [What::Files, What::Video];
            for what in what.map_or(all.to_vec(), |what| vec![what.into()]) {
                testbed::bench::run(what).await?;
            }
        }
        Task::Exec {
            only,
            logs,
            command,
        } => {
            let parts: Vec<Part> = only.into_iter().map(Part::from).collect();
            let parts = if parts.is_empty() {
                Part::ALL.to_vec()
            } else {
                parts
            };
            let code = testbed::exec::exec(&parts, logs.as_deref(), &command).await?;
            return Ok(ExitCode::from(code));
        }
        Task::Images { only } => {
            let images: Vec<Image> = only.into_iter().map(Image::from).collect();
            let images = if images.is_empty() {
                Image::ALL.to_vec()
            } else {
                images
            };
            let built = testbed::images::ensure(&images)?;
            let cluster = Cluster::new(None);
            if cluster.is_running() {
                cluster.import(&built)?;
            }
            for image in built {
                println!("{} {}", image.reference, image.digest);
            }
        }
        Task::Cluster { action, state } => {
            let cluster = Cluster::new(state);
            match action {
                Action::Up => cluster.up().await?,
                Action::Down => cluster.down().await?,
                Action::Reset => cluster.reset().await?,
                Action::Status => println!("{}", cluster.status()?),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn tools(only: &[String]) -> anyhow::Result<()> {
    let system = only.is_empty() || only.iter().any(|name| name == "system");
    let tools = if only.is_empty() {
        Tool::ALL.to_vec()
    } else {
        let named = only.iter().filter(|name| *name != "system").map(|name| {
            Tool::named(name).ok_or_else(|| anyhow::anyhow!("there is no tool called {name}"))
        });
        named.collect::<anyhow::Result<_>>()?
    };
    if system {
        let programs = [
            debian::POSTGRES,
            debian::ORACLES,
            debian::CLOCK,
            debian::VIDEO,
            debian::BROWSER,
            debian::NODE,
            debian::IMAGES,
            debian::NPM,
            debian::PYTHON,
            debian::PROMTOOL,
        ]
        .concat();
        debian::ensure(&programs)?;
    }
    for (tool, path) in Toolbox::prepare(&tools)?.iter() {
        println!("{} {} {}", tool.name(), tool.version(), path.display());
    }
    Ok(())
}
