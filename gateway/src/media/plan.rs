//! What is to be made of a video, and how: decided from its facts alone.

use super::facts::{AudioTrack, Facts, VideoTrack};
use super::grid::Grid;

/// Frames per second beyond which nobody sees a difference.
const MOST_FRAMES: f64 = 60.5;
/// A rung must be this much smaller than the one above to be worth its work.
const STEP: f64 = 0.9;
/// What begins more than this after the beginning of the file, in milliseconds, is not sent on as it
/// is: browsers do not know of the pause before it, and would begin at once.
const SYNCHRONOUS_MS: i64 = 40;
/// How much more than our own encoder a source's picture may take and still be sent on as it is.
const THRIFT: u64 = 2;

/// Which outputs are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// A still picture, as JPEG and WebP.
    pub poster: bool,
    /// Sheets of small pictures for scrubbing, with their index as WebVTT.
    pub thumbnails: bool,
    /// An MP4 that starts at once, unless the source is one.
    pub faststart: bool,
    /// An HLS ladder.
    pub hls: bool,
    /// The ladder's rungs: the shorter sides of their pictures, in pixels.
    pub rungs: Vec<u32>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            poster: true,
            thumbnails: true,
            faststart: true,
            hls: true,
            rungs: vec![1080, 720, 480, 360],
        }
    }
}

/// One size in which the picture is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rung {
    /// The shorter side of the picture, in pixels.
    pub(super) short: u32,
    /// Width in pixels; even, unless it is the source's own.
    pub(super) width: u32,
    /// Height in pixels; even, unless it is the source's own.
    pub(super) height: u32,
    /// The most that its picture takes, in bits per second.
    pub(super) bit_rate: u64,
}

impl Rung {
    /// The folder of its playlist, such as `720p`.
    pub(super) fn name(&self) -> String {
        format!("{}p", self.short)
    }
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    /// Whether the streams go into an MP4 as they are.
    pub(super) remux: bool,
    /// Whether an MP4 is put together from the largest rung and the sound.
    pub(super) join: bool,
    /// The rung that is the source's picture, as it is.
    pub(super) copied: Option<Rung>,
    /// The rungs that are encoded, the largest first.
    pub(super) encoded: Vec<Rung>,
    /// How each track of sound beside the rungs is had; none when there are no rungs.
    pub(super) sound: Vec<Sound>,
    /// The sheets of small pictures.
    pub(super) grid: Option<Grid>,
    /// Whether a still picture is made.
    pub(super) poster: bool,
}

/// How a track of sound is had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sound {
    Copied,
    Encoded,
}

impl Plan {
    /// `starts_late`: whether the source is an MP4 with its index at the end.
    pub(super) fn of(facts: &Facts, starts_late: bool, wanted: &Wanted) -> Self {
        let fits = facts.video.as_ref().is_none_or(VideoTrack::fits)
            && facts.audio.iter().all(AudioTrack::fits_mp4);
        let is_mp4 = facts
            .container
            .as_deref()
            .is_some_and(|names| names.contains("mp4"));
        let mut plan = Self {
            remux: wanted.faststart && fits && (starts_late || !is_mp4),
            join: false,
            copied: None,
            encoded: Vec::new(),
            sound: Vec::new(),
            grid: None,
            poster: false,
        };
        let Some(video) = &facts.video else {
            return plan;
        };
        plan.join = wanted.faststart && !fits;
        plan.poster = wanted.poster;
        if wanted.thumbnails {
            plan.grid = Grid::of(video, facts.duration_ms);
        }
        let mut rungs = ladder(video, &wanted.rungs);
        match (wanted.hls, plan.join) {
            (true, _) => {}
            (false, true) => rungs.truncate(1),
            (false, false) => return plan,
        }
        if let Some(top) = rungs.first()
            && video.is_rung(top)
        {
            plan.copied = Some(rungs.remove(0));
        }
        plan.encoded = rungs.into_iter().map(Rung::even).collect();
        plan.sound = facts.tracks().iter().map(AudioTrack::sound).collect();
        plan
    }

