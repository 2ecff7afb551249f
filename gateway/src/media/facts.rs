//! What ffprobe says of a file, and whether that is work for us.

use serde::{Deserialize, Serialize};

use super::{Limits, MediaError};

/// No side of a picture may be longer, whatever the area: 1 x 65,535 pixels is nobody's video.
const LONGEST_SIDE: u32 = 16_384;
/// How many audio tracks are worked on; there may be more in the file.
pub(super) const MOST_AUDIO_TRACKS: usize = 8;

/// What is in a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// ffmpeg's name of the container.
    pub container: Option<String>,
    /// How long it plays, in milliseconds.
    pub duration_ms: Option<i64>,
    /// Bits per second, of everything together.
    pub bit_rate: Option<i64>,
    /// The first video track that is no cover picture.
    pub video: Option<VideoTrack>,
    /// Every audio track, in order.
    pub audio: Vec<AudioTrack>,
}

/// A video track.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VideoTrack {
    /// ffmpeg's name of the codec.
    pub codec: String,
    /// The codec's profile, in ffmpeg's words.
    pub profile: Option<String>,
    /// ffmpeg's name of the layout of a pixel.
    pub pixel_format: Option<String>,
    /// Width and height as stored, in pixels.
    pub stored: (u32, u32),
    /// Width as shown, in square pixels.
    pub width: u32,
    /// Height as shown, in square pixels.
    pub height: u32,
    /// Frames per second, on average.
    pub frame_rate: Option<f64>,
    /// By how many degrees a player turns the picture clockwise: 0, 90, 180 or 270.
    pub rotation: u16,
    /// Whether its pixels are squares.
    pub square: bool,
    /// Whether it is brighter than a common screen shows (PQ or HLG).
    pub high_dynamic_range: bool,
    /// Whether each picture consists of two half ones.
    pub interlaced: bool,
    /// Bits per second.
    pub bit_rate: Option<i64>,
    /// How long after the beginning of the file it begins, in milliseconds.
    pub delay_ms: i64,
}

/// An audio track.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioTrack {
    /// ffmpeg's name of the codec.
    pub codec: String,
    /// The codec's profile, in ffmpeg's words.
    pub profile: Option<String>,
    /// How many channels.
    pub channels: Option<i64>,
    /// Samples per second.
    pub sample_rate: Option<i64>,
    /// Bits per second.
    pub bit_rate: Option<i64>,
    /// The language, as the file names it (ISO 639-2 as a rule).
    pub language: Option<String>,
    /// The track's title.
    pub title: Option<String>,
    /// How long after the beginning of the file it begins, in milliseconds.
    #[serde(skip)]
    pub delay_ms: i64,
}

impl Facts {
    /// The audio tracks that are worked on.
    pub(super) fn tracks(&self) -> &[AudioTrack] {
        &self.audio[..self.audio.len().min(MOST_AUDIO_TRACKS)]
    }

    /// # Errors
    /// [`MediaError::OutOfBounds`], in words for the file's owner.
    pub(super) fn within(&self, limits: &Limits) -> Result<(), MediaError> {
        let out = |message: String| Err(MediaError::OutOfBounds(message));
        if self.video.is_none() && self.audio.is_empty() {
            return out("there is neither picture nor sound in it".into());
        }
        let codecs = self.video.iter().map(|video| &video.codec);
        for codec in codecs.chain(self.tracks().iter().map(|track| &track.codec)) {
            if !limits.allow(codec) {
                let codec = if codec.is_empty() { "unknown" } else { codec };
                return out(format!("its codec {codec} is not one that is taken here"));
            }
        }
        let longest = limits.max_duration.as_millis();
        let duration = u128::try_from(self.duration_ms.unwrap_or(0)).unwrap_or(0);
        if duration > longest {
            let (says, most) = (duration / 1000, longest / 1000);
            return out(format!(
                "it says that it lasts {says} s; the limit is {most} s"
            ));
        }
        if let Some(VideoTrack {
            stored: (width, height),
            ..
        }) = self.video
        {
            // ffprobe says so of sizes that its decoders refuse, and of tracks that it found no picture in.
            if width == 0 || height == 0 {
                return out("its picture has no size that can be read".into());
            }
            let pixels = u64::from(width) * u64::from(height);
            if pixels > limits.max_pixels || width.max(height) > LONGEST_SIDE {
                return out(format!(
                    "its picture is {width} x {height} pixels; the limit is {} in all and \
                     {LONGEST_SIDE} on a side",
                    limits.max_pixels
                ));
            }
        }
        Ok(())
    }
}

impl Limits {
    /// Whether a codec may be decoded. The list names decoders, and several may know one codec:
    /// `libdav1d` is for `av1`.
    fn allow(&self, codec: &str) -> bool {
        self.codecs.iter().any(|allowed| allowed == codec)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn facts(codec: &str, stored: (u32, u32), seconds: i64) -> Facts {
        Facts {
            duration_ms: Some(seconds * 1000),
            video: Some(VideoTrack {
                codec: codec.into(),
                stored,
                ..VideoTrack::default()
            }),
            ..Facts::default()
        }
    }

    fn verdict(facts: &Facts) -> String {
        let limits = Limits {
            max_duration: Duration::from_secs(3600),
            ..Limits::default()
        };
        facts
            .within(&limits)
            .map_or_else(|error| error.to_string(), |()| "taken".into())
    }

    #[test]
    fn each_bound_is_told() {
        let cases = [
            (facts("h264", (1920, 1080), 3600), "taken"),
            (
                facts("magicyuv", (320, 240), 1),
                "its codec magicyuv is not one that is taken here",
            ),
            (
                facts("", (320, 240), 1),
                "its codec unknown is not one that is taken here",
            ),
            (
                facts("h264", (320, 240), 9_000_000),
                "it says that it lasts 9000000 s; the limit is 3600 s",
            ),
            (Facts::default(), "there is neither picture nor sound in it"),
            (
                facts("mjpeg", (0, 0), 1),
                "its picture has no size that can be read",
            ),
        ];
        for (facts, expected) in cases {
            assert_eq!(verdict(&facts), expected);
        }
        for sizes in [
            (1, 65_535),
            (65_535, 1),
            (16_000, 16_000),
            (u32::MAX, u32::MAX),
        ] {
            assert!(verdict(&facts("h264", sizes, 1)).starts_with("its picture is"));
        }
    }
}
