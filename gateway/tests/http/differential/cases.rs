//! Generated requests. Validators are symbols, since each server has entity tags of its own.

use std::fmt;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use reqwest::Method;

/// SplitMix64: a few lines, and the same numbers from the same seed for ever.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// What a `Range` header is, whatever the file's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RangeKind {
    /// One range in the right syntax.
    Single,
    /// Several of them.
    Several,
    /// Of bytes, in no right syntax.
    Malformed,
    /// Of something else.
    OtherUnit,
}

/// An entity tag, as seen from the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    Current,
    WeakCurrent,
    Other,
    WeakOther,
    /// With a comma in it.
    Comma,
    /// Without quotes.
    Garbage,
    /// `*`
    Any,
}

/// A date, as seen from the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Current,
    SecondOlder,
    YearsOlder,
    SecondNewer,
    YearsNewer,
    Garbage,
}

/// The three forms of RFC 9110, 5.6.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Imf,
    Rfc850,
    Asctime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) when: When,
    pub(super) form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Validator {
    Tag(Tag),
    Date(Date),
}

#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) method: Method,
    /// Which of the sizes.
    pub(super) file: usize,
    pub(super) size: u64,
    pub(super) range: Option<(RangeKind, String)>,
    pub(super) if_range: Option<Validator>,
    pub(super) if_match: Option<Vec<Tag>>,
    pub(super) if_none_match: Option<Vec<Tag>>,
    pub(super) if_modified_since: Option<Date>,
    pub(super) if_unmodified_since: Option<Date>,
}

impl Case {
    pub(super) fn random(random: &mut Random, sizes: &[usize]) -> Self {
        let file = random.pick(&[0, 1, 2, 3, 3, 3, 3, 4]);
        let size = sizes[file] as u64;
        let range = random.percent(75).then(|| range(random, size));
        let if_range = (range.is_some() && random.percent(30)).then(|| {
            if random.percent(50) {
                Validator::Tag(tag(random))
            } else {
                Validator::Date(date(random))
            }
        });
        Self {
            method: match random.percent(25) {
                true => Method::HEAD,
                false => Method::GET,
            },
            file,
            size,
            range,
            if_range,
            if_match: random.percent(12).then(|| tags(random)),
            if_none_match: random.percent(12).then(|| tags(random)),
            if_modified_since: random.percent(12).then(|| date(random)),
            if_unmodified_since: random.percent(12).then(|| date(random)),
        }
    }

    pub(super) fn range_kind(&self) -> Option<RangeKind> {
        self.range.as_ref().map(|(kind, _)| *kind)
    }

