//! Videos that are made to harm, broken, or merely unusual: each ends, and the worker goes on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use gateway::files::FileStatus;
use gateway::media::{Limits, MediaError, Tools, Wanted};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::films::{decoded, late_mp4, lavfi, make, probe, settings};
use crate::world::World;

mod unusual {
    crate::world::on!(unusual_videos_become_playable, sqlite, Sqlite, Embedded);
}

mod harmful {
    crate::world::on!(harmful_videos_fail_with_a_reason, sqlite, Sqlite, Embedded);
}

const PICTURE: [&str; 4] = lavfi("testsrc=size=320x240:rate=25:duration=2");

fn picture(codecs: &[&str], name: &str) -> Bytes {
    make(name, &[&PICTURE[..], codecs].concat())
}

async fn unusual_videos_become_playable(world: Arc<World>) {
    let h264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p"];
    let turned = {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("upright.mp4");
        std::fs::write(&path, picture(&h264, "x.mp4")).unwrap();
        let path = path.to_str().unwrap();
        make(
            "t.mp4",
            &["-i", path, "-c", "copy", "-metadata:s:v:0", "rotate=90"],
        )
    };
    let bt2020 = "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:log-level=none";
    let hdr = [
        "-c:v",
        "libx265",
        "-pix_fmt",
        "yuv420p10le",
        "-x265-params",
        bt2020,
    ];
    let uneven = [
        "-vf",
        "setpts='(N/25+floor(N/10)/2)/TB'",
        "-fps_mode",
        "vfr",
    ];
    let titled = {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.srt");
        std::fs::write(&path, "1\n00:00:00,000 --> 00:00:01,000\nHello\n").unwrap();
        let text = ["-i", path.to_str().unwrap(), "-map", "0", "-map", "1"];
        make("x.mkv", &[&PICTURE[..], &text, &h264].concat())
    };
    let fast = lavfi("testsrc=size=320x240:rate=120:duration=0.5");
    let later = [
        "-vf",
        "setpts='(N/120+3000*gte(N,59))/TB'",
        "-c:v",
        "libvpx",
    ];
    let whole = ["-fps_mode", "passthrough"];
    let gap = make("x.mkv", &[&fast[..], &later, &whole].concat());
    let broadcast = [
        "-c:v",
        "mpeg2video",
        "-flags",
        "+ilme+ildct",
        "-aspect",
        "16:9",
    ];
    // The pictures that come out, and their size.
    let cases = [
        ("turned", turned, "240x320", 50),
        ("hdr", picture(&hdr, "x.mp4"), "320x240", 50),
        (
            "ten bits",
            picture(&["-c:v", "libx264", "-pix_fmt", "yuv420p10le"], "x.mp4"),
            "320x240",
            50,
        ),
        (
            "uneven",
            picture(&[&uneven[..], &h264].concat(), "x.mp4"),
            "320x240",
            50,
        ),
        (
            "odd",
            picture(&["-vf", "scale=321:241", "-c:v", "libvpx"], "x.webm"),
            "320x240",
            50,
        ),
        (
            "fast",
            picture(&["-r", "120", "-c:v", "mpeg4"], "x.mp4"),
            "320x240",
            120,
        ),
        ("with a long gap", gap, "320x240", 31),
        (
            "anamorphic",
            picture(
                &[
                    "-vf",
                    "scale=720:480,setsar=32/27",
                    "-c:v",
                    "libx264",
                    "-pix_fmt",
                    "yuv420p",
                ],
                "x.mp4",
            ),
            "852x480",
            50,
        ),
        ("with subtitles", titled, "320x240", 50),
        ("broadcast", picture(&broadcast, "x.ts"), "426x240", 50),
    ];
    for (name, bytes, size, pictures) in cases {
        let file = world.worked_on(name, "video/mp4", bytes).await;
        assert_eq!(
            (file.status, &file.reason),
            (FileStatus::Ready, &None),
            "{name}"
        );
        let folder = world.downloaded(&file).await;
        let master = std::fs::read_to_string(folder.path().join("hls/master.m3u8")).unwrap();
        assert!(
            master.contains(&format!("RESOLUTION={size},")),
            "{name}: {master}"
        );
        let (found, _) = decoded(folder.path(), "hls/master.m3u8");
        assert!(found.abs_diff(pictures) <= 1, "{name}: {found} pictures");
        for poster in ["poster.jpg", "poster.webp", "thumbnails/1.jpg"] {
            assert!(folder.path().join(poster).is_file(), "{name}: {poster}");
        }
        let poster = std::fs::read(folder.path().join("poster.jpg")).unwrap();
        let shape = probe(&poster, "stream=width,height").replace(',', "x");
        assert_eq!(shape, size, "{name}");
    }
}