    /// The same with the source's own picture encoded.
    pub(super) fn without_copied_rung(mut self) -> Self {
        let copied = self.copied.take().map(Rung::even);
        self.encoded.splice(0..0, copied);
        self
    }

    /// The same without relying on the source's streams as they are.
    pub(super) fn without_copies(self) -> Self {
        let mut this = self.without_copied_rung();
        this.join |= this.remux && !this.encoded.is_empty();
        this.remux = false;
        this.sound.fill(Sound::Encoded);
        this
    }

    /// Every rung, the largest first.
    pub(super) fn rungs(&self) -> impl Iterator<Item = &Rung> {
        self.copied.iter().chain(&self.encoded)
    }

    /// Whether streams go somewhere as they are.
    pub(super) fn copies(&self) -> bool {
        self.remux || self.copied.is_some() || self.sound.contains(&Sound::Copied)
    }

    /// Whether the source has to be decoded from end to end.
    pub(super) fn encodes(&self) -> bool {
        !self.encoded.is_empty() || self.sound.contains(&Sound::Encoded)
    }
}

impl VideoTrack {
    /// Whether every browser plays it.
    fn fits(&self) -> bool {
        let profile = self.profile.as_deref();
        let pixels = self.pixel_format.as_deref();
        self.codec == "h264"
            && matches!(pixels, Some("yuv420p" | "yuvj420p"))
            && matches!(
                profile,
                Some("Constrained Baseline" | "Baseline" | "Main" | "High")
            )
    }

    /// Whether it can be a rung as it is: Media Source Extensions know no turned pictures, and what
    /// takes many more bits than needed is no help to who has few.
    fn is_rung(&self, rung: &Rung) -> bool {
        let bits = self.bit_rate.and_then(|bits| u64::try_from(bits).ok());
        self.fits()
            && self.rotation == 0
            && self.square
            && !self.interlaced
            && self.keeps() == 1
            && self.delay_ms <= SYNCHRONOUS_MS
            && self.stored == (rung.width, rung.height)
            && bits.is_some_and(|bits| bits <= rung.bit_rate * THRIFT)
    }

    /// Its size within a square of this side, in pixels; never larger than it is, and even.
    pub(super) fn within(&self, side: f64) -> (u32, u32) {
        let longer = f64::from(self.width.max(self.height).max(1));
        let scale = (side / longer).min(1.0);
        let scaled = |side: u32| even((f64::from(side) * scale).round() as u32);
        (scaled(self.width), scaled(self.height))
    }

    /// Of how many pictures its rungs keep one.
    fn keeps(&self) -> u32 {
        let rate = self.frame_rate.unwrap_or(0.0);
        (rate / MOST_FRAMES).ceil().max(1.0) as u32
    }

    /// The least time between two pictures of its rungs, in seconds, when they have only some of its
    /// pictures. Times may be rounded to milliseconds: half a picture's time is let go.
    pub(super) fn thinned(&self) -> Option<f64> {
        let (keeps, rate) = (f64::from(self.keeps()), self.frame_rate?);
        (keeps > 1.0).then(|| (keeps - 0.5) / rate)
    }

    /// Frames per second of its rungs.
    pub(super) fn rung_rate(&self) -> Option<f64> {
        self.frame_rate.map(|rate| rate / f64::from(self.keeps()))
    }
}

impl AudioTrack {
    fn fits_mp4(&self) -> bool {
        matches!(self.codec.as_str(), "aac" | "mp3")
    }

    /// As it is when every HLS player knows it.
    fn sound(&self) -> Sound {
        let is_plain = self.delay_ms <= SYNCHRONOUS_MS
            && self.codec == "aac"
            && self.profile.as_deref() == Some("LC")
            && self
                .channels
                .is_some_and(|channels| (1..=2).contains(&channels));
        if is_plain {
            Sound::Copied
        } else {
            Sound::Encoded
        }
    }
}

