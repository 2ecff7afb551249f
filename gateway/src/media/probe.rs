//! What is in a video.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::facts::{AudioTrack, Facts, VideoTrack};
use super::{Limits, MediaError, Tools};

/// Looking at a file takes seconds; what takes longer has been made to.
const PATIENCE: Duration = Duration::from_secs(120);

/// Only what is looked at: tags may be as large as the file.
const ENTRIES: &str = "format=format_name,start_time,duration,bit_rate:\
    stream=codec_type,codec_name,profile,pix_fmt,width,height,sample_aspect_ratio,avg_frame_rate,\
    start_time,duration,bit_rate,color_transfer,field_order,channels,sample_rate:\
    stream_tags=language,title:stream_disposition=attached_pic:stream_side_data=rotation";

impl Tools {
    /// Looks at `source`, a file in `folder`.
    ///
    /// # Errors
    /// [`MediaError::Refused`] when it is no video that ffprobe can read, and
    /// [`MediaError::OutOfBounds`] when it is one that is not worked on.
    pub async fn probe(&self, folder: &Path, source: &str) -> Result<Facts, MediaError> {
        let limits = Limits {
            time: self.limits.time.min(PATIENCE),
            ..self.limits.clone()
        };
        let flags = [
            "-v",
            "error",
            "-hide_banner",
            "-of",
            "json",
            "-show_entries",
            ENTRIES,
        ];
        let mut arguments = flags.map(String::from).to_vec();
        arguments.extend(self.input(source));
        let output = self.ffprobe(folder, &limits, arguments).output().await?;
        let report = serde_json::from_slice(&output).map_err(|error| MediaError::Run {
            program: "ffprobe",
            source: error.into(),
        })?;
        let facts = summary(report);
        facts.within(&self.limits)?;
        Ok(facts)
    }
}

#[derive(Debug, Default, Deserialize)]
struct Report {
    #[serde(default)]
    streams: Vec<StreamReport>,
    #[serde(default)]
    format: FormatReport,
}

#[derive(Debug, Default, Deserialize)]
struct FormatReport {
    format_name: Option<String>,
    start_time: Option<String>,
    duration: Option<String>,
    bit_rate: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct StreamReport {
    codec_type: Option<String>,
    codec_name: Option<String>,
    profile: Option<String>,
    pix_fmt: Option<String>,
    width: Option<i64>,
    height: Option<i64>,
    sample_aspect_ratio: Option<String>,
    avg_frame_rate: Option<String>,
    start_time: Option<String>,
    duration: Option<String>,
    bit_rate: Option<String>,
    color_transfer: Option<String>,
    field_order: Option<String>,
    channels: Option<i64>,
    sample_rate: Option<String>,
    #[serde(default)]
    tags: Tags,
    #[serde(default)]
    disposition: Disposition,
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Debug, Default, Deserialize)]
struct Tags {
    language: Option<String>,
    title: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Disposition {
    #[serde(default)]
    attached_pic: u8,
}

#[derive(Debug, Default, Deserialize)]
struct SideData {
    rotation: Option<f64>,
}

impl StreamReport {
    fn is(&self, kind: &str) -> bool {
        self.codec_type.as_deref() == Some(kind) && self.disposition.attached_pic == 0
    }

    /// By how many degrees a player turns the picture clockwise. The display matrix counts the other
    /// way round.
    fn rotation(&self) -> u16 {
        let mut rotations = self.side_data_list.iter().filter_map(|data| data.rotation);
        let turns = rotations
            .next()
            .map_or(0, |degrees| (-degrees / 90.0).round() as i64);
        u16::try_from(turns.rem_euclid(4) * 90).unwrap_or(0)
    }

    /// How long after `start`, the beginning of the file, it begins, in milliseconds.
    fn delay(&self, start: i64) -> i64 {
        let starts = self.start_time.as_deref().and_then(milliseconds);
        starts.map_or(0, |starts| (starts - start).max(0))
    }

    fn video(&self, start: i64) -> VideoTrack {
        let rotation = self.rotation();
        let stretch = self.sample_aspect_ratio.as_deref().and_then(ratio);
        // Pixels that are wider than high, or the other way round, are shown as squares.
        let width = self.width.unwrap_or(0) as f64 * stretch.unwrap_or(1.0);
        let (mut width, mut height) = (width.round() as i64, self.height.unwrap_or(0));
        // A phone held upright records a turned picture and notes the turn beside it.
        if rotation % 180 == 90 {
            std::mem::swap(&mut width, &mut height);
        }
        VideoTrack {
            codec: self.codec_name.clone().unwrap_or_default(),
            profile: self.profile.clone(),
            pixel_format: self.pix_fmt.clone(),
            stored: (pixels(self.width), pixels(self.height)),
            width: pixels(Some(width)),
            height: pixels(Some(height)),
            frame_rate: self.avg_frame_rate.as_deref().and_then(ratio),
            rotation,
            square: stretch.is_none_or(|stretch| (stretch - 1.0).abs() < 1e-3),
            high_dynamic_range: matches!(
                self.color_transfer.as_deref(),
                Some("smpte2084" | "arib-std-b67")
            ),
            interlaced: matches!(self.field_order.as_deref(), Some("tt" | "bb" | "tb" | "bt")),
            bit_rate: self.bit_rate.as_deref().and_then(number),
            delay_ms: self.delay(start),
        }
    }