/// A few hundred bytes of AVI that claim to be of this size: in its format (BITMAPINFOHEADER), and in the
/// frame of each JPEG (SOF0; ITU-T T.81, B.2.2).
fn claiming(width: u16, height: u16) -> Bytes {
    let small = lavfi("color=size=16x16:rate=1:duration=1");
    let small = [&small[..], &["-c:v", "mjpeg", "-pix_fmt", "yuvj444p"]].concat();
    let mut bytes = make("x.avi", &small).to_vec();
    let format = bytes.windows(4).position(|word| word == b"strf").unwrap();
    bytes[format + 12..format + 16].copy_from_slice(&u32::from(width).to_le_bytes());
    bytes[format + 16..format + 20].copy_from_slice(&u32::from(height).to_le_bytes());
    let markers = bytes.windows(2).enumerate();
    let frames: Vec<usize> = markers
        .filter_map(|(at, word)| (word == b"\xff\xc0").then_some(at))
        .collect();
    assert!(!frames.is_empty());
    for frame in frames {
        bytes[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
        bytes[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    }
    bytes.into()
}

async fn harmful_videos_fail_with_a_reason(world: Arc<World>) {
    let years = [
        "-vf",
        "setpts=N*20000000/TB",
        "-fps_mode",
        "passthrough",
        "-frames:v",
        "3",
        "-c:v",
        "libx264",
    ];
    let cases = [
        (
            "magicyuv",
            picture(&["-c:v", "magicyuv", "-pix_fmt", "gbrp"], "x.avi"),
            "Codec (magicyuv) not on whitelist",
        ),
        (
            "ffv1",
            picture(&["-c:v", "ffv1"], "x.mkv"),
            "Codec (ffv1) not on whitelist",
        ),
        ("years", picture(&years, "x.mkv"), "it says that it lasts"),
        ("thin", claiming(1, 65_535), "its picture is 1 x 65535"),
        (
            "a bomb",
            claiming(16_000, 16_000),
            "its picture is 16000 x 16000",
        ),
        (
            "the biggest",
            claiming(65_535, 65_535),
            "its picture has no size that can be read",
        ),
        (
            "a playlist",
            disguised("#EXTM3U\n#EXTINF:9,\nfile:///etc/passwd\n"),
            "can't be read",
        ),
        (
            "no pictures",
            picture(&["-t", "0", "-c:v", "libx264"], "x.mp4"),
            "",
        ),
    ];
    for (name, bytes, expected) in cases {
        let file = world.worked_on(name, "video/mp4", bytes).await;
        assert_eq!(file.status, FileStatus::Failed, "{name}");
        let reason = file.reason.as_deref().unwrap();
        assert!(reason.contains(expected), "{name}: {reason}");
        assert!(
            !reason.contains("/tmp") && !reason.contains("0x"),
            "{name}: {reason}"
        );
        assert_eq!(world.catalog.outputs(file.id).await.unwrap(), []);
    }
    let file = world.worked_on("fine", "video/mp4", late_mp4()).await;
    assert_eq!(file.status, FileStatus::Ready, "the worker goes on");
}

mod endless {
    crate::world::on!(
        what_takes_too_long_is_given_up_at_once,
        sqlite,
        Sqlite,
        Embedded
    );
}

async fn what_takes_too_long_is_given_up_at_once(world: Arc<World>) {
    let mut settings = settings(&world);
    let limits = Limits {
        time: Duration::from_secs(1),
        ..Limits::default()
    };
    settings.studio.as_mut().unwrap().tools = Tools::find(limits).unwrap();
    let long = lavfi("testsrc2=size=1920x1080:rate=60:duration=10");
    let bytes = make("x.mp4", &[&long[..], &["-c:v", "mpeg4"]].concat());
    let file = world
        .worked_on_with("x.mp4", "video/mp4", bytes, settings)
        .await;
    assert_eq!(file.status, FileStatus::Failed);
    assert_eq!(
        file.reason.as_deref(),
        Some("the video is not worked on: it takes more than 1 s")
    );
    let tried_once = "SELECT count(*) FROM jobs WHERE attempts = 1";
    assert_eq!(world.count(tried_once).await, 1);
}

/// Something that is recognized as an MP4 by its first bytes.
fn disguised(text: &str) -> Bytes {
    let mut bytes = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41".to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes.into()
}

/// What would have ffmpeg open other files or addresses is never opened, whatever it is called.
#[tokio::test]
async fn nothing_opens_another_file_or_an_address() {
    let tools = Tools::find(Limits::default()).unwrap();
    let hls = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n";
    let texts = [
        format!("{hls}file:///etc/passwd\n#EXT-X-ENDLIST\n"),
        format!("{hls}http://127.0.0.1:1/x.ts\n#EXT-X-ENDLIST\n"),
        format!("{hls}concat:/etc/passwd|/etc/hostname\n#EXT-X-ENDLIST\n"),
        "ffconcat version 1.0\nfile /etc/passwd\n".to_owned(),
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"99999\" height=\"99999\"/>".to_owned(),
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n".to_owned(),
        "<?xml version=\"1.0\"?><MPD type=\"static\"><Period/></MPD>".to_owned(),
    ];
    for text in texts {
        for name in [
            "x.mp4",
            "x.avi",
            "x.m3u8",
            "x.ffconcat",
            "x.svg",
            "x.sdp",
            "x.mpd",
        ] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(name), &text).unwrap();
            let error = tools.probe(folder.path(), name).await.unwrap_err();
            assert!(
                matches!(error, MediaError::Refused { .. }),
                "{name}: {error}"
            );
        }
    }
}