/// The sizes to offer: the source's own, or the largest wanted one below it, and the wanted ones
/// that are a step smaller.
fn ladder(video: &VideoTrack, wanted: &[u32]) -> Vec<Rung> {
    let source = video.width.min(video.height);
    let mut wanted = wanted.to_vec();
    wanted.sort_unstable_by(|a, b| b.cmp(a));
    let Some(most) = wanted.first().filter(|_| source > 0) else {
        return Vec::new();
    };
    let mut shorts = vec![source.min(*most)];
    for short in wanted {
        let above = shorts.last().map_or(0.0, |above| f64::from(*above));
        if f64::from(short) <= above * STEP {
            shorts.push(short);
        }
    }
    shorts.into_iter().map(|short| rung(video, short)).collect()
}

fn rung(video: &VideoTrack, short: u32) -> Rung {
    let source = video.width.min(video.height);
    let rung = Rung {
        short,
        width: video.width,
        height: video.height,
        bit_rate: bit_rate(short),
    };
    if source == short && video.fits() {
        return rung;
    }
    let scale = f64::from(short) / f64::from(source);
    let scaled = |side: u32| (f64::from(side) * scale).round() as u32;
    Rung {
        width: scaled(video.width),
        height: scaled(video.height),
        ..rung
    }
    .even()
}

impl Rung {
    fn even(self) -> Self {
        Self {
            width: even(self.width),
            height: even(self.height),
            ..self
        }
    }
}

/// H.264 and JPEG store a colour for every second pixel of a side.
fn even(side: u32) -> u32 {
    (side & !1).max(2)
}

