//! Trouble that goes on is logged once in ten minutes: a namespace that may not be read breaks a dozen watches
//! every few seconds.

use std::time::{Duration, Instant};

const AGAIN: Duration = Duration::from_secs(600);

/// What was logged last.
#[derive(Debug, Default)]
pub struct Said(Option<(String, Instant)>);

impl Said {
    /// Whether `text` is to be logged at `now`.
    pub fn is_news(&mut self, text: String, now: Instant) -> bool {
        if let Some((said, when)) = &self.0
            && *said == text
            && now.duration_since(*when) < AGAIN
        {
            return false;
        }
        self.0 = Some((text, now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_said_again_after_ten_minutes_and_what_is_new_at_once() {
        let mut said = Said::default();
        let start = Instant::now();
        let mut at =
            |text: &str, seconds| said.is_news(text.into(), start + Duration::from_secs(seconds));
        assert!(at("forbidden", 0));
        assert!(!at("forbidden", 5));
        assert!(!at("forbidden", 599));
        assert!(at("forbidden", 600));
        assert!(at("refused", 601));
        assert!(at("forbidden", 602));
    }
}
