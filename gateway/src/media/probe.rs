//! What is in a video.

use std::path::Path;

use serde::Deserialize;

use super::{MediaError, Tools, child, input};

/// What ffprobe says of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probe {
    /// How long it plays, in milliseconds.
    pub duration_ms: Option<i64>,
    /// Width of the first video stream as it is shown, in pixels.
    pub width: Option<i64>,
    /// Height of the first video stream as it is shown, in pixels.
    pub height: Option<i64>,
    /// ffmpeg's name of the first video stream's codec.
    pub video_codec: Option<String>,
    /// ffmpeg's name of the first audio stream's codec.
    pub audio_codec: Option<String>,
}

impl Tools {
    /// Looks at `source`, a file in `folder`.
    ///
    /// # Errors
    /// [`MediaError::Refused`] when it is no video that ffprobe can read.
    pub async fn probe(&self, folder: &Path, source: &str) -> Result<Probe, MediaError> {
        let flags = [
            "-v",
            "error",
            "-hide_banner",
            "-of",
            "json",
            "-show_format",
            "-show_streams",
        ];
        let arguments = flags.map(String::from).into_iter().chain(input(source));
        let limits = self.limits;
        let output = child::run("ffprobe", &self.ffprobe, arguments, folder, limits).await?;
        let report = serde_json::from_slice(&output).map_err(|error| MediaError::Run {
            program: "ffprobe",
            source: error.into(),
        })?;
        Ok(summary(report))
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
    duration: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct StreamReport {
    codec_type: Option<String>,
    codec_name: Option<String>,
    width: Option<i64>,
    height: Option<i64>,
    duration: Option<String>,
    #[serde(default)]
    disposition: Disposition,
    #[serde(default)]
    side_data_list: Vec<SideData>,
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

fn summary(report: Report) -> Probe {
    let first = |kind: &str| {
        report.streams.iter().find(|stream| {
            stream.codec_type.as_deref() == Some(kind) && stream.disposition.attached_pic == 0
        })
    };
    let (video, audio) = (first("video"), first("audio"));
    let (mut width, mut height) = video.map_or((None, None), |v| (v.width, v.height));
    // A phone held upright records a turned picture and notes the turn beside it.
    let turned = video.is_some_and(|video| {
        let mut rotations = video.side_data_list.iter().filter_map(|data| data.rotation);
        rotations
            .next()
            .is_some_and(|degrees| (degrees / 90.0).round() as i64 % 2 != 0)
    });
    if turned {
        std::mem::swap(&mut width, &mut height);
    }
    let duration = report
        .format
        .duration
        .as_deref()
        .or_else(|| video.and_then(|video| video.duration.as_deref()));
    Probe {
        duration_ms: duration.and_then(milliseconds),
        width: width.filter(|pixels| *pixels > 0),
        height: height.filter(|pixels| *pixels > 0),
        video_codec: video.and_then(|video| video.codec_name.clone()),
        audio_codec: audio.and_then(|audio| audio.codec_name.clone()),
    }
}

fn milliseconds(seconds: &str) -> Option<i64> {
    let milliseconds = seconds.parse::<f64>().ok()? * 1000.0;
    // Beyond that a duration is nonsense, and a float no longer exact.
    (milliseconds.is_finite() && (0.0..=9e15).contains(&milliseconds))
        .then(|| milliseconds.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_summed_up() {
        let report = r#"{"streams": [
            {"codec_type": "video", "codec_name": "mjpeg", "width": 9, "height": 9, "disposition": {"attached_pic": 1}},
            {"codec_type": "audio", "codec_name": "aac"},
            {"codec_type": "video", "codec_name": "h264", "width": 1920, "height": 1080,
             "side_data_list": [{"side_data_type": "Display Matrix", "rotation": -90}]}
        ], "format": {"duration": "2.0405"}}"#;
        let expected = Probe {
            duration_ms: Some(2041),
            width: Some(1080),
            height: Some(1920),
            video_codec: Some("h264".into()),
            audio_codec: Some("aac".into()),
        };
        assert_eq!(summary(serde_json::from_str(report).unwrap()), expected);
        assert_eq!(summary(Report::default()), Probe::default());
    }

    #[test]
    fn nonsense_durations_are_dropped() {
        for nonsense in ["N/A", "-1", "inf", "NaN", "1e300"] {
            assert_eq!(milliseconds(nonsense), None);
        }
    }
}