/// What a picture of this size may take, in bits per second: close to what the large services offer,
/// by size.
fn bit_rate(short: u32) -> u64 {
    match short {
        0..=240 => 500_000,
        241..=360 => 900_000,
        361..=480 => 1_600_000,
        481..=720 => 3_200_000,
        721..=1080 => 6_000_000,
        1081..=1440 => 11_000_000,
        _ => 20_000_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone() -> Facts {
        Facts {
            container: Some("mov,mp4,m4a,3gp,3g2,mj2".into()),
            duration_ms: Some(60_000),
            bit_rate: None,
            video: Some(VideoTrack {
                codec: "h264".into(),
                profile: Some("High".into()),
                pixel_format: Some("yuv420p".into()),
                stored: (1920, 1080),
                width: 1920,
                height: 1080,
                frame_rate: Some(30.0),
                square: true,
                bit_rate: Some(8_000_000),
                ..VideoTrack::default()
            }),
            audio: vec![AudioTrack {
                codec: "aac".into(),
                profile: Some("LC".into()),
                channels: Some(2),
                ..AudioTrack::default()
            }],
        }
    }

    fn with(change: impl FnOnce(&mut VideoTrack)) -> Facts {
        let mut facts = phone();
        change(facts.video.as_mut().unwrap());
        facts
    }

    fn names(plan: &Plan) -> (Option<String>, Vec<String>) {
        let encoded = plan.encoded.iter().map(Rung::name).collect();
        (plan.copied.as_ref().map(Rung::name), encoded)
    }

    fn plan(facts: &Facts) -> Plan {
        Plan::of(facts, true, &Wanted::default())
    }

    #[test]
    fn what_fits_is_sent_on_as_it_is() {
        let plan = plan(&phone());
        assert!(plan.remux && !plan.join);
        let smaller = ["720p", "480p", "360p"].map(String::from).to_vec();
        assert_eq!(names(&plan), (Some("1080p".into()), smaller));
        assert_eq!(plan.sound, [Sound::Copied]);
        let fallen_back = plan.without_copies();
        assert!(!fallen_back.remux && fallen_back.join && !fallen_back.copies());
        assert_eq!(fallen_back.encoded.len(), 4);
    }

    #[test]
    fn what_starts_at_once_needs_no_copy() {
        let plan = Plan::of(&phone(), false, &Wanted::default());
        assert!(!plan.remux && !plan.join);
        let mut facts = phone();
        facts.container = Some("matroska,webm".into());
        assert!(Plan::of(&facts, false, &Wanted::default()).remux);
    }

    #[test]
    fn what_browsers_do_not_play_is_encoded() {
        let unfit: [fn(&mut VideoTrack); 3] = [
            |video| video.codec = "hevc".into(),
            |video| video.pixel_format = Some("yuv420p10le".into()),
            |video| video.profile = Some("High 4:2:2".into()),
        ];
        for change in unfit {
            let plan = plan(&with(change));
            assert!(plan.join && !plan.remux && plan.copied.is_none());
            assert_eq!(plan.encoded.len(), 4);
        }
        let turned_or_huge: [fn(&mut VideoTrack); 6] = [
            |video| video.rotation = 180,
            |video| video.square = false,
            |video| video.interlaced = true,
            |video| video.delay_ms = 500,
            |video| video.frame_rate = Some(120.0),
            |video| video.bit_rate = Some(90_000_000),
        ];
        for change in turned_or_huge {
            let plan = plan(&with(change));
            assert!(plan.remux && plan.copied.is_none());
        }
    }

    #[test]
    fn pictures_are_left_out_evenly() {
        let rates = [
            (25.0, 25.0),
            (60.0, 60.0),
            (120.0, 60.0),
            (144.0, 48.0),
            (240.0, 60.0),
        ];
        for (rate, expected) in rates {
            let facts = with(|video| video.frame_rate = Some(rate));
            let video = facts.video.unwrap();
            assert_eq!(video.rung_rate(), Some(expected));
            assert_eq!(video.thinned().is_some(), rate > expected);
        }
    }

    #[test]
    fn no_rung_is_larger_than_the_source() {
        let sized = |width, height| {
            with(|video| {
                (video.width, video.height) = (width, height);
                video.stored = (width, height);
                video.codec = "vp9".into();
            })
        };
        type Case = (u32, u32, &'static [(u32, u32)]);
        let cases: [Case; 7] = [
            (
                3840,
                2160,
                &[(1920, 1080), (1280, 720), (852, 480), (640, 360)],
            ),
            (
                1080,
                1920,
                &[(1080, 1920), (720, 1280), (480, 852), (360, 640)],
            ),
            (
                1600,
                900,
                &[(1600, 900), (1280, 720), (852, 480), (640, 360)],
            ),
            (640, 368, &[(640, 368)]),
            (101, 51, &[(100, 50)]),
            (1, 1, &[(2, 2)]),
            (2, 9000, &[(2, 9000)]),
        ];
        for (width, height, expected) in cases {
            let plan = plan(&sized(width, height));
            let sizes: Vec<_> = plan.rungs().map(|rung| (rung.width, rung.height)).collect();
            assert_eq!(sizes, expected, "{width} x {height}");
        }
    }

    #[test]
    fn only_what_is_wanted_is_planned() {
        let nothing = Wanted {
            poster: false,
            thumbnails: false,
            faststart: false,
            hls: false,
            rungs: Vec::new(),
        };
        let hevc = with(|video| video.codec = "hevc".into());
        let plan = Plan::of(&hevc, true, &nothing);
        assert!(!plan.copies() && !plan.encodes() && plan.grid.is_none() && !plan.poster);
        let wanted = Wanted {
            hls: false,
            ..Wanted::default()
        };
        assert_eq!(Plan::of(&hevc, true, &wanted).encoded.len(), 1);
        let mut sound = phone();
        sound.video = None;
        let plan = Plan::of(&sound, true, &Wanted::default());
        assert!(plan.remux && plan.rungs().count() == 0 && plan.sound.is_empty());
    }
}
