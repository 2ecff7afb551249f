//! The gateway's program: one binary, one subcommand per role.

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use commands::ConfigArguments;
use commands::dev::DevArguments;
use commands::janitor::JanitorArguments;

/// The FileGateway server of one organization.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API. Configured by FILEGATEWAY_… variables and a file (docs/configuration.md).
    Serve(ConfigArguments),
    /// Work on uploaded videos, and settle what crashes left. Configured as `serve` is.
    Worker(ConfigArguments),
    /// Settle once what crashes left, and say what was found. Configured as `serve` is.
    Janitor(JanitorArguments),
    /// Bring the database up to date, and end.
    Migrate(ConfigArguments),
    /// Print the configuration that `serve` would run with, and where each value comes from.
    Config(ConfigArguments),
    /// Print the OpenAPI document.
    Openapi,
    /// Serve on this machine with nothing set up: SQLite, an S3 server in the process, and callers
    /// made up on the spot.
    Dev(DevArguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Serve(arguments) => commands::serve::run(&arguments).await,
        Command::Worker(arguments) => commands::worker::run(&arguments).await,
        Command::Janitor(arguments) => commands::janitor::run(&arguments).await,
        Command::Migrate(arguments) => commands::migrate::run(&arguments).await,
        Command::Config(arguments) => commands::config::run(&arguments),
        Command::Openapi => commands::openapi::run(),
        Command::Dev(arguments) => commands::dev::run(arguments).await,
    };
    traces::stop().await;
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}
