//! Conditional requests (RFC 9110, section 13) and, after them, the range.

use std::time::SystemTime;

use http::HeaderMap;
use http::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};

use super::ranges::{Selection, select};
use crate::files::ByteRange;

/// What tells one version of a representation from another.
#[derive(Debug, Clone)]
pub struct Validators {
    /// The strong entity tag, with its quotes.
    pub etag: String,
    /// When it came to be; whole seconds.
    pub modified: SystemTime,
    /// Its length in bytes.
    pub size: u64,
}

/// How a GET or HEAD is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 200 with all of it.
    Whole,
    /// 206 with a part of it.
    Part(ByteRange),
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
    /// 416.
    Unsatisfiable,
}

/// How a request with `headers` for the representation with `validators` is to be answered: the
/// conditions in the order of 13.2.2, then the range.
pub fn answer(headers: &HeaderMap, validators: &Validators) -> Answer {
    if headers.contains_key(IF_MATCH) {
        if !matches(headers, &IF_MATCH, &validators.etag, strong) {
            return Answer::PreconditionFailed;
        }
    } else if date(headers, &IF_UNMODIFIED_SINCE).is_some_and(|date| validators.modified > date) {
        return Answer::PreconditionFailed;
    }
    if headers.contains_key(IF_NONE_MATCH) {
        if matches(headers, &IF_NONE_MATCH, &validators.etag, weak) {
            return Answer::NotModified;
        }
    } else if date(headers, &IF_MODIFIED_SINCE).is_some_and(|date| validators.modified <= date) {
        return Answer::NotModified;
    }
    let Some(range) = single(headers, &RANGE) else {
        return Answer::Whole;
    };
    if headers.contains_key(IF_RANGE) && !range_still_fits(headers, validators) {
        return Answer::Whole;
    }
    match select(range, validators.size) {
        Selection::Whole => Answer::Whole,
        Selection::Part(range) => Answer::Part(range),
        Selection::Unsatisfiable => Answer::Unsatisfiable,
    }
}

/// 13.1.5: a tag is compared strongly, a date must be exactly the one that was sent.
fn range_still_fits(headers: &HeaderMap, validators: &Validators) -> bool {
    let Some(value) = single(headers, &IF_RANGE) else {
        return false;
    };
    if value.starts_with('"') || value.starts_with("W/") {
        return strong(value, &validators.etag);
    }
    parse_date(value) == Some(validators.modified)
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().map(str::trim),
        _ => None,
    }
}

/// A date that can't be read counts as absent (13.1.3, 13.1.4).
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    single(headers, name).and_then(parse_date)
}

fn parse_date(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text).ok()
}

fn matches(
    headers: &HeaderMap,
    name: &HeaderName,
    etag: &str,
    compare: fn(&str, &str) -> bool,
) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.trim() == "*" || tags(value).any(|tag| compare(tag, etag)))
}

/// The entity tags of a list. A comma may be part of a tag, so the list is cut at quotes; what is no
/// tag is passed over.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        loop {
            let opening = rest.find('"')?;
            let closing = rest.get(opening + 1..)?.find('"')? + opening + 1;
            let (element, after) = rest.split_at_checked(closing + 1)?;
            rest = after;
            let before = element.get(..opening)?.rsplit(',').next()?.trim_start();
            if matches!(before, "" | "W/") {
                return element.get(opening - before.len()..);
            }
        }
    })
}

fn strong(tag: &str, etag: &str) -> bool {
    tag == etag
}

