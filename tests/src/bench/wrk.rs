//! Reading under load, by wrk: it takes so little of the processor that the rest is the servers'.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::subject::Subject;
use super::{FILM, MIB, PART};
use crate::command::run;
use crate::error::IoContext;
use crate::{Error, Result};

const SCRIPT: &str = include_str!("read.lua");

/// How long one measurement lasts.
const DURATION: Duration = Duration::from_secs(2);

/// What is asked for, over how many connections at once.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    part: Option<usize>,
    connections: usize,
}

impl Load {
    /// All of the film.
    pub fn whole(connections: usize) -> Self {
        Self {
            part: None,
            connections,
        }
    }

    /// Parts of it, anywhere.
    pub fn parts(connections: usize) -> Self {
        Self {
            part: Some(PART),
            connections,
        }
    }

    /// What is counted per second.
    pub fn unit(self) -> &'static str {
        match self.part {
            None => "MiB/s",
            Some(_) => "request/s",
        }
    }

    /// Reads from a server for a while: how much it did, and in how many seconds.
    ///
    /// # Errors
    /// wrk can't be run, or a request fails.
    pub fn run(self, subject: &Subject, folder: &Path) -> Result<(f64, f64)> {
        let script = folder.join("read.lua");
        std::fs::write(&script, SCRIPT).at("write", &script)?;
        let mut command = Command::new("wrk");
        command
            .args(["--threads", "1", "--timeout", "10s"])
            .args(["--connections", &self.connections.to_string()])
            .args(["--duration", &format!("{}s", DURATION.as_secs())])
            .arg("--script")
            .arg(&script)
            .arg(&subject.origin)
            .env("BENCH_PATH", &subject.path)
            .env("BENCH_SIZE", FILM.to_string());
        if let Some(part) = self.part {
            command.env("BENCH_PART", part.to_string());
        }
        if let Some(authorization) = &subject.authorization {
            command.env("BENCH_AUTHORIZATION", authorization);
        }
        let output = run(&mut command)?;
        let numbers = output
            .lines()
            .find_map(|line| line.strip_prefix("bench "))
            .map(|numbers| numbers.split(' ').map(str::parse).collect());
        match numbers {
            Some(Ok(numbers)) => self.count(subject.name, &numbers),
            _ => Err(Error::Unexpected(format!("wrk wrote {output}"))),
        }
    }

    /// `numbers`: microseconds, requests, bytes, failures.
    fn count(self, name: &str, numbers: &Vec<f64>) -> Result<(f64, f64)> {
        let [duration, requests, bytes, failed] = numbers[..] else {
            return Err(Error::Unexpected(format!("wrk counted {numbers:?}")));
        };
        if failed > 0.0 {
            return Err(Error::Unexpected(format!(
                "{failed} requests to {name} failed"
            )));
        }
        let done = match self.part {
            None => bytes / MIB as f64,
            Some(_) => requests,
        };
        Ok((done, duration / 1e6))
    }
}
