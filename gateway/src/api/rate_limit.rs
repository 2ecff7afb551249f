//! How many requests one caller may make.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};

use super::problem::Problem;
use crate::auth::Caller;

/// After how many requests callers are forgotten whose allowance is whole again.
const SWEEP_EVERY: u32 = 10_000;

/// A limit per caller and process: a minute's allowance may be used at once, and comes back evenly.
pub struct RateLimit {
    limiter: Option<(NonZeroU32, DefaultKeyedRateLimiter<String>)>,
    requests: AtomicU32,
}

impl RateLimit {
    /// A limit of requests per minute; 0 is none.
    pub fn per_minute(limit: u32) -> Self {
        let limiter = NonZeroU32::new(limit).map(|limit| {
            let quota = Quota::per_minute(limit);
            (limit, DefaultKeyedRateLimiter::keyed(quota))
        });
        Self {
            limiter,
            requests: AtomicU32::new(0),
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// 429 with `Retry-After` when it is one too many.
    pub fn count(&self, caller: &Caller) -> Result<(), Problem> {
        let Some((limit, limiter)) = &self.limiter else {
            return Ok(());
        };
        if self.requests.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            limiter.retain_recent();
        }
        let Err(until) = limiter.check_key(&caller.subject) else {
            return Ok(());
        };
        let wait = until.wait_time_from(DefaultClock::default().now());
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_requests",
            format!("More than {limit} requests in a minute; try again in {seconds} s"),
        )
        .limit("requests.perMinute", limit.get())
        .with(RETRY_AFTER, HeaderValue::from(seconds.max(1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(subject: &str) -> Caller {
        Caller {
            subject: subject.into(),
            organization: "acme".into(),
            admin: false,
        }
    }

    #[test]
    fn each_caller_has_an_allowance_of_their_own() {
        let limit = RateLimit::per_minute(2);
        for name in ["ana", "ben"] {
            assert!(limit.count(&caller(name)).is_ok());
            assert!(limit.count(&caller(name)).is_ok());
            let problem = limit.count(&caller(name)).unwrap_err();
            assert_eq!(problem.status(), 429);
            let body = problem.body("id");
            assert_eq!(body["limit"]["value"], 2);
        }
    }

    #[test]
    fn zero_is_no_limit() {
        let limit = RateLimit::per_minute(0);
        assert!((0..100).all(|_| limit.count(&caller("ana")).is_ok()));
    }
}
