//! HLS playlists (RFC 8216): reading the media playlists that ffmpeg wrote, and writing the
//! multivariant playlist over them.

use std::fmt::Write;

/// What a media playlist says of its segments.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Segments {
    /// Each segment's duration in seconds, and its length in bytes.
    pub(super) list: Vec<(f64, u64)>,
}

impl Segments {
    /// Reads a playlist whose segments are byte ranges.
    pub(super) fn read(playlist: &str) -> Self {
        let (mut list, mut duration) = (Vec::new(), 0.0);
        for line in playlist.lines() {
            if let Some(rest) = line.strip_prefix("#EXTINF:") {
                let number = rest.split(',').next().unwrap_or_default();
                duration = number.parse().unwrap_or(0.0);
            } else if let Some(rest) = line.strip_prefix("#EXT-X-BYTERANGE:") {
                let number = rest.split('@').next().unwrap_or_default();
                list.push((duration, number.parse().unwrap_or(0)));
            }
        }
        Self { list }
    }

    /// The longest segment, in seconds.
    pub(super) fn longest(&self) -> f64 {
        self.list
            .iter()
            .map(|(seconds, _)| *seconds)
            .fold(0.0, f64::max)
    }

    /// The most bits per second over any one segment. Segments of a blink at the end say nothing.
    fn peak(&self) -> u64 {
        let rates = self.list.iter().filter(|(seconds, _)| *seconds >= 0.5);
        let peak = rates
            .map(|(seconds, bytes)| (*bytes as f64 * 8.0 / seconds).ceil() as u64)
            .max();
        peak.unwrap_or(0).max(self.average())
    }

    /// Bits per second over all.
    fn average(&self) -> u64 {
        let (seconds, bytes) = self.list.iter().fold((0.0, 0), |(s, b), (seconds, bytes)| {
            (s + seconds, b + bytes)
        });
        if seconds > 0.0 {
            (bytes as f64 * 8.0 / seconds).ceil() as u64
        } else {
            0
        }
    }
}

/// One rung as the multivariant playlist tells it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Variant {
    /// The folder of its playlist.
    pub(super) folder: String,
    /// Width and height in pixels.
    pub(super) size: (u32, u32),
    /// Frames per second.
    pub(super) frame_rate: Option<f64>,
    /// Its codec (RFC 6381).
    pub(super) codec: Option<String>,
    /// Its segments.
    pub(super) segments: Segments,
}

/// One audio track as the multivariant playlist tells it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rendition {
    /// The folder of its playlist.
    pub(super) folder: String,
    /// What to call it.
    pub(super) title: Option<String>,
    /// Its language.
    pub(super) language: Option<String>,
    /// How many channels.
    pub(super) channels: i64,
    /// Its segments.
    pub(super) segments: Segments,
}

/// AAC of low complexity, the only kind of sound that is offered (RFC 6381).
const AAC: &str = "mp4a.40.2";

/// The multivariant playlist. Every URI in it is relative.
pub(super) fn multivariant(variants: &[Variant], renditions: &[Rendition]) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    for (n, rendition) in renditions.iter().enumerate() {
        let number = n + 1;
        let name = rendition.title.as_deref().or(rendition.language.as_deref());
        // Names are unique within a group (RFC 8216, 4.3.4.1.1).
        let name = name.map_or_else(
            || format!("Track {number}"),
            |name| format!("{number}: {}", quotable(name)),
        );
        let language = rendition
            .language
            .as_deref()
            .map(|language| format!("LANGUAGE=\"{}\",", quotable(language)));
        let default = if n == 0 { "YES" } else { "NO" };
        writeln!(
            text,
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"{name}\",{}DEFAULT={default},\
             AUTOSELECT=YES,CHANNELS=\"{}\",URI=\"{}/index.m3u8\"",
            language.unwrap_or_default(),
            rendition.channels,
            rendition.folder
        )
        .ok();
    }
    let sound = |of: fn(&Segments) -> u64| renditions.iter().map(|r| of(&r.segments)).max();
    let (loudest, loud) = (sound(Segments::peak), sound(Segments::average));
    for variant in variants {
        let (width, height) = variant.size;
        write!(
            text,
            "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},RESOLUTION={width}x{height}",
            variant.segments.peak() + loudest.unwrap_or(0),
            variant.segments.average() + loud.unwrap_or(0),
        )
        .ok();
        if let Some(rate) = variant.frame_rate {
            write!(text, ",FRAME-RATE={rate:.3}").ok();
        }
        if let Some(codec) = &variant.codec {
            let sound = if renditions.is_empty() {
                String::new()
            } else {
                format!(",{AAC}")
            };
            write!(text, ",CODECS=\"{codec}{sound}\"").ok();
        }
        if !renditions.is_empty() {
            text.push_str(",AUDIO=\"audio\"");
        }
        writeln!(text, "\n{}/index.m3u8", variant.folder).ok();
    }
    text
}

