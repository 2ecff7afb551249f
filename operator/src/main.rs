//! The operator's command line.

use clap::{Parser, Subcommand};
use operator::{Config, telemetry};

/// Turns FileGateway resources into buckets, credentials, databases and gateway pods.
#[derive(Parser)]
#[command(name = "operator", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Watches the cluster and makes it match the resources. Configured by the environment:
    /// FILEGATEWAY_OPERATOR_NAMESPACE and FILEGATEWAY_GATEWAY_IMAGE are required.
    Run,
    /// Looks whether an operator of this namespace works: the resources are served, and somebody
    /// leads. For `helm test`; reads the same environment.
    Check,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Run => {
            let config = Config::from_env()?;
            telemetry::init(&config.log)?;
            let client = client(&config).await?;
            let outcome = operator::run(config, client, operator::shutdown::signal()).await;
            traces::stop().await;
            Ok(outcome?)
        }
        Command::Check => {
            let config = Config::from_env()?;
            let client = client(&config).await?;
            println!("{}", operator::check(&config, &client).await?);
            Ok(())
        }
    }
}

async fn client(config: &Config) -> anyhow::Result<kube::Client> {
    let kube = kube::Config::infer().await?;
    Ok(kube::Client::try_from(config.connection(kube))?)
}
