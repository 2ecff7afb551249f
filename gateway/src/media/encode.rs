//! Everything that needs the source decoded: the rungs, the sound and the small pictures, all in one
//! pass, so that each picture is decoded once.

use std::fmt::Write;
use std::path::Path;

use super::arguments::{key_frames, rendition, texts};
use super::facts::{Facts, VideoTrack};
use super::grid::{Grid, MOST_PICTURES};
use super::make::{audio_folder, rung_folder};
use super::plan::{Plan, Sound};
use super::thumbnails::SMALL;
use super::{MediaError, Tools};

/// Bits per second of a track of sound.
const SOUND_BITS: &str = "128k";

/// Silence where there is no sound, from the beginning of the file on: a player stops at a gap.
const WITHOUT_GAPS: &str = "aresample=async=1:first_pts=0";

/// The first picture stands from the beginning of the file on.
const FROM_THE_START: &str = "setpts='if(N,PTS,min(PTS,0))',";

/// From high dynamic range to what a common screen shows.
const TONE_MAP: &str = "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,\
    tonemap=tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv,format=yuv420p,";

impl Tools {
    /// Makes what `plan` has encoded.
    ///
    /// # Errors
    /// [`MediaError::Refused`] when it can't be decoded, and when ffmpeg can't be run or does not
    /// end.
    pub(super) async fn encode(
        &self,
        folder: &Path,
        source: &str,
        facts: &Facts,
        plan: &Plan,
        report: impl Fn(u64) + Send,
    ) -> Result<(), MediaError> {
        let mut arguments = self.threads().to_vec();
        if plan.encoded.is_empty() && plan.grid.as_ref().is_some_and(Grid::is_coarse) {
            arguments.extend(texts(&["-skip_frame:v", "nokey"]));
        }
        arguments.extend(self.at_most());
        arguments.extend(self.input(source));
        if let Some(filters) = facts.video.as_ref().and_then(|video| filters(video, plan)) {
            arguments.extend(texts(&["-filter_complex", &filters]));
        }
        // With the source's own picture among the rungs, all have their key frames where it has.
        let keys = match plan.copied {
            Some(_) => "source".to_owned(),
            None => key_frames(),
        };
        for (n, rung) in plan.encoded.iter().enumerate() {
            let (most, buffer) = (rung.bit_rate.to_string(), (rung.bit_rate * 2).to_string());
            arguments.extend(texts(&[
                "-map",
                &format!("[rung{n}]"),
                "-c:v",
                "libx264",
                "-preset",
                "veryfast",
                "-profile:v",
                "high",
                "-crf",
                "23",
                "-maxrate",
                &most,
                "-bufsize",
                &buffer,
                // No key frames but those that are asked for.
                "-g",
                "100000",
                "-sc_threshold",
                "0",
                "-force_key_frames",
                &keys,
                "-fps_mode",
                "vfr",
            ]));
            arguments.extend(self.threads());
            arguments.extend(rendition(&rung_folder(rung)));
        }
        for (n, _) in plan
            .sound
            .iter()
            .enumerate()
            .filter(|(_, s)| **s == Sound::Encoded)
        {
            let map = format!("0:a:{n}");
            let codec = ["-c:a", "aac", "-b:a", SOUND_BITS, "-ac", "2"];
            arguments.extend(texts(&["-map", &map, "-af", WITHOUT_GAPS]));
            arguments.extend(texts(&codec));
            arguments.extend(rendition(&audio_folder(n)));
        }
        if plan.grid.is_some() {
            arguments.extend(texts(&[
                "-map",
                "[small]",
                "-fps_mode",
                "passthrough",
                "-frames:v",
                &MOST_PICTURES.to_string(),
                "-f",
                "image2",
                SMALL,
            ]));
        }
        self.ffmpeg(folder, arguments).reporting(report).await
    }
}

