//! Arguments that several calls share.

use super::Tools;

/// Protocols that a child may open: no network, whatever a playlist or a reference in a file says.
const PROTOCOLS: &str = "file,pipe";
/// Demuxers that a child may use, so that no file can turn into a playlist or a script.
const DEMUXERS: &str =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,asf,mpeg,mpegts,mpegvideo,ogg";
/// How long a segment should be, in seconds. It ends with the next key frame.
const SEGMENT_SECONDS: u32 = 4;

/// What every call of ffmpeg begins with.
pub(super) fn before() -> Vec<String> {
    texts(&[
        "-nostdin",
        "-v",
        "error",
        "-hide_banner",
        "-y",
        "-progress",
        "pipe:1",
        "-stats_period",
        "1",
    ])
}

pub(super) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

impl Tools {
    /// The arguments with which both programs open `source`, a file name within the child's folder.
    pub(super) fn input(&self, source: &str) -> Vec<String> {
        let codecs = self.limits.codecs.join(",");
        let source = format!("file:{source}");
        texts(&[
            "-protocol_whitelist",
            PROTOCOLS,
            "-format_whitelist",
            DEMUXERS,
            "-codec_whitelist",
            &codecs,
            "-i",
            &source,
        ])
    }

    /// How many threads the next decoder or encoder has.
    pub(super) fn threads(&self) -> [String; 2] {
        ["-threads".into(), self.limits.threads.to_string()]
    }

    /// The most of a source that is read, in seconds, whatever it says of its length.
    pub(super) fn at_most(&self) -> [String; 2] {
        ["-t".into(), self.limits.max_duration.as_secs().to_string()]
    }
}

/// The end of an output that becomes one rendition: a playlist, and one fragmented MP4 of which each
/// segment is a range.
pub(super) fn rendition(folder: &str) -> Vec<String> {
    let seconds = SEGMENT_SECONDS.to_string();
    let (media, index) = (
        format!("{folder}/media.mp4"),
        format!("{folder}/index.m3u8"),
    );
    texts(&[
        // All renditions have one clock: none is moved so that its first picture, which may have to
        // be decoded before it is shown, is at zero.
        "-avoid_negative_ts",
        "disabled",
        "-f",
        "hls",
        "-hls_time",
        &seconds,
        "-hls_playlist_type",
        "vod",
        "-hls_segment_type",
        "fmp4",
        "-hls_flags",
        "single_file+independent_segments",
        "-hls_segment_filename",
        &media,
        &index,
    ])
}

/// Where key frames have to be so that segments end as planned.
pub(super) fn key_frames() -> String {
    format!("expr:gte(t,n_forced*{SEGMENT_SECONDS})")
}
