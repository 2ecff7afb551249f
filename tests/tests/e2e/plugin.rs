//! `kubectl fgw` where it needs a kubelet: pods' logs, and a way to the gateway.

use std::path::Path;
use std::process::{Command, Output};

use reqwest::StatusCode;

use crate::support::{access, gateway};

/// The plugin, which kubectl would find on the `PATH`.
fn plugin(arguments: &[&str], jwt: &str) -> Output {
    let this = std::env::current_exe().unwrap();
    let program = this.ancestors().nth(2).unwrap().join("kubectl-fgw");
    let beside = "it is built by `cargo test --workspace`, or `cargo build -p operator`";
    assert!(program.is_file(), "{}: {beside}", program.display());
    let access = access();
    let folders = access.kubectl.parent().map(Path::to_owned);
    let path = std::env::var_os("PATH").unwrap();
    let folders = folders.into_iter().chain(std::env::split_paths(&path));
    Command::new(program)
        .args(arguments)
        .env("PATH", std::env::join_paths(folders).unwrap())
        .envs(access.kubeconfig.map(|file| ("KUBECONFIG", file)))
        .env("FILEGATEWAY_JWT", jwt)
        .output()
        .unwrap()
}

fn told(output: &Output) -> &str {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    std::str::from_utf8(&output.stdout).unwrap().trim()
}

#[tokio::test]
async fn a_token_for_trying_opens_the_gateway() {
    let gateway = gateway("acme");
    let output = plugin(&["token", "files", "-n", "acme"], &gateway.tokens.member);
    let token = told(&output);
    // 404 shows that the token itself was accepted.
    let nothing = "00000000-0000-4000-8000-000000000000";
    let stream = format!("{}/v1/files/stream/{nothing}?token={token}", gateway.url);
    let answer = reqwest::get(&stream).await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let refused = plugin(&["token", "files", "-n", "acme"], "x");
    assert_eq!(refused.status.code(), Some(1));
    let complaint = String::from_utf8_lossy(&refused.stderr);
    assert!(complaint.contains("401"), "{complaint}");
}

#[test]
fn the_logs_of_all_pods_are_told_apart() {
    let output = plugin(&["logs", "files", "-n", "acme", "--tail", "5"], "");
    let told = told(&output);
    assert!(told.lines().count() > 0);
    for line in told.lines() {
        assert!(line.starts_with("[files-") && line.contains("] "), "{line}");
    }
}
