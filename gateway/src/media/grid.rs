//! Small pictures for scrubbing: where each lies on its sheet, and from when to when it stands.

use std::fmt::Write;

use super::facts::VideoTrack;

/// The longer side of a small picture, in pixels.
const SIDE: f64 = 160.0;
/// Pictures on a side of a sheet.
const ACROSS: u32 = 10;
/// Beyond this many, they stand for longer instead.
const MOST: i64 = 400;
/// As many as are made, whatever comes of a film that is longer than it says.
pub(super) const MOST_PICTURES: i64 = MOST + 1;
/// A film that is longer than this, in milliseconds, needs no picture that is exact.
const COARSE_MS: i64 = 60_000;

/// Small pictures at even intervals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grid {
    /// How long each picture stands, in milliseconds.
    pub(super) interval_ms: i64,
    /// How long the film is, in milliseconds.
    duration_ms: i64,
    /// A picture's width, in pixels.
    pub(super) width: u32,
    /// A picture's height, in pixels.
    pub(super) height: u32,
}

impl Grid {
    /// None without a duration or a size.
    pub(super) fn of(video: &VideoTrack, duration_ms: Option<i64>) -> Option<Self> {
        let duration_ms = duration_ms.filter(|duration| *duration > 0)?;
        if video.width.max(video.height) == 0 {
            return None;
        }
        // A whole number of seconds, one at least, so that no small error adds up.
        let interval_ms = duration_ms / MOST / 1000 * 1000 + 1000;
        let (width, height) = video.within(SIDE);
        Some(Self {
            interval_ms,
            duration_ms,
            width,
            height,
        })
    }

    /// Whether key frames are good enough to take the pictures from: a film is long then, and
    /// decoding the others would be most of the work.
    pub(super) fn is_coarse(&self) -> bool {
        self.duration_ms > COARSE_MS
    }

    /// The index (WebVTT) of `count` pictures: for each time the sheet, with the place on it as a
    /// spatial media fragment (Media Fragments URI 1.0, 4.2.2). The last picture stands to the end.
    pub(super) fn index(&self, count: u32) -> String {
        let mut text = String::from("WEBVTT\n");
        let (columns, rows) = layout(count);
        for n in 0..count {
            let from = i64::from(n) * self.interval_ms;
            let next = from + self.interval_ms;
            let to = if n + 1 == count {
                self.duration_ms.max(from + 1)
            } else {
                next
            };
            let (sheet, place) = (n / (columns * rows) + 1, n % (columns * rows));
            let x = place % columns * self.width;
            let y = place / columns * self.height;
            // Writing to a string can't fail.
            write!(
                text,
                "\n{} --> {}\n{}#xywh={x},{y},{},{}\n",
                timestamp(from),
                timestamp(to),
                sheet_name(sheet),
                self.width,
                self.height
            )
            .ok();
        }
        text
    }
}

/// Columns and rows of each sheet: no more than there are pictures.
pub(super) fn layout(count: u32) -> (u32, u32) {
    let columns = count.clamp(1, ACROSS);
    (columns, count.div_ceil(columns).clamp(1, ACROSS))
}

/// How many sheets there are.
pub(super) fn sheets(count: u32) -> u32 {
    let (columns, rows) = layout(count);
    count.div_ceil(columns * rows)
}

/// The name of a sheet, counted from 1.
pub(super) fn sheet_name(sheet: u32) -> String {
    format!("thumbnails/{sheet}.jpg")
}

fn timestamp(ms: i64) -> String {
    let (seconds, ms) = (ms / 1000, ms % 1000);
    format!(
        "{:02}:{:02}:{:02}.{ms:03}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(width: u32, height: u32, duration_ms: i64) -> Grid {
        let video = VideoTrack {
            width,
            height,
            ..VideoTrack::default()
        };
        Grid::of(&video, Some(duration_ms)).unwrap()
    }

    #[test]
    fn each_time_has_its_place() {
        let grid = grid(1920, 1080, 12_500);
        assert_eq!((grid.width, grid.height), (160, 90));
        assert_eq!((layout(13), sheets(13)), ((10, 2), 1));
        let index = grid.index(13);
        assert!(index.starts_with(
            "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nthumbnails/1.jpg#xywh=0,0,160,90\n"
        ));
        assert!(
            index.ends_with(
                "\n00:00:12.000 --> 00:00:12.500\nthumbnails/1.jpg#xywh=320,90,160,90\n"
            )
        );
        assert_eq!(index.matches("-->").count(), 13);
        assert!(
            grid.index(2)
                .ends_with("\n00:00:01.000 --> 00:00:12.500\nthumbnails/1.jpg#xywh=160,0,160,90\n")
        );
    }

    #[test]
    fn a_long_film_has_a_bounded_number_of_pictures() {
        let grid = grid(1080, 1920, 10 * 3600 * 1000);
        assert_eq!((grid.width, grid.height), (90, 160));
        assert!(36_000_000 / grid.interval_ms <= MOST);
        assert_eq!((layout(396), sheets(396)), ((10, 10), 4));
        let index = grid.index(396);
        assert!(
            index.contains("thumbnails/4.jpg#xywh=450,1440,90,160"),
            "{index}"
        );
    }

    #[test]
    fn what_has_no_size_or_length_has_none() {
        assert_eq!(Grid::of(&VideoTrack::default(), Some(1000)), None);
        let grid = grid(1, 1, 1);
        assert_eq!((grid.width, grid.height), (2, 2));
        assert_eq!(grid.index(1).matches("-->").count(), 1);
        assert_eq!(grid.index(0), "WEBVTT\n");
    }
}
