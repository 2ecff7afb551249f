//! When an event is tried again.

use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// The waits after the first try, the second…, in seconds: the schedule that Standard Webhooks
/// recommends.
const WAITS: [u64; 9] = [
    5,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
];

/// How much longer a wait may be, so that what failed together is not tried again together.
const JITTER: f64 = 0.2;

/// The longest that a receiver may ask to be left alone.
const LONGEST: Duration = Duration::from_secs(24 * HOUR);

/// How long to wait after try number `attempts`, at least as long as the receiver `asked` for;
/// `jitter` is from 0 to 1. `None` when that was the last one.
pub(super) fn wait(attempts: u32, asked: Option<Duration>, jitter: f64) -> Option<Duration> {
    let tried = usize::try_from(attempts.max(1) - 1).ok()?;
    let planned = Duration::from_secs(*WAITS.get(tried)?);
    let asked = asked.unwrap_or_default().min(LONGEST);
    Some(planned.max(asked).mul_f64(1.0 + JITTER * jitter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_tried_ten_times_over_three_days() {
        let waits: Vec<_> = (1..=10).map(|attempts| wait(attempts, None, 0.0)).collect();
        let seconds = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];
        let mut expected: Vec<_> = seconds.map(|s| Some(Duration::from_secs(s))).into();
        expected.push(None);
        assert_eq!(waits, expected);
        assert_eq!(wait(u32::MAX, None, 0.0), None);
    }

    #[test]
    fn a_receiver_may_ask_for_longer_but_not_for_ever() {
        let asked = |seconds| wait(1, Some(Duration::from_secs(seconds)), 0.0);
        assert_eq!(asked(1), Some(Duration::from_secs(5)));
        assert_eq!(asked(90), Some(Duration::from_secs(90)));
        assert_eq!(asked(u64::MAX), Some(LONGEST));
        assert_eq!(wait(10, Some(Duration::from_secs(9)), 0.0), None);
    }

    #[test]
    fn waits_vary_and_only_to_the_longer() {
        assert_eq!(wait(1, None, 1.0), Some(Duration::from_secs(6)));
    }
}
