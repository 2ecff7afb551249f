//! Progress for a person: each step when it begins, and how it ended.

use std::future::Future;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::Result;

/// Prints steps to standard output as they go.
#[derive(Debug)]
pub struct Steps {
    started: Instant,
    terminal: bool,
}

impl Default for Steps {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            terminal: std::io::stdout().is_terminal(),
        }
    }
}

impl Steps {
    /// A heading over the steps that follow.
    pub fn heading(&self, text: &str) {
        println!("\n{text}");
    }

    /// A line of text.
    pub fn say(&self, text: &str) {
        println!("  {text}");
    }

    /// Runs `work` and prints `title`, what it answered and how long it took.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn step<T, F>(&self, title: &str, work: F) -> Result<T>
    where
        F: Future<Output = Result<(T, String)>>,
    {
        if self.terminal {
            print!("  … {title}");
            let _ = std::io::stdout().flush();
        }
        let begun = Instant::now();
        let outcome = work.await;
        let took = seconds(begun.elapsed());
        let erase = if self.terminal { "\r\x1b[K" } else { "" };
        match outcome {
            Ok((value, result)) => {
                println!("{erase}  ✓ {title}: {result} ({took})");
                Ok(value)
            }
            Err(error) => {
                println!("{erase}  ✗ {title}: {error} ({took})");
                Err(error)
            }
        }
    }

    /// How long it has been since the first step.
    pub fn elapsed(&self) -> String {
        seconds(self.started.elapsed())
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

/// `bytes` in MiB, for people.
pub fn mebibytes(bytes: u64) -> String {
    #[allow(clippy::cast_precision_loss)]
    let mebibytes = bytes as f64 / (1024.0 * 1024.0);
    format!("{mebibytes:.1} MiB")
}
