//! What a person can do next, and `target/run.json` for scripts.

use std::path::{Path, PathBuf};

use super::{Access, workspace};
use crate::journey::client::Uploaded;
use crate::journey::{Gateway, RunFile};
use crate::{Result, command, secret};

/// Writes `target/run.json` and, beside it, one file per organization that `curl -H @file` takes, so
/// that no token has to be shown on a terminal.
///
/// # Errors
/// The files can't be written.
pub fn write(run: &RunFile) -> Result<PathBuf> {
    let path = workspace().join("target/run.json");
    run.write(&path)?;
    for gateway in &run.gateways {
        let header = format!("Authorization: Bearer {}\n", gateway.tokens.member);
        secret::write(&header_file(&path, gateway), &header)?;
    }
    Ok(path)
}

fn header_file(run_file: &Path, gateway: &Gateway) -> PathBuf {
    run_file.with_file_name(format!("{}.header", gateway.organization))
}

/// Prints the FileGateways, the addresses, and curl lines to paste. `film` is a file of the first
/// gateway.
///
/// # Errors
/// kubectl fails.
pub fn print(
    access: Option<&Access>,
    run: &RunFile,
    run_file: &Path,
    film: &Uploaded,
) -> Result<()> {
    if let Some(access) = access {
        println!("\n$ kubectl get fgw -A");
        print!(
            "{}",
            command::run(&mut access.kubectl(&["get", "fgw", "--all-namespaces"]))?
        );
    }
    println!();
    for gateway in &run.gateways {
        println!(
            "{:<10} {}  Swagger UI: {}/docs",
            gateway.organization, gateway.url, gateway.url
        );
    }
    let Some(first) = run.gateways.first() else {
        return Ok(());
    };
    let current = std::env::current_dir().unwrap_or_default();
    let header = header_file(run_file, first);
    let header = header.strip_prefix(&current).unwrap_or(&header).display();
    let (url, id) = (&first.url, &film.id);
    println!("\nTo paste, as {}'s member:\n", first.organization);
    println!("  curl -H @{header} -F files=@README.md -F files=@Cargo.toml {url}/v1/files");
    println!("  curl -H @{header} -r 0-99 {url}/v1/files/{id} -o part.bin");
    println!("  curl -H @{header} '{url}/v1/files/token?file_id={id}'");
    println!("  curl -H @{header} -X DELETE {url}/v1/files/{id}");
    if let Some(kubeconfig) = &run.kubeconfig {
        println!("  export KUBECONFIG={}", kubeconfig.display());
    }
    println!(
        "\nFor scripts: {}",
        run_file
            .strip_prefix(&current)
            .unwrap_or(run_file)
            .display()
    );
    println!("To take it down: make stop");
    Ok(())
}