    fn audio(&self, start: i64) -> AudioTrack {
        AudioTrack {
            codec: self.codec_name.clone().unwrap_or_default(),
            profile: self.profile.clone(),
            channels: self.channels,
            sample_rate: self.sample_rate.as_deref().and_then(number),
            bit_rate: self.bit_rate.as_deref().and_then(number),
            language: self
                .tags
                .language
                .clone()
                .filter(|language| language != "und"),
            title: self.tags.title.as_deref().map(short),
            delay_ms: self.delay(start),
        }
    }
}

fn summary(report: Report) -> Facts {
    let video = report.streams.iter().find(|stream| stream.is("video"));
    let audio = report.streams.iter().filter(|stream| stream.is("audio"));
    let format = report.format;
    let start = format.start_time.as_deref().and_then(milliseconds);
    let start = start.unwrap_or(0);
    let duration = format
        .duration
        .as_deref()
        .or_else(|| video.and_then(|video| video.duration.as_deref()));
    Facts {
        container: format.format_name,
        duration_ms: duration
            .and_then(milliseconds)
            .filter(|duration| *duration >= 0),
        bit_rate: format.bit_rate.as_deref().and_then(number),
        video: video.map(|video| video.video(start)),
        audio: audio.map(|audio| audio.audio(start)).collect(),
    }
}

fn number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number| *number > 0)
}

fn pixels(number: Option<i64>) -> u32 {
    number.map_or(0, |number| u32::try_from(number.max(0)).unwrap_or(u32::MAX))
}

/// `30000/1001` and `4:3`; nothing for `0/0` and other nonsense.
fn ratio(text: &str) -> Option<f64> {
    let (over, under) = text.split_once(['/', ':'])?;
    let ratio = over.parse::<f64>().ok()? / under.parse::<f64>().ok()?;
    (ratio.is_finite() && (1e-3..=1e4).contains(&ratio)).then_some(ratio)
}

/// A title as a person would write it.
fn short(title: &str) -> String {
    title
        .chars()
        .filter(|c| !c.is_control())
        .take(100)
        .collect()
}

fn milliseconds(seconds: &str) -> Option<i64> {
    let milliseconds = seconds.parse::<f64>().ok()? * 1000.0;
    // Beyond that a time is nonsense, and a float no longer exact.
    (milliseconds.is_finite() && (-9e15..=9e15).contains(&milliseconds))
        .then(|| milliseconds.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_summed_up() {
        let report = r#"{"streams": [
            {"codec_type": "video", "codec_name": "mjpeg", "width": 9, "height": 9, "disposition": {"attached_pic": 1}},
            {"codec_type": "audio", "codec_name": "aac", "profile": "LC", "channels": 2, "sample_rate": "48000",
             "bit_rate": "128000", "tags": {"language": "deu", "title": "Ton\u0000"}},
            {"codec_type": "audio", "codec_name": "ac3", "channels": 6, "tags": {"language": "und"}, "start_time": "0.7"},
            {"codec_type": "video", "codec_name": "h264", "profile": "High", "pix_fmt": "yuv420p",
             "width": 1920, "height": 1080, "sample_aspect_ratio": "1:1", "avg_frame_rate": "30000/1001",
             "start_time": "-0.021",
             "field_order": "progressive", "color_transfer": "bt709",
             "side_data_list": [{"side_data_type": "Display Matrix", "rotation": -90}]}
        ], "format": {"format_name": "mov,mp4", "start_time": "-0.021", "duration": "2.0405", "bit_rate": "5000"}}"#;
        let facts = summary(serde_json::from_str(report).unwrap());
        assert_eq!(facts.duration_ms, Some(2041));
        assert_eq!(
            (facts.container.as_deref(), facts.bit_rate),
            (Some("mov,mp4"), Some(5000))
        );
        let video = facts.video.unwrap();
        assert_eq!(
            (video.width, video.height, video.rotation),
            (1080, 1920, 90)
        );
        assert_eq!((video.stored, video.delay_ms), ((1920, 1080), 0));
        assert!(video.square && !video.interlaced && !video.high_dynamic_range);
        assert!((video.frame_rate.unwrap() - 29.97).abs() < 0.01);
        let tracks: Vec<_> = facts
            .audio
            .iter()
            .map(|track| {
                (
                    track.codec.as_str(),
                    track.channels,
                    track.language.as_deref(),
                    track.delay_ms,
                )
            })
            .collect();
        assert_eq!(
            tracks,
            [
                ("aac", Some(2), Some("deu"), 0),
                ("ac3", Some(6), None, 721)
            ]
        );
        assert_eq!(facts.audio[0].title.as_deref(), Some("Ton"));
        assert_eq!(summary(Report::default()), Facts::default());
    }

    #[test]
    fn stretched_pixels_are_shown_as_squares() {
        let report = r#"{"streams": [{"codec_type": "video", "codec_name": "mpeg2video", "width": 720,
            "height": 576, "sample_aspect_ratio": "64:45", "field_order": "tt"}]}"#;
        let video = summary(serde_json::from_str(report).unwrap())
            .video
            .unwrap();
        assert_eq!((video.width, video.height), (1024, 576));
        assert!(!video.square && video.interlaced);
    }

    #[test]
    fn nonsense_is_dropped() {
        for nonsense in ["N/A", "inf", "NaN", "1e300"] {
            assert_eq!(milliseconds(nonsense), None);
        }
        let backwards = r#"{"format": {"duration": "-1"}}"#;
        let facts = summary(serde_json::from_str(backwards).unwrap());
        assert_eq!(facts.duration_ms, None);
        for nonsense in ["0/0", "1/0", "a/b", "", "1:0", "0:1", "99999999:1"] {
            assert_eq!(ratio(nonsense), None);
        }
    }
}
