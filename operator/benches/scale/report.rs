//! What is said at the end, and on the way there.

use std::fmt;
use std::time::{Duration, Instant};

/// Rows of a table, in the order in which they came out.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<(String, String)>,
}

impl Report {
    /// Adds a row, and says it at once as well.
    pub fn add(&mut self, what: impl Into<String>, figure: impl Into<String>) {
        let (what, figure) = (what.into(), figure.into());
        eprintln!("scale: {what}: {figure}");
        self.rows.push((what, figure));
    }

    /// Adds a row with a time.
    pub fn time(&mut self, what: impl Into<String>, time: Duration) {
        self.add(what, format!("{:.1} s", time.as_secs_f64()));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "| | |\n| --- | --: |")?;
        for (what, figure) in &self.rows {
            writeln!(formatter, "| {what} | {figure} |")?;
        }
        Ok(())
    }
}

/// Says now and then how far something is.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    of: usize,
    began: Instant,
    said: Instant,
}

/// How often.
const INTERVAL: Duration = Duration::from_secs(10);

impl Progress {
    /// Nothing of `of` is done.
    pub fn new(what: &'static str, of: usize) -> Self {
        let now = Instant::now();
        Self {
            what,
            of,
            began: now,
            said: now,
        }
    }

    /// `done` of them are.
    pub fn at(&mut self, done: usize) {
        if self.said.elapsed() >= INTERVAL {
            self.said = Instant::now();
            let seconds = self.began.elapsed().as_secs();
            eprintln!("scale: {} {done} of {}, {seconds} s", self.what, self.of);
        }
    }
}