fn weak(tag: &str, etag: &str) -> bool {
    tag.strip_prefix("W/").unwrap_or(tag) == etag
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const MODIFIED: &str = "Wed, 21 Oct 2015 07:28:00 GMT";
    const BEFORE: &str = "Wed, 21 Oct 2015 07:27:59 GMT";
    const AFTER: &str = "Wed, 21 Oct 2015 07:28:01 GMT";
    const SAME: &str = "\"a\"";
    const OTHER: &str = "\"b\"";

    fn ask(headers: &[(HeaderName, &str)]) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        let validators = Validators {
            etag: SAME.into(),
            modified: httpdate::parse_http_date(MODIFIED).unwrap(),
            size: 100,
        };
        answer(&map, &validators)
    }

    const PART: Answer = Answer::Part(ByteRange { start: 0, end: 9 });
    const FIRST_TEN: (HeaderName, &str) = (RANGE, "bytes=0-9");

    #[test]
    fn each_condition_by_itself() {
        for (name, value, expected) in [
            (IF_MATCH, SAME, Answer::Whole),
            (IF_MATCH, "*", Answer::Whole),
            (IF_MATCH, OTHER, Answer::PreconditionFailed),
            (IF_MATCH, "W/\"a\"", Answer::PreconditionFailed),
            (IF_MATCH, "\"b\", \"a\"", Answer::Whole),
            (IF_MATCH, "nonsense", Answer::PreconditionFailed),
            (IF_UNMODIFIED_SINCE, BEFORE, Answer::PreconditionFailed),
            (IF_UNMODIFIED_SINCE, MODIFIED, Answer::Whole),
            (IF_UNMODIFIED_SINCE, "yesterday", Answer::Whole),
            (IF_NONE_MATCH, SAME, Answer::NotModified),
            (IF_NONE_MATCH, "W/\"a\"", Answer::NotModified),
            (IF_NONE_MATCH, "*", Answer::NotModified),
            (IF_NONE_MATCH, OTHER, Answer::Whole),
            (IF_NONE_MATCH, "\"x,y\", \"a\"", Answer::NotModified),
            (IF_NONE_MATCH, "nonsense, \"a\"", Answer::NotModified),
            (IF_NONE_MATCH, "W/\"b\" , W/\"a\"", Answer::NotModified),
            (IF_NONE_MATCH, "nonsense\"a\"", Answer::Whole),
            (IF_NONE_MATCH, "W/ \"a\"", Answer::Whole),
            (IF_NONE_MATCH, "\"a", Answer::Whole),
            (IF_MATCH, "nonsense, W/\"a\",, \"a\"", Answer::Whole),
            (IF_MODIFIED_SINCE, BEFORE, Answer::Whole),
            (IF_MODIFIED_SINCE, MODIFIED, Answer::NotModified),
            (IF_MODIFIED_SINCE, AFTER, Answer::NotModified),
            (IF_MODIFIED_SINCE, "", Answer::Whole),
        ] {
            assert_eq!(ask(&[(name.clone(), value)]), expected, "{name}: {value}");
        }
    }

    #[test]
    fn tags_win_over_dates() {
        assert_eq!(
            ask(&[(IF_MATCH, SAME), (IF_UNMODIFIED_SINCE, BEFORE)]),
            Answer::Whole
        );
        assert_eq!(
            ask(&[(IF_NONE_MATCH, OTHER), (IF_MODIFIED_SINCE, AFTER)]),
            Answer::Whole
        );
    }

    #[test]
    fn a_failed_precondition_wins_over_not_modified() {
        assert_eq!(
            ask(&[(IF_MATCH, OTHER), (IF_NONE_MATCH, SAME)]),
            Answer::PreconditionFailed
        );
    }

    #[test]
    fn conditions_win_over_the_range() {
        assert_eq!(
            ask(&[FIRST_TEN, (IF_NONE_MATCH, SAME)]),
            Answer::NotModified
        );
        assert_eq!(ask(&[FIRST_TEN, (IF_NONE_MATCH, OTHER)]), PART);
    }

    #[test]
    fn a_range_needs_the_version_that_if_range_names() {
        for (value, expected) in [
            (SAME, PART),
            (OTHER, Answer::Whole),
            ("W/\"a\"", Answer::Whole),
            (MODIFIED, PART),
            (BEFORE, Answer::Whole),
            (AFTER, Answer::Whole),
            ("nonsense", Answer::Whole),
        ] {
            assert_eq!(ask(&[FIRST_TEN, (IF_RANGE, value)]), expected, "{value}");
        }
        assert_eq!(
            ask(&[(RANGE, "bytes=500-"), (IF_RANGE, OTHER)]),
            Answer::Whole
        );
    }

    #[test]
    fn two_range_headers_are_ignored() {
        assert_eq!(ask(&[FIRST_TEN, (RANGE, "bytes=20-29")]), Answer::Whole);
    }
}
