//! Which bytes of a representation a request asks for (RFC 9110, section 14).

use crate::files::ByteRange;

/// What a `Range` header comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// All of it: no range, one that is malformed or of an unknown unit (both are ignored, as 14.2
    /// asks), or several. Several may be answered with the whole (14.2), and so they can't be used
    /// to make a small request cost many times the file. An empty file has no parts; players ask for
    /// `bytes=0-` whatever they read, and nginx and Go answer them with the nothing that there is.
    Whole,
    /// One part of it.
    Part(ByteRange),
    /// A part that it does not have: 416.
    Unsatisfiable,
}

/// What the header's value `range` selects of `size` bytes.
pub fn select(range: &str, size: u64) -> Selection {
    let Some((unit, set)) = range.split_once('=') else {
        return Selection::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Selection::Whole;
    }
    // A list may have empty elements (5.6.1.2).
    let mut elements = set
        .split(',')
        .map(|element| element.trim_matches([' ', '\t']))
        .filter(|element| !element.is_empty());
    match (elements.next(), elements.next()) {
        (Some(only), None) if size > 0 => one(only, size),
        _ => Selection::Whole,
    }
}

fn one(element: &str, size: u64) -> Selection {
    let Some((first, last)) = element.split_once('-') else {
        return Selection::Whole;
    };
    match (number(first), number(last)) {
        (Some(Some(start)), Some(None)) => part(start, u64::MAX, size),
        (Some(Some(start)), Some(Some(end))) if start <= end => part(start, end, size),
        (Some(None), Some(Some(0))) => Selection::Unsatisfiable,
        (Some(None), Some(Some(length))) => part(size.saturating_sub(length), u64::MAX, size),
        _ => Selection::Whole,
    }
}

fn part(start: u64, end: u64, size: u64) -> Selection {
    if start >= size {
        return Selection::Unsatisfiable;
    }
    Selection::Part(ByteRange {
        start,
        end: end.min(size - 1),
    })
}

/// `None` for what is no number, `Some(None)` for nothing. A number that is too large to count is
/// beyond every file, so the largest one stands for it.
fn number(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::Selection::{Unsatisfiable, Whole};
    use super::*;

    fn part(start: u64, end: u64) -> Selection {
        Selection::Part(ByteRange { start, end })
    }

    #[test]
    fn single_ranges() {
        for (range, selection) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=0-99", part(0, 99)),
            ("bytes=10-19", part(10, 19)),
            ("bytes=99-", part(99, 99)),
            ("bytes=0-", part(0, 99)),
            ("bytes=90-1000", part(90, 99)),
            ("bytes=-1", part(99, 99)),
            ("bytes=-100", part(0, 99)),
            ("bytes=-1000", part(0, 99)),
            ("Bytes=1-2", part(1, 2)),
            ("bytes= 1-2 ", part(1, 2)),
            ("bytes=1-2,", part(1, 2)),
            ("bytes=0-18446744073709551616", part(0, 99)),
        ] {
            assert_eq!(select(range, 100), selection, "{range}");
        }
    }

    #[test]
    fn unsatisfiable_ranges() {
        for range in [
            "bytes=100-",
            "bytes=100-200",
            "bytes=-0",
            "bytes=18446744073709551616-",
        ] {
            assert_eq!(select(range, 100), Unsatisfiable, "{range}");
        }
    }

    #[test]
    fn malformed_ranges_are_ignored() {
        for range in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=1-a",
            "bytes=5-2",
            "bytes=1",
            "bytes=+1-2",
            "bytes=1 -2",
            "bytes=--1",
            "bytes=1-2-3",
            "items=0-1",
            "bytes:0-1",
            "bytes=0x1-2",
            "bytes=١-٢",
        ] {
            assert_eq!(select(range, 100), Whole, "{range}");
        }
    }

    #[test]
    fn several_ranges_are_the_whole() {
        assert_eq!(select("bytes=0-1,5-6", 100), Whole);
        let bomb = format!("bytes={}", "0-,".repeat(10_000));
        assert_eq!(select(&bomb, 100), Whole);
    }

    #[test]
    fn an_empty_file_has_no_parts() {
        for range in ["bytes=0-", "bytes=0-0", "bytes=-5", "bytes=-0", "bytes=7-"] {
            assert_eq!(select(range, 0), Whole, "{range}");
        }
    }
}