/// A child has no network, where the kernel allows to take it away.
#[tokio::test]
async fn children_are_isolated_where_namespaces_are_allowed() {
    let allowed = std::process::Command::new("unshare")
        .args(["--user", "--map-current-user", "--net", "true"])
        .status()
        .is_ok_and(|status| status.success());
    assert_eq!(
        Tools::find(Limits::default()).unwrap().are_isolated(),
        allowed
    );
}

/// 200 broken copies of one small video, by a seed: each becomes something or is refused, within its
/// limits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_videos_end() {
    const SEED: u64 = 6;
    let source = lavfi("testsrc=size=160x120:rate=10:duration=1");
    let sound = lavfi("sine=duration=1");
    let codecs = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"];
    let whole = make("x.mp4", &[&source[..], &sound, &codecs].concat());
    let limits = Limits {
        time: Duration::from_secs(60),
        memory_bytes: 1 << 30,
        scratch_bytes: 64 << 20,
        threads: 1,
        ..Limits::default()
    };
    let tools = Tools::find(limits).unwrap();
    let mut random = StdRng::seed_from_u64(SEED);
    let variants: Vec<_> = (0..200)
        .map(|n| {
            let mut bytes = whole.to_vec();
            if n % 4 == 0 {
                bytes.truncate(random.random_range(0..bytes.len()));
            } else {
                for _ in 0..random.random_range(1..40) {
                    let at = random.random_range(0..bytes.len());
                    bytes[at] ^= 1 << random.random_range(0..8);
                }
            }
            bytes
        })
        .collect();
    let (mut made, mut refused) = (0, 0);
    let outcomes = variants.into_iter().map(|bytes| {
        let tools = tools.clone();
        async move {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("source"), &bytes).unwrap();
            outcome(&tools, folder.path()).await
        }
    });
    let mut outcomes = futures_util::stream::iter(outcomes).buffered(2).enumerate();
    while let Some((n, outcome)) = outcomes.next().await {
        match outcome {
            Ok(_) => made += 1,
            Err(MediaError::Refused { .. } | MediaError::OutOfBounds(_)) => refused += 1,
            Err(error) => panic!("variant {n} of seed {SEED}: {error}"),
        }
    }
    assert!(made > 20 && refused > 20, "{made} made, {refused} refused");
}

async fn outcome(tools: &Tools, folder: &std::path::Path) -> Result<usize, MediaError> {
    let facts = tools.probe(folder, "source").await?;
    let late = gateway::media::starts_late(&folder.join("source")).unwrap();
    let wanted = Wanted::default();
    let outputs = tools
        .make(folder, "source", &facts, late, &wanted, &|_| ())
        .await?;
    Ok(outputs.len())
}

#[tokio::test]
async fn a_child_that_needs_too_much_space_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let noise = lavfi("testsrc2=size=640x480:rate=25:duration=4,noise=alls=60:allf=t");
    let codecs = [
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-qp",
        "10",
        "-pix_fmt",
        "yuv420p",
    ];
    let bytes = make("x.mp4", &[&noise[..], &codecs].concat());
    std::fs::write(folder.path().join("source"), &bytes).unwrap();
    let limits = Limits {
        scratch_bytes: bytes.len() as u64 + 100_000,
        ..Limits::default()
    };
    let tools = Tools::find(limits).unwrap();
    let error = outcome(&tools, folder.path()).await.unwrap_err();
    let is_stopped = matches!(
        error,
        MediaError::ScratchFull { .. } | MediaError::Refused { .. }
    );
    assert!(is_stopped, "{error}");
}