/// From the source's picture to each rung, `[rung0]` and so on, each scaled from the one before, and
/// to the small pictures, `[small]`, scaled from the smallest.
fn filters(video: &VideoTrack, plan: &Plan) -> Option<String> {
    if plan.encoded.is_empty() && plan.grid.is_none() {
        return None;
    }
    let mut graph = format!("[0:V:0]{FROM_THE_START}{}", prepared(video));
    for (n, rung) in plan.encoded.iter().enumerate() {
        let (width, height) = (rung.width, rung.height);
        let scaled = format!("scale={width}:{height},setsar=1,format=yuv420p");
        let is_last = n + 1 == plan.encoded.len() && plan.grid.is_none();
        // Writing to a string can't fail.
        if is_last {
            write!(graph, "{scaled}[rung{n}]").ok();
        } else {
            write!(graph, "{scaled},split=2[rung{n}][next{n}];[next{n}]").ok();
        }
    }
    if let Some(grid) = &plan.grid {
        write!(
            graph,
            "fps=1000/{}:eof_action=pass,scale={}:{},setsar=1[small]",
            grid.interval_ms, grid.width, grid.height
        )
        .ok();
    }
    Some(graph)
}

/// What is done to every picture first. ffmpeg turns it upright by itself.
fn prepared(video: &VideoTrack) -> String {
    let mut filters = progressive(video).to_owned();
    if let Some(least) = video.thinned() {
        // Pictures are left out, and none is made up: a file of a few bytes may have hours between two.
        write!(
            filters,
            "select='isnan(prev_selected_t)+gte(t-prev_selected_t,{least:.5})',"
        )
        .ok();
    }
    filters.push_str(toned(video));
    filters
}

/// From half pictures to whole ones.
pub(super) fn progressive(video: &VideoTrack) -> &'static str {
    if video.interlaced {
        "bwdif=mode=send_frame,"
    } else {
        ""
    }
}

/// To the brightness of a common screen.
pub(super) fn toned(video: &VideoTrack) -> &'static str {
    if video.high_dynamic_range {
        TONE_MAP
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::Wanted;
    use super::*;

    fn facts(change: impl FnOnce(&mut VideoTrack)) -> Facts {
        let mut video = VideoTrack {
            codec: "vp9".into(),
            stored: (854, 480),
            width: 854,
            height: 480,
            square: true,
            ..VideoTrack::default()
        };
        change(&mut video);
        Facts {
            duration_ms: Some(5000),
            video: Some(video),
            ..Facts::default()
        }
    }

    fn graph(facts: &Facts, wanted: &Wanted) -> Option<String> {
        let plan = Plan::of(facts, false, wanted);
        filters(facts.video.as_ref().unwrap(), &plan)
    }

    #[test]
    fn each_picture_is_decoded_once_and_scaled_step_by_step() {
        assert_eq!(
            graph(&facts(|_| ()), &Wanted::default()).unwrap(),
            "[0:V:0]setpts='if(N,PTS,min(PTS,0))',scale=854:480,setsar=1,format=yuv420p,split=2[rung0][next0];\
             [next0]scale=640:360,setsar=1,format=yuv420p,split=2[rung1][next1];\
             [next1]fps=1000/1000:eof_action=pass,scale=160:90,setsar=1[small]"
        );
        let wanted = Wanted {
            thumbnails: false,
            rungs: vec![360],
            ..Wanted::default()
        };
        assert_eq!(
            graph(&facts(|_| ()), &wanted).unwrap(),
            "[0:V:0]setpts='if(N,PTS,min(PTS,0))',scale=640:360,setsar=1,format=yuv420p[rung0]"
        );
    }

    #[test]
    fn pictures_are_prepared_as_they_need_it() {
        let fast = |video: &mut VideoTrack| {
            video.interlaced = true;
            video.frame_rate = Some(120.0);
            video.high_dynamic_range = true;
        };
        let graph = graph(&facts(fast), &Wanted::default()).unwrap();
        assert!(
            graph.contains(
                "bwdif=mode=send_frame,select='isnan(prev_selected_t)+\
                 gte(t-prev_selected_t,0.01250)',zscale=t=linear"
            ),
            "{graph}"
        );
    }
}