/// What may stand in a quoted string (RFC 8216, 4.2).
fn quotable(text: &str) -> String {
    text.chars()
        .filter(|c| *c != '"' && !c.is_control())
        .collect()
}

/// The codec of an MP4's H.264 track (RFC 6381, 3.3), read from the decoder configuration record
/// that `head`, the beginning of the file, holds (ISO/IEC 14496-15, 5.3.3.1).
pub(super) fn avc(head: &[u8]) -> Option<String> {
    let at = head.windows(4).position(|window| window == b"avcC")?;
    match head.get(at + 4..at + 8)? {
        [1, profile, constraints, level] => {
            Some(format!("avc1.{profile:02x}{constraints:02x}{level:02x}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments() -> Segments {
        Segments::read(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n\
             #EXT-X-MAP:URI=\"media.mp4\",BYTERANGE=\"800@0\"\n\
             #EXTINF:4.000000,\n#EXT-X-BYTERANGE:500000@800\nmedia.mp4\n\
             #EXTINF:2.000000,\n#EXT-X-BYTERANGE:100000@500800\nmedia.mp4\n\
             #EXTINF:0.040000,\n#EXT-X-BYTERANGE:90000@600800\nmedia.mp4\n#EXT-X-ENDLIST\n",
        )
    }

    #[test]
    fn segments_are_read() {
        let segments = segments();
        assert_eq!(segments.list.len(), 3);
        assert!((segments.longest() - 4.0).abs() < 1e-9);
        assert_eq!(segments.peak(), 1_000_000);
        assert_eq!(segments.average(), 913_908);
        let nothing = Segments::read("#EXTM3U\n#EXTINF:x\n");
        assert_eq!((nothing.peak(), nothing.average()), (0, 0));
    }

    #[test]
    fn the_multivariant_playlist_names_all() {
        let variants = [Variant {
            folder: "720p".into(),
            size: (1280, 720),
            frame_rate: Some(29.97),
            codec: Some("avc1.64001f".into()),
            segments: segments(),
        }];
        let renditions = [Rendition {
            folder: "audio-1".into(),
            title: Some("Direc\"tor\n".into()),
            language: Some("eng".into()),
            channels: 2,
            segments: Segments {
                list: vec![(4.0, 64_000)],
            },
        }];
        assert_eq!(
            multivariant(&variants, &renditions),
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"1: Director\",LANGUAGE=\"eng\",\
             DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"audio-1/index.m3u8\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH=1128000,AVERAGE-BANDWIDTH=1041908,RESOLUTION=1280x720,\
             FRAME-RATE=29.970,CODECS=\"avc1.64001f,mp4a.40.2\",AUDIO=\"audio\"\n720p/index.m3u8\n"
        );
        let silent = multivariant(&variants, &[]);
        assert!(
            silent.contains("CODECS=\"avc1.64001f\"\n720p/index.m3u8\n"),
            "{silent}"
        );
    }

    #[test]
    fn the_codec_is_read_from_its_record() {
        assert_eq!(
            avc(b"....avcC\x01\x64\x00\x1f\xff").as_deref(),
            Some("avc1.64001f")
        );
        for nonsense in [&b""[..], b"avcC", b"avcC\x01\x64", b"avcC\x02\x64\x00\x1f"] {
            assert_eq!(avc(nonsense), None);
        }
    }
}
