//! How much work a video may be.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Decoders for what cameras, phones, screen recorders and browsers make. Everything else that
/// ffmpeg knows is more ways in than uploads need.
const CODECS: &[&str] = &[
    "h264",
    "hevc",
    "vp8",
    "vp9",
    "av1",
    "libdav1d",
    "libaom-av1",
    "mpeg1video",
    "mpeg2video",
    "mpegvideo",
    "mpeg4",
    "h263",
    "mjpeg",
    "prores",
    "dnxhd",
    "theora",
    "libvpx",
    "libvpx-vp9",
    "wmv1",
    "wmv2",
    "wmv3",
    "vc1",
    "flv",
    "msmpeg4v2",
    "msmpeg4",
    "msmpeg4v3",
    "png",
    "aac",
    "aac_latm",
    "mp3",
    "mp3float",
    "mp2",
    "mp2float",
    "ac3",
    "eac3",
    "opus",
    "libopus",
    "vorbis",
    "libvorbis",
    "flac",
    "alac",
    "amrnb",
    "amr_nb",
    "amrwb",
    "amr_wb",
    "libopencore_amrnb",
    "libopencore_amrwb",
    "wmav1",
    "wmav2",
    "wmapro",
    "pcm_s16le",
    "pcm_s16be",
    "pcm_s24le",
    "pcm_s24be",
    "pcm_s32le",
    "pcm_f32le",
    "pcm_u8",
    "pcm_alaw",
    "pcm_mulaw",
    "mov_text",
    "srt",
    "ssa",
    "text",
    "dvdsub",
    "dvbsub",
    "pgssub",
    "cc_dec",
    "subrip",
    "ass",
    "webvtt",
];

/// How much one child may use, and which videos it is let near.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Time on the wall; after it the process group is killed.
    pub time: Duration,
    /// Address space, in bytes.
    pub memory_bytes: u64,
    /// How much its folder may hold, the source included, in bytes.
    pub scratch_bytes: u64,
    /// How many threads it decodes and encodes with.
    pub threads: u32,
    /// ffmpeg's names of the decoders that it may use.
    pub codecs: Vec<String>,
    /// The longest video, by what it says of itself.
    pub max_duration: Duration,
    /// The largest picture, in pixels.
    pub max_pixels: u64,
}

impl Limits {
    /// The decoders that are allowed unless somebody says otherwise.
    pub fn default_codecs() -> Vec<String> {
        CODECS.iter().map(|codec| (*codec).to_owned()).collect()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(4 * 3600),
            memory_bytes: 4 << 30,
            scratch_bytes: 64 << 30,
            threads: threads(),
            codecs: Self::default_codecs(),
            max_duration: Duration::from_secs(12 * 3600),
            // 8K, as wide as cinema has it.
            max_pixels: 8192 * 4320,
        }
    }
}

/// As many as there are processors for this process, eight at most: each costs memory, and more do
/// not make x264 faster on pictures of these sizes.
fn threads() -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(processors.min(8)).unwrap_or(1)
}

/// What to put before a program so that it runs without a network: a user and a network namespace
/// of its own (unshare(1)). Empty where the kernel or the container's seccomp profile refuses.
pub(super) fn isolation(unshare: &Path) -> Vec<String> {
    let arguments = ["--user", "--map-current-user", "--net", "--"];
    let allowed = Command::new(unshare)
        .args(arguments)
        .arg("true")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !allowed {
        return Vec::new();
    }
    let program = unshare.display().to_string();
    let arguments = arguments.iter().map(|&argument| argument.to_owned());
    std::iter::once(program).chain(arguments).collect()
}
