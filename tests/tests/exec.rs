//! `testbed exec` with a real PostgreSQL: what the command sees, how it ends, and that nothing is left.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

fn exec(script: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
    command
        .args(["exec", "--only", "postgres", "--", "sh", "-c", script])
        .stdin(Stdio::null());
    command
}

/// The folder of the servers, from PostgreSQL's settings.
const FOLDER: &str = r#"psql "$FGW_TEST_POSTGRES_URL" -Atc 'show data_directory'"#;

#[test]
fn the_command_reaches_postgresql_and_its_exit_code_is_passed_on() {
    let output = exec(&format!("{FOLDER}; exit 7")).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let folder = String::from_utf8(output.stdout).unwrap();
    assert!(folder.starts_with('/'), "{folder}");
    assert!(
        !Path::new(folder.trim()).exists(),
        "{folder} is still there"
    );
}

#[test]
fn a_terminated_test_bed_takes_its_command_and_servers_along() {
    let mut testbed = exec(&format!("{FOLDER}; echo $$; exec sleep 600"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(testbed.stdout.take().unwrap()).lines();
    let folder = lines.next().unwrap().unwrap();
    let command = lines.next().unwrap().unwrap();
    let server = std::fs::read_to_string(Path::new(&folder).join("postmaster.pid")).unwrap();
    let server = server.lines().next().unwrap();
    assert!(is_running(server) && is_running(&command));
    let terminated = Command::new("kill")
        .arg(testbed.id().to_string())
        .status()
        .unwrap();
    assert!(terminated.success());
    assert_eq!(testbed.wait().unwrap().code(), Some(143));
    assert!(!is_running(&command), "the command still runs");
    assert!(!is_running(server), "PostgreSQL still runs");
    assert!(!Path::new(&folder).exists(), "{folder} is still there");
}

/// Whether a process is there and not merely waiting to be reaped.
fn is_running(pid: &str) -> bool {
    let output = Command::new("ps")
        .args(["-o", "stat=", "-p", pid])
        .output()
        .unwrap();
    let state = String::from_utf8(output.stdout).unwrap();
    !state.trim().is_empty() && !state.starts_with('Z')
}