    /// The headers for a server that has the file in this version.
    pub(super) fn headers(&self, etag: &str, modified: SystemTime) -> Vec<(&'static str, String)> {
        let tags = |tags: &Vec<Tag>| -> String {
            let tags: Vec<_> = tags.iter().map(|tag| spell_tag(*tag, etag)).collect();
            tags.join(", ")
        };
        let date = |date: &Date| spell_date(*date, modified);
        [
            ("range", self.range.as_ref().map(|(_, text)| text.clone())),
            (
                "if-range",
                self.if_range.map(|validator| match validator {
                    Validator::Tag(tag) => spell_tag(tag, etag),
                    Validator::Date(when) => date(&when),
                }),
            ),
            ("if-match", self.if_match.as_ref().map(tags)),
            ("if-none-match", self.if_none_match.as_ref().map(tags)),
            (
                "if-modified-since",
                self.if_modified_since.as_ref().map(date),
            ),
            (
                "if-unmodified-since",
                self.if_unmodified_since.as_ref().map(date),
            ),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes", self.method, self.size)?;
        for (name, value) in self.headers("\"current\"", SystemTime::now()) {
            write!(f, "; {name}: {value}")?;
        }
        write!(
            f,
            " ({:?} {:?} {:?})",
            self.if_range, self.if_modified_since, self.if_unmodified_since
        )
    }
}

fn range(random: &mut Random, size: u64) -> (RangeKind, String) {
    let roll = random.below(100);
    if roll < 66 {
        let unit = random.pick(&["bytes", "bytes", "bytes", "bytes", "Bytes", "BYTES"]);
        let space = random.pick(&["", "", "", "", " "]);
        return (
            RangeKind::Single,
            format!("{unit}={space}{}", spec(random, size)),
        );
    }
    if roll < 78 {
        let count = random.pick(&[2, 2, 3, 5, 40]);
        let specs: Vec<_> = (0..count).map(|_| spec(random, size)).collect();
        let separator = random.pick(&[",", ", ", " ,"]);
        return (
            RangeKind::Several,
            format!("bytes={}", specs.join(separator)),
        );
    }
    if roll < 93 {
        let text = random.pick(&[
            "bytes=",
            "bytes",
            "bytes=-",
            "bytes=a-b",
            "bytes=1-a",
            "bytes=a-1",
            "bytes=9-1",
            "bytes=1",
            "bytes=+1-2",
            "bytes=--1",
            "bytes=1-2-3",
            "bytes=0x0-0x1",
            "bytes=0-1;",
            "bytes=,",
            "bytes:0-1",
            "0-1",
        ]);
        return (RangeKind::Malformed, text.to_owned());
    }
    let text = random.pick(&["items=0-1", "seconds=1-", "none=0-0", "bits=0-7"]);
    (RangeKind::OtherUnit, text.to_owned())
}

/// A range in the right syntax, often at an edge of the file.
fn spec(random: &mut Random, size: u64) -> String {
    let position = |random: &mut Random| match random.below(10) {
        0 => 0,
        1 => 1,
        2 => size / 2,
        3 => size.saturating_sub(2),
        4 => size.saturating_sub(1),
        5 => size,
        6 => size + 1,
        _ => random.below(size + 2),
    };
    let huge = [
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999",
    ];
    match random.below(12) {
        0..=5 => {
            let (one, other) = (position(random), position(random));
            // Large files would make the whole test slow if most answers were megabytes.
            let end = one.max(other).min(one.min(other) + 70_000);
            format!("{}-{end}", one.min(other))
        }
        6 => format!("{}-", position(random).max(size.saturating_sub(70_000))),
        7 => format!("-{}", position(random).min(70_000)),
        8 => format!("-{}", size + random.below(3)),
        9 => "0-".to_owned(),
        10 => format!(
            "{}-{}",
            position(random).max(size.saturating_sub(70_000)),
            random.pick(&huge)
        ),
        _ => match random.below(3) {
            0 => format!("{}-", random.pick(&huge)),
            1 => format!("-{}", random.pick(&huge)),
            _ => format!("{0}-{0}", random.pick(&huge)),
        },
    }
}

fn tag(random: &mut Random) -> Tag {
    random.pick(&[
        Tag::Current,
        Tag::Current,
        Tag::WeakCurrent,
        Tag::Other,
        Tag::WeakOther,
        Tag::Comma,
        Tag::Garbage,
    ])
}

fn tags(random: &mut Random) -> Vec<Tag> {
    match random.below(6) {
        0 => vec![Tag::Any],
        1 => vec![tag(random), tag(random)],
        2 => vec![tag(random), tag(random), tag(random)],
        _ => vec![tag(random)],
    }
}

fn date(random: &mut Random) -> Date {
    Date {
        when: random.pick(&[
            When::Current,
            When::Current,
            When::SecondOlder,
            When::YearsOlder,
            When::SecondNewer,
            When::YearsNewer,
            When::Garbage,
        ]),
        form: random.pick(&[Form::Imf, Form::Imf, Form::Imf, Form::Rfc850, Form::Asctime]),
    }
}

fn spell_tag(tag: Tag, etag: &str) -> String {
    match tag {
        Tag::Current => etag.to_owned(),
        Tag::WeakCurrent => format!("W/{etag}"),
        Tag::Other => "\"other\"".to_owned(),
        Tag::WeakOther => "W/\"other\"".to_owned(),
        Tag::Comma => "\"a,b\"".to_owned(),
        Tag::Garbage => "nonsense".to_owned(),
        Tag::Any => "*".to_owned(),
    }
}

fn spell_date(date: Date, modified: SystemTime) -> String {
    const YEARS: Duration = Duration::from_secs(3 * 365 * 24 * 3600);
    let time = match date.when {
        When::Current => modified,
        When::SecondOlder => modified - Duration::from_secs(1),
        When::YearsOlder => modified - YEARS,
        When::SecondNewer => modified + Duration::from_secs(1),
        When::YearsNewer => modified + YEARS,
        When::Garbage => return "yesterday at noon".to_owned(),
    };
    let time = DateTime::<Utc>::from(time);
    let format = match date.form {
        Form::Imf => "%a, %d %b %Y %H:%M:%S GMT",
        Form::Rfc850 => "%A, %d-%b-%y %H:%M:%S GMT",
        Form::Asctime => "%a %b %e %H:%M:%S %Y",
    };
    time.format(format).to_string()
}
