//! The gateway's program: one binary, one subcommand per role.

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use commands::dev::DevArguments;

/// The FileGateway server of one organization.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API. Configured by FILEGATEWAY_… variables (docs/configuration.md).
    Serve,
    /// Work on uploaded videos, and settle what crashes left. Configured as `serve` is.
    Worker,
    /// Bring the database up to date, and end.
    Migrate,
    /// Print the OpenAPI document.
    Openapi,
    /// Serve on this machine with nothing set up: SQLite, an S3 server in the process, and callers
    /// made up on the spot.
    Dev(DevArguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Serve => commands::serve::run().await,
        Command::Worker => commands::worker::run().await,
        Command::Migrate => commands::migrate::run().await,
        Command::Openapi => commands::openapi::run(),
        Command::Dev(arguments) => commands::dev::run(arguments).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}
