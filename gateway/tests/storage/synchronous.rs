//! Picture and sound stay together, whichever begins first and whatever is made of them.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use gateway::files::FileStatus;

use crate::films::{lavfi, make};
use crate::world::World;

mod both {
    crate::world::on!(picture_and_sound_stay_together, sqlite, Sqlite, Embedded);
}

/// When something is seen and heard, in seconds after the beginning of the source.
const MOMENT: f64 = 1.2;
/// Nobody sees or hears that.
const NOTHING: f64 = 0.06;

/// White and a tone from [`MOMENT`] on; the picture begins `late.0` seconds after the beginning, and
/// the sound `late.1`.
fn flash(late: (f64, f64), codecs: &[&str], name: &str) -> Bytes {
    let (seen, heard) = (MOMENT - late.0, MOMENT - late.1);
    let picture =
        format!("color=black:s=320x240:r=25:d=6,drawbox=c=white:t=fill:enable='gte(t,{seen:.3})'");
    let sound = format!("aevalsrc='if(gte(t,{heard:.3}),sin(6000*t),0)':s=48000:d=6");
    let (late_picture, late_sound) = (late.0.to_string(), late.1.to_string());
    let arguments = [
        &["-itsoffset", &late_picture][..],
        &lavfi(&picture),
        &["-itsoffset", &late_sound],
        &lavfi(&sound),
        &["-map", "0", "-map", "1", "-pix_fmt", "yuv420p"],
        codecs,
    ];
    make(name, &arguments.concat())
}

/// When it gets bright and loud.
fn moments(folder: &Path, name: &str) -> (f64, f64) {
    let output = Command::new("ffmpeg")
        .current_dir(folder)
        .args(["-nostdin", "-hide_banner", "-i", name])
        .args(["-vf", "blackdetect=d=0.2:pix_th=0.5"])
        .args(["-af", "silencedetect=n=-30dB:d=0.2", "-f", "null", "-"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let after = |word: &str| {
        let (_, rest) = said.split_once(word).unwrap_or_else(|| panic!("{said}"));
        let number = rest.trim_start().split([' ', '\n']).next().unwrap();
        number.parse::<f64>().unwrap_or_else(|_| panic!("{said}"))
    };
    (after("black_end:"), after("silence_end:"))
}

/// The edits at the beginning of a fragmented MP4, as the times that they begin with in the track, and
/// -1 for a pause (ISO/IEC 14496-12, 8.6.6).
fn edits(path: &Path) -> Vec<i32> {
    let bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(4).position(|name| name == b"elst").unwrap();
    let number = |at: usize| i32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    let (version, count) = (number(at + 4), number(at + 8));
    assert_eq!(version, 0);
    let count = usize::try_from(count).unwrap();
    (0..count).map(|n| number(at + 16 + 12 * n)).collect()
}

async fn picture_and_sound_stay_together(world: Arc<World>) {
    let fit = ["-c:v", "libx264", "-c:a", "aac"];
    let unfit = ["-c:v", "mpeg4", "-c:a", "ac3"];
    let late_index = ["-c:v", "libx264", "-g", "25", "-c:a", "aac"];
    let cases = [
        ("fit", (0.0, 0.0), &late_index[..], "x.mp4"),
        ("fit, late sound", (0.0, 0.6), &fit, "x.mp4"),
        ("fit, late picture", (0.6, 0.0), &fit, "x.mkv"),
        ("a stream, late sound", (0.0, 0.6), &fit, "x.ts"),
        ("unfit", (0.0, 0.0), &unfit, "x.mkv"),
        ("unfit, late sound", (0.0, 0.6), &unfit, "x.mkv"),
        ("unfit, late picture", (0.6, 0.0), &unfit, "x.mkv"),
        (
            "unfit sound",
            (0.0, 0.0),
            &["-c:v", "libx264", "-c:a", "ac3"],
            "x.mkv",
        ),
    ];
    for (case, late, codecs, name) in cases {
        let bytes = flash(late, codecs, name);
        let file = world.worked_on(name, "video/mp4", bytes).await;
        let expected = (FileStatus::Ready, &None);
        assert_eq!((file.status, &file.reason), expected, "{case}");
        let folder = world.downloaded(&file).await;
        for made in ["faststart.mp4", "hls/master.m3u8"] {
            let (seen, heard) = moments(folder.path(), made);
            let apart = (seen - heard).abs();
            assert!(apart < NOTHING, "{case}: {made}: {seen} s and {heard} s");
            assert!((seen - MOMENT).abs() < 0.1, "{case}: {made}: {seen} s");
        }
        for rendition in ["hls/240p/media.mp4", "hls/audio-1/media.mp4"] {
            // Chromium takes one edit into account, and no pause.
            let edits = edits(&folder.path().join(rendition));
            assert!(
                edits.len() == 1 && edits[0] >= 0,
                "{case}: {rendition}: {edits:?}"
            );
        }
    }
}
