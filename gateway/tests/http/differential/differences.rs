//! Where the gateway answers differently from an oracle on purpose.

use super::cases::{Case, RangeKind, Tag, When};
use super::servers::Outcome;

/// A known difference.
pub(super) struct Difference {
    /// What it is, from the gateway's side.
    pub(super) name: &'static str,
    /// Why it may be so.
    pub(super) section: &'static str,
    /// Who differs from the gateway.
    pub(super) oracles: &'static [&'static str],
    /// Whether it is what sets the gateway's outcome (the first) apart from the oracle's.
    pub(super) explains: fn(&Case, &Outcome, &Outcome) -> bool,
}

const GO: &str = "go";
const NGINX: &str = "nginx";

pub(super) const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "several ranges are answered with the whole",
        section: "RFC 9110, 14.2: a server may ignore the Range header; 15.3.7.2 lets it combine parts",
        oracles: &[GO, NGINX],
        explains: |case, ours, theirs| {
            case.range_kind() == Some(RangeKind::Several)
                && ours.status == 200
                && matches!(theirs.status, 206 | 416)
        },
    },
    Difference {
        name: "a malformed range is ignored",
        section: "RFC 9110, 14.2: an invalid ranges-specifier may be ignored or rejected",
        oracles: &[GO, NGINX],
        explains: |case, ours, theirs| {
            case.range_kind() == Some(RangeKind::Malformed)
                && ours.status == 200
                // Go reads a number with a sign.
                && matches!(theirs.status, 206 | 416)
        },
    },
    Difference {
        name: "the last no bytes are no range",
        section: "RFC 9110, 14.1.2: only a suffix-length that is not zero can be satisfied",
        oracles: &[GO],
        explains: |case, ours, theirs| {
            case.range
                .as_ref()
                .is_some_and(|(_, range)| range.ends_with("-0"))
                && ours.status == 416
                && theirs.status == 206
        },
    },
    Difference {
        name: "a number has as many digits as it likes",
        section: "RFC 9110, 14.1.1: first-pos, last-pos and suffix-length are 1*DIGIT",
        oracles: &[GO, NGINX],
        explains: |case, ours, theirs| {
            case.range.as_ref().is_some_and(|(_, range)| {
                range
                    .split(|character: char| !character.is_ascii_digit())
                    .any(|number| number.len() >= 19)
            }) && matches!(ours.status, 206 | 416)
                && theirs.status == 416
        },
    },
    Difference {
        name: "what is no tag in a list of tags is passed over",
        section: "RFC 9110, 13.1.1: the grammar has tags alone; nothing is said of anything else",
        oracles: &[GO],
        explains: |case, ours, theirs| {
            let has_other = |tags: &Option<Vec<Tag>>| {
                tags.as_ref()
                    .is_some_and(|tags| tags.len() > 1 && tags.contains(&Tag::Garbage))
            };
            (has_other(&case.if_match) && ours.status != 412 && theirs.status == 412)
                || (has_other(&case.if_none_match) && ours.status == 304 && theirs.status != 304)
        },
    },
    Difference {
        name: "a tag is all that counts where there is a date too",
        section: "RFC 9110, 13.2.2: dates are looked at only when there is no tag",
        oracles: &[NGINX],
        explains: |case, ours, theirs| {
            (case.if_match.is_some() && case.if_unmodified_since.is_some() && theirs.status == 412)
                || (case.if_none_match.is_some()
                    && case.if_modified_since.is_some()
                    && ours.status == 304
                    && theirs.status != 304)
        },
    },
    Difference {
        name: "If-Unmodified-Since with something that is no date is ignored",
        section: "RFC 9110, 13.1.4: it must be",
        oracles: &[NGINX],
        explains: |case, ours, theirs| {
            case.if_unmodified_since
                .is_some_and(|date| date.when == When::Garbage)
                && ours.status != 412
                && theirs.status == 412
        },
    },
    Difference {
        name: "the name of a unit is read in any case",
        section: "RFC 9110, 14.1: range-unit is a token of no case; an unknown one is ignored (14.2)",
        oracles: &[GO],
        explains: |case, ours, theirs| {
            case.range
                .as_ref()
                .is_some_and(|(_, range)| !range.starts_with("bytes="))
                && matches!(ours.status, 200 | 206 | 416)
                && theirs.status == 416
        },
    },
    Difference {
        name: "of an empty file there is nothing but all of it",
        section: "RFC 9110, 14.2: the Range header may be ignored; no Content-Range has a last byte here",
        oracles: &[GO, NGINX],
        explains: |case, ours, theirs| {
            case.size == 0
                && case.range.is_some()
                && ours.status == 200
                && matches!(theirs.status, 206 | 416)
        },
    },
    Difference {
        name: "304 has no Last-Modified beside its ETag",
        section: "RFC 9110, 15.4.5: it should have no metadata that a cache does not need",
        oracles: &[NGINX],
        explains: |_, ours, theirs| ours.status == 304 && *ours == theirs.without("last-modified"),
    },
];
