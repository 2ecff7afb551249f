//! `kubectl fgw`: what a person asks of one FileGateway, beyond what kubectl shows.
//!
//! kubectl runs it as a plugin when it is on the `PATH` as `kubectl-fgw`.

mod cluster;
mod logs;
mod pause;
mod rotate;
mod status;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use cluster::Cluster;

/// Looks after FileGateways: what one owns and how it does, its keys, its pods' logs.
///
/// Exit codes: 0 done; 1 failed; 2 wrong arguments; 3 the gateway is not ready (`status`).
#[derive(Parser)]
#[command(name = "kubectl-fgw", bin_name = "kubectl fgw", version)]
struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

/// Which cluster and namespace.
#[derive(Args)]
struct Place {
    /// Namespace of the FileGateway [default: that of the context]
    #[arg(short, long, global = true, value_name = "NAME")]
    namespace: Option<String>,
    /// Context of the kubeconfig [default: the current one]
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,
    /// The kubeconfig [default: $KUBECONFIG, else ~/.kube/config]
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Show a tree of what a gateway owns, each with its condition or readiness
    Status {
        /// Name of the FileGateway
        name: String,
    },
    Rotate(rotate::Arguments),
    /// Have the operator leave a gateway as it is; its pods go on
    Pause {
        /// Name of the FileGateway
        name: String,
    },
    /// Have the operator look after a gateway again
    Resume {
        /// Name of the FileGateway
        name: String,
    },
    Token(token::Arguments),
    Logs(logs::Arguments),
}

/// How a command ended that did not fail.
enum Outcome {
    Done,
    NotReady,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { place, command } = Arguments::parse();
    match run(&place, command).await {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::NotReady) => ExitCode::from(3),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(place: &Place, command: Command) -> anyhow::Result<Outcome> {
    let cluster = Cluster::connect(place).await?;
    match command {
        Command::Status { name } => return status::show(&cluster, &name).await,
        Command::Rotate(arguments) => rotate::rotate(&cluster, &arguments).await?,
        Command::Pause { name } => pause::set(&cluster, &name, true).await?,
        Command::Resume { name } => pause::set(&cluster, &name, false).await?,
        Command::Token(arguments) => token::get(&cluster, place, &arguments).await?,
        Command::Logs(arguments) => logs::print(&cluster, &arguments).await?,
    }
    Ok(Outcome::Done)
}
