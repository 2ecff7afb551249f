//! Who may read by location, and how bytes are handed out.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

use super::reader::Reader;
use crate::auth::policy::LocationAccess;

/// How the bytes of a file reach the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Through the gateway.
    Proxy,
    /// By a redirect to a presigned URL of the object store.
    Redirect,
}

/// How files are given out.
#[derive(Debug, Clone, Copy)]
pub struct Access {
    /// `FILEGATEWAY_ACCESS_LOCATIONS`: `Members` (the default) or `Owner`.
    pub locations: LocationAccess,
    /// `FILEGATEWAY_DELIVERY`: `Proxy` (the default) or `Redirect`.
    pub delivery: Delivery,
    /// The deprecated `GET /v1/files/stream?location=`.
    pub location_stream: LocationStream,
}

/// Streaming by location: whether it works, and since and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocationStream {
    /// `FILEGATEWAY_ACCESS_LOCATION_STREAM`: `On` (the default) or `Off`.
    pub on: bool,
    /// `FILEGATEWAY_ACCESS_LOCATION_STREAM_DEPRECATED`: since when it is deprecated; by default the
    /// day on which the gateway first had it, deprecated from the start.
    pub deprecated: DateTime<Utc>,
    /// `FILEGATEWAY_ACCESS_LOCATION_STREAM_SUNSET`: when it will stop working; undecided by default.
    pub sunset: Option<DateTime<Utc>>,
}

impl Default for LocationStream {
    fn default() -> Self {
        Self {
            on: true,
            deprecated: DateTime::UNIX_EPOCH + FIRST_DEPRECATED,
            sunset: None,
        }
    }
}

/// 2026-01-01, since 1970.
const FIRST_DEPRECATED: chrono::TimeDelta = chrono::TimeDelta::seconds(1_767_225_600);

const DEPRECATED: &str = "FILEGATEWAY_ACCESS_LOCATION_STREAM_DEPRECATED";
const SUNSET: &str = "FILEGATEWAY_ACCESS_LOCATION_STREAM_SUNSET";

impl LocationStream {
    fn from(reader: &mut Reader<'_>) -> Self {
        let on = reader.choice(
            "FILEGATEWAY_ACCESS_LOCATION_STREAM",
            true,
            &[("On", true), ("Off", false)],
        );
        let deprecated = date(reader, DEPRECATED).unwrap_or_else(|| {
            let default = Self::default().deprecated;
            reader.note_default(DEPRECATED, &default.date_naive());
            default
        });
        let sunset = date(reader, SUNSET);
        // RFC 9745, section 4.
        if sunset.is_some_and(|sunset| sunset < deprecated) {
            reader.problem(
                SUNSET,
                format!("must not be earlier than {DEPRECATED}, which is {deprecated}"),
            );
        }
        Self {
            on,
            deprecated,
            sunset,
        }
    }
}

fn date(reader: &mut Reader<'_>, variable: &'static str) -> Option<DateTime<Utc>> {
    let text = reader.optional(variable)?;
    let midnight = |date: NaiveDate| date.and_time(NaiveTime::MIN).and_utc();
    let date = text
        .parse::<DateTime<Utc>>()
        .or_else(|_| text.parse().map(midnight));
    if date.is_err() {
        let message =
            format!("{text:?} is not a date like 2027-06-30 or a time like 2027-06-30T12:00:00Z");
        reader.problem(variable, message);
    }
    date.ok()
}

impl Access {
    pub(super) fn from(reader: &mut Reader<'_>) -> Self {
        Self {
            locations: reader.choice(
                "FILEGATEWAY_ACCESS_LOCATIONS",
                LocationAccess::Members,
                &[
                    ("Members", LocationAccess::Members),
                    ("Owner", LocationAccess::Owner),
                ],
            ),
            delivery: reader.choice(
                "FILEGATEWAY_DELIVERY",
                Delivery::Proxy,
                &[("Proxy", Delivery::Proxy), ("Redirect", Delivery::Redirect)],
            ),
            location_stream: LocationStream::from(reader),
        }
    }
}
