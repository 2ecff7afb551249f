//! How cargo runs each binary of tests: as a program with a number of threads of its own.
//!
//! libtest takes one thread for each processor, and most binaries keep both of two busy. The gateway's HTTP tests wait
//! for most of their time.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::error::IoContext;

/// Binaries whose tests wait more than they compute, and how many of those run at once.
const WAITING: [(&str, &str); 1] = [("http", "3")];
/// Of libtest; a person's own choice counts.
const VARIABLE: &str = "RUST_TEST_THREADS";

/// What makes cargo run tests by `program`, the test bed: `cargo test` with these in front.
///
/// # Errors
/// The path of `program` is not UTF-8.
pub fn by(program: &Path) -> Result<[String; 2]> {
    let program = program.to_str().ok_or_else(|| {
        crate::Error::Refused(format!("{} is not UTF-8: move it", program.display()))
    })?;
    let runner = serde_json::json!([program, "run-tests", "--"]);
    Ok([
        "--config".into(),
        format!("target.'cfg(unix)'.runner={runner}"),
    ])
}

/// Becomes the binary `command` names.
///
/// # Errors
/// It can't be started.
pub fn run(command: &[OsString]) -> Result<()> {
    let Some((program, arguments)) = command.split_first() else {
        return Ok(());
    };
    let program = Path::new(program);
    let mut tests = Command::new(program);
    tests.args(arguments);
    if let Some(threads) = threads(program).filter(|_| std::env::var_os(VARIABLE).is_none()) {
        tests.env(VARIABLE, threads);
    }
    Err::<(), _>(tests.exec()).at("run", program)
}

/// For `target/debug/deps/http-0123456789abcdef`.
fn threads(program: &Path) -> Option<&'static str> {
    let file = program.file_name()?.to_str()?;
    let (name, _) = file.rsplit_once('-')?;
    let known = WAITING.into_iter().find(|(known, _)| *known == name);
    known.map(|(_, threads)| threads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binaries_are_told_by_their_names() {
        let of = |path: &str| threads(Path::new(path));
        assert_eq!(of("target/debug/deps/http-0123456789abcdef"), Some("3"));
        for other in ["deps/it-0123456789abcdef", "deps/http_2-0123", "http", ""] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
