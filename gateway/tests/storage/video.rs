//! Real videos, made by ffmpeg, and things that only look like one.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway::files::{FileRecord, FileStatus, FilesError, Studio};
use gateway::media::{Limits, Tools, Wanted};
use gateway::worker::{self, Settings};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{caller, collect, named, pattern, sha256};
use crate::world::{World, everywhere, on_both_databases};

everywhere!(a_video_is_worked_on, garbage_fails_and_stays_readable);

on_both_databases!(
    a_large_copy_goes_in_parts,
    what_browsers_do_not_play_is_encoded,
    only_what_is_wanted_is_made,
    sound_in_a_video_container_is_fine,
    what_fits_goes_on_as_it_is,
    progress_is_told_while_it_lasts,
    a_failed_video_is_worked_on_again_when_asked,
);

/// Runs ffmpeg's own sources through its own encoders into `name`.
pub(crate) fn make(name: &str, arguments: &[&str]) -> Bytes {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y"])
        .args(arguments)
        .arg(folder.path().join(name))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::read(folder.path().join(name)).unwrap().into()
}

/// What ffmpeg makes up itself (lavfi, in its words).
pub(crate) const fn lavfi(source: &str) -> [&str; 4] {
    ["-f", "lavfi", "-i", source]
}

const PICTURE: [&str; 4] = lavfi("testsrc=size=320x240:rate=25:duration=2");
const SOUND: [&str; 4] = lavfi("sine=frequency=440:duration=2");

/// Two seconds of H.264 and AAC, with the index behind the media as ffmpeg writes by default.
pub(crate) fn late_mp4() -> Bytes {
    static MP4: OnceLock<Bytes> = OnceLock::new();
    MP4.get_or_init(|| {
        let codecs = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"];
        make("late.mp4", &[&PICTURE[..], &SOUND, &codecs].concat())
    })
    .clone()
}

pub(crate) fn settings(world: &World) -> Settings {
    Settings {
        poll: Duration::from_millis(50),
        lease: Duration::from_secs(3),
        backoff: Duration::from_millis(100),
        max_attempts: 2,
        studio: Some(studio(world)),
        ..Settings::default()
    }
}

pub(crate) fn studio(world: &World) -> Studio {
    Studio {
        tools: Tools::find(Limits::default()).unwrap(),
        wanted: Wanted::default(),
        scratch: world.folder(),
    }
}

pub(crate) struct Worker {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Worker {
    pub(crate) fn start(world: &World, settings: Settings) -> Self {
        let shutdown = CancellationToken::new();
        let task = worker::run(world.files.clone(), settings, shutdown.clone());
        Self {
            shutdown,
            task: tokio::spawn(task),
        }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        let stopped = tokio::time::timeout(Duration::from_secs(5), self.task).await;
        stopped.expect("the worker stops at once").unwrap();
    }
}

impl World {
    pub(crate) async fn settled(&self, file: &FileRecord) -> FileRecord {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let found = self
                .files
                .find(&caller(&file.owner), file.id)
                .await
                .unwrap();
            if found.status != FileStatus::Processing {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "the video is still being worked on"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn get(&self, key: &str) -> (String, Vec<u8>) {
        let get = self.s3.get_object().bucket(&self.bucket).key(key);
        let output = get.send().await.unwrap();
        let content_type = output.content_type.clone().unwrap();
        let bytes = output.body.collect().await.unwrap().into_bytes();
        (content_type, bytes.to_vec())
    }

    /// What was made of a file under this name, held against what its row says.
    pub(crate) async fn output(&self, file: &FileRecord, name: &str) -> Option<(String, Vec<u8>)> {
        let row = self.catalog.output(file.id, name).await.unwrap()?;
        let (content_type, bytes) = self.get(&row.location).await;
        assert_eq!(content_type, row.content_type);
        assert_eq!(bytes.len() as u64, row.size);
        assert_eq!(sha256(&bytes).to_vec(), row.sha256);
        Some((content_type, bytes))
    }

    /// Uploads a file and has it worked on.
    pub(crate) async fn worked_on(&self, name: &str, declared: &str, bytes: Bytes) -> FileRecord {
        self.worked_on_with(name, declared, bytes, settings(self))
            .await
    }

    pub(crate) async fn worked_on_with(
        &self,
        name: &str,
        declared: &str,
        bytes: Bytes,
        settings: Settings,
    ) -> FileRecord {
        let file = self.upload("ana", named(name, declared), bytes).await;
        assert_eq!(file.status, FileStatus::Processing);
        let worker = Worker::start(self, settings);
        let file = self.settled(&file).await;
        worker.stop().await;
        let left = std::fs::read_dir(self.folder()).unwrap();
        let left = left.filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_str().unwrap().starts_with("filegateway-job-")
        });
        assert_eq!(left.count(), 0, "a temporary folder is left");
        file
    }

    /// The names of everything that was made of a file.
    pub(crate) async fn made(&self, file: &FileRecord) -> Vec<String> {
        let outputs = self.catalog.outputs(file.id).await.unwrap();
        outputs.into_iter().map(|output| output.name).collect()
    }

    /// Everything that was made of a file, as files.
    pub(crate) async fn downloaded(&self, file: &FileRecord) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in self.made(file).await {
            let (_, bytes) = self.output(file, &name).await.unwrap();
            let path = folder.path().join(&name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        folder
    }
}

fn starts_late(bytes: &[u8]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    std::fs::write(&path, bytes).unwrap();
    gateway::media::starts_late(&path).unwrap()
}

/// What an independent look by ffprobe says of a stream.
pub(crate) fn probe(bytes: &[u8], entries: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    std::fs::write(&path, bytes).unwrap();
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "csv=p=0", "-show_entries", entries])
        .arg(Path::new(&path))
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().into()
}

async fn a_video_is_worked_on(world: Arc<World>) {
    let bytes = late_mp4();
    assert!(starts_late(&bytes));
    // Declared as something else: the bytes decide.
    let file = world
        .upload(
            "ana",
            named("film.mp4", "application/octet-stream"),
            bytes.clone(),
        )
        .await;
    // Of a worker that died.
    let unpublished = format!("acme/{}/{}/poster.jpg", file.id, uuid::Uuid::new_v4());
    world.put(&unpublished).await;
    let worker = Worker::start(&world, settings(&world));
    let file = world.settled(&file).await;
    worker.stop().await;
    let made = [
        "faststart.mp4",
        "hls/240p/index.m3u8",
        "hls/240p/media.mp4",
        "hls/audio-1/index.m3u8",
        "hls/audio-1/media.mp4",
        "hls/master.m3u8",
        "poster.jpg",
        "poster.webp",
        "thumbnails.vtt",
        "thumbnails/1.jpg",
    ];
    assert_eq!(world.made(&file).await, made);
    // And the original.
    assert_eq!(world.objects().await.len(), made.len() + 1);
    assert_eq!((file.status, &file.reason), (FileStatus::Ready, &None));
    assert_eq!(file.content_type, "video/mp4");
    assert_eq!(file.sha256, sha256(&bytes));

    let media = world.catalog.media(file.id).await.unwrap().unwrap();
    assert_eq!((media.width, media.height), (Some(320), Some(240)));
    assert_eq!(media.video_codec.as_deref(), Some("h264"));
    assert_eq!(media.audio_codec.as_deref(), Some("aac"));
    assert_eq!(media.container.as_deref(), Some("mov,mp4,m4a,3gp,3g2,mj2"));
    assert_eq!((media.rotation, media.frame_rate), (Some(0), Some(25.0)));
    assert!(media.bit_rate.unwrap() > 10_000);
    let tracks = media.audio_tracks.as_deref().unwrap();
    assert!(tracks.contains(r#""channels":1"#), "{tracks}");
    let duration = media.duration_ms.unwrap();
    assert!((1900..2200).contains(&duration), "{duration}");

    let (content_type, poster) = world.output(&file, "poster.jpg").await.unwrap();
    assert_eq!(content_type, "image/jpeg");
    assert_eq!(
        probe(&poster, "stream=codec_name,width,height"),
        "mjpeg,320,240"
    );

    let (content_type, poster) = world.output(&file, "poster.webp").await.unwrap();
    assert_eq!(content_type, "image/webp");
    assert_eq!(probe(&poster, "stream=codec_name"), "webp");

    let (_, sheet) = world.output(&file, "thumbnails/1.jpg").await.unwrap();
    assert_eq!(probe(&sheet, "stream=width,height"), "320,120");
    let (content_type, index) = world.output(&file, "thumbnails.vtt").await.unwrap();
    assert_eq!(content_type, "text/vtt");
    let index = String::from_utf8(index).unwrap();
    assert!(
        index.contains("thumbnails/1.jpg#xywh=160,0,160,120"),
        "{index}"
    );

    // The source's own picture is a rung as it is.
    let folder = world.downloaded(&file).await;
    assert_eq!(decoded(folder.path(), "hls/master.m3u8"), (50, 1));
    let rung = std::fs::read(folder.path().join("hls/240p/media.mp4")).unwrap();
    assert_eq!(packets(&rung), packets(&bytes));

    let (content_type, copy) = world.output(&file, "faststart.mp4").await.unwrap();
    assert_eq!(content_type, "video/mp4");
    assert!(!starts_late(&copy));
    assert_eq!(probe(&copy, "stream=codec_name"), "h264\naac");

    assert_eq!(world.catalog.job_counts().await.unwrap(), []);
    world.files.delete(&caller("ana"), file.id).await.unwrap();
    world.assert_nothing_is_left(&[]).await;
}

async fn garbage_fails_and_stays_readable(world: Arc<World>) {
    let mut bytes = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41".to_vec();
    bytes.extend_from_slice(&pattern(100_000));
    let bytes = Bytes::from(bytes);
    let file = world
        .worked_on("film.mp4", "video/mp4", bytes.clone())
        .await;
    assert_eq!(file.status, FileStatus::Failed);
    assert_eq!(
        file.reason.as_deref(),
        Some(
            "the file can't be read as a video: moov atom not found; \
             Invalid data found when processing input"
        )
    );
    let read = collect(world.files.read(&file, None).await.unwrap()).await;
    assert_eq!(read, bytes);
    assert_eq!(
        world.catalog.job_counts().await.unwrap(),
        [("dead".to_owned(), 1)]
    );
    let told = "SELECT count(*) FROM jobs WHERE last_error LIKE '%moov atom not found%'";
    assert_eq!(world.count(told).await, 1);
    world.files.delete(&caller("ana"), file.id).await.unwrap();
    assert_eq!(world.catalog.job_counts().await.unwrap(), []);
}

async fn a_large_copy_goes_in_parts(world: Arc<World>) {
    let codecs = [
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-qp",
        "8",
        "-pix_fmt",
        "yuv420p",
    ];
    let noise = lavfi("testsrc2=size=640x480:rate=25:duration=2,noise=alls=40:allf=t");
    let bytes = make("large.mp4", &[&noise[..], &codecs].concat());
    assert!(bytes.len() > 17 << 20, "{} bytes", bytes.len());
    let file = world.worked_on("large.mp4", "video/mp4", bytes).await;
    assert_eq!(file.status, FileStatus::Ready);
    let (_, copy) = world.output(&file, "faststart.mp4").await.unwrap();
    assert!(copy.len() > 17 << 20 && !starts_late(&copy));
    assert_eq!(world.uploads("acme/").await, []);
}

/// How many pictures ffmpeg decodes of the first variant of a playlist, and how many tracks of sound
/// it finds.
pub(crate) fn decoded(folder: &Path, playlist: &str) -> (usize, usize) {
    let output = Command::new("ffprobe")
        .current_dir(folder)
        .args(["-v", "error", "-of", "csv=p=0", "-count_frames"])
        .args([
            "-show_entries",
            "stream=index,codec_type,nb_read_frames",
            playlist,
        ])
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaint.is_empty(),
        "{complaint}"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    // Each stream is told once by itself and once for each variant that it is in.
    let streams: BTreeSet<Vec<&str>> = text
        .lines()
        .map(|line| line.split(',').collect())
        .filter(|stream: &Vec<_>| stream.len() == 3)
        .collect();
    let of = |kind| streams.iter().filter(move |stream| stream[1] == kind);
    (
        of("video").next().unwrap()[2].parse().unwrap(),
        of("audio").count(),
    )
}

/// The sizes of a video's compressed pictures, in order.
fn packets(bytes: &[u8]) -> Vec<u64> {
    sizes(bytes, "v")
}

/// The sizes of a track's compressed pieces, in order: `v` for pictures, `a` for sound.
fn sizes(bytes: &[u8], kind: &str) -> Vec<u64> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    std::fs::write(&path, bytes).unwrap();
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "csv=p=0", "-select_streams", kind])
        .args(["-show_entries", "packet=size"])
        .arg(Path::new(&path))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| line.trim_end_matches(','))
        .filter(|line| !line.is_empty())
        .map(|line| line.parse().unwrap())
        .collect()
}

/// The durations of a rendition's segments.
fn segments(folder: &Path, rendition: &str) -> Vec<f64> {
    let playlist = folder.join("hls").join(rendition).join("index.m3u8");
    let playlist = std::fs::read_to_string(playlist).unwrap();
    let durations = playlist
        .lines()
        .filter_map(|line| line.strip_prefix("#EXTINF:"));
    durations
        .map(|duration| duration.trim_end_matches(',').parse().unwrap())
        .collect()
}

async fn what_browsers_do_not_play_is_encoded(world: Arc<World>) {
    let picture = lavfi("testsrc2=size=854x480:rate=25:duration=10");
    let sound = lavfi("sine=frequency=440:duration=10");
    let codecs = [
        "-c:v",
        "libvpx",
        "-b:v",
        "500k",
        "-deadline",
        "realtime",
        "-c:a",
        "libvorbis",
    ];
    let tracks = [
        "-map",
        "0",
        "-map",
        "1",
        "-map",
        "1",
        "-metadata:s:a:1",
        "language=deu",
    ];
    let bytes = make("x.webm", &[&picture[..], &sound, &tracks, &codecs].concat());
    let file = world.worked_on("film.webm", "video/webm", bytes).await;
    assert_eq!((file.status, &file.reason), (FileStatus::Ready, &None));
    let folder = world.downloaded(&file).await;
    let master = std::fs::read_to_string(folder.path().join("hls/master.m3u8")).unwrap();
    for line in [
        "RESOLUTION=854x480,FRAME-RATE=25.000,CODECS=\"avc1.64",
        "RESOLUTION=640x360,FRAME-RATE=25.000,CODECS=\"avc1.64",
        "NAME=\"2: deu\",LANGUAGE=\"deu\",DEFAULT=NO",
    ] {
        assert!(master.contains(line), "{line} is not in {master}");
    }
    // Whoever changes from one rung to another does it at the same places.
    let ends = segments(folder.path(), "480p");
    assert_eq!(ends, [4.0, 4.0, 2.0]);
    assert_eq!(segments(folder.path(), "360p"), ends);
    assert_eq!(decoded(folder.path(), "hls/master.m3u8"), (250, 2));
    assert_eq!(decoded(folder.path(), "hls/360p/index.m3u8"), (250, 0));
    let (_, copy) = world.output(&file, "faststart.mp4").await.unwrap();
    assert!(!starts_late(&copy));
    assert_eq!(probe(&copy, "stream=codec_name"), "h264\naac\naac");
    assert_eq!(packets(&copy).len(), 250);
}

async fn only_what_is_wanted_is_made(world: Arc<World>) {
    let early = [
        &PICTURE[..],
        &[
            "-c:v",
            "libx264",
            "-pix_fmt",
            "yuv420p",
            "-movflags",
            "+faststart",
        ],
    ]
    .concat();
    let early = make("early.mp4", &early);
    let with = |change: fn(&mut Wanted)| {
        let mut settings = settings(&world);
        change(&mut settings.studio.as_mut().unwrap().wanted);
        settings
    };
    let nothing = with(|wanted| {
        *wanted = Wanted {
            poster: false,
            thumbnails: false,
            faststart: true,
            hls: false,
            rungs: Vec::new(),
        };
    });
    // It starts at once already.
    let file = world
        .worked_on_with("x", "video/mp4", early.clone(), nothing)
        .await;
    assert_eq!(world.made(&file).await, [""; 0]);
    assert_eq!(file.status, FileStatus::Ready);
    let sheets = with(|wanted| (wanted.hls, wanted.poster) = (false, false));
    let file = world.worked_on_with("x", "video/mp4", early, sheets).await;
    assert_eq!(
        world.made(&file).await,
        ["thumbnails.vtt", "thumbnails/1.jpg"]
    );
}

async fn progress_is_told_while_it_lasts(world: Arc<World>) {
    let picture = lavfi("testsrc2=size=1280x720:rate=30:duration=20");
    let codecs = ["-c:v", "mpeg4", "-q:v", "5"];
    let bytes = make("x.mp4", &[&picture[..], &codecs].concat());
    let file = world
        .upload("ana", named("x.mp4", "video/mp4"), bytes)
        .await;
    let worker = Worker::start(&world, settings(&world));
    let mut seen = Vec::new();
    loop {
        let metadata = world.files.metadata(&caller("ana"), file.id).await.unwrap();
        match metadata.progress {
            Some(progress) => seen.push(progress),
            None => break,
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    worker.stop().await;
    seen.dedup();
    assert!(seen.is_sorted() && seen.len() > 2, "{seen:?}");
    let metadata = world.files.metadata(&caller("ana"), file.id).await.unwrap();
    assert_eq!(metadata.file.status, FileStatus::Ready);
    assert_eq!(metadata.media.unwrap().row.duration_ms, Some(20_000));
}

async fn a_failed_video_is_worked_on_again_when_asked(world: Arc<World>) {
    let mut strict = settings(&world);
    let studio = strict.studio.as_mut().unwrap();
    let limits = Limits {
        max_duration: Duration::from_secs(1),
        ..Limits::default()
    };
    studio.tools = Tools::find(limits).unwrap();
    let file = world
        .worked_on_with("x.mp4", "video/mp4", late_mp4(), strict)
        .await;
    assert_eq!(file.status, FileStatus::Failed);
    let told = file.reason.as_deref().unwrap();
    assert_eq!(
        told,
        "the video is not worked on: it says that it lasts 2 s; the limit is 1 s"
    );
    let retry = |subject| {
        let (files, caller) = (world.files.clone(), caller(subject));
        async move { files.retry_video(&caller, file.id).await }
    };
    assert!(matches!(retry("bo").await, Err(FilesError::NotFound)));
    retry("ana").await.unwrap();
    assert!(matches!(retry("ana").await, Err(FilesError::NotFailed)));
    let worker = Worker::start(&world, settings(&world));
    let file = world.settled(&file).await;
    worker.stop().await;
    assert_eq!((file.status, &file.reason), (FileStatus::Ready, &None));
    assert!(matches!(retry("ana").await, Err(FilesError::NotFailed)));
}

/// A stream's sound loses its headers and no more; a picture without enough places to begin at is
/// encoded alone.
async fn what_fits_goes_on_as_it_is(world: Arc<World>) {
    let picture = lavfi("testsrc=size=320x240:rate=25:duration=24");
    let sound = lavfi("sine=frequency=440:duration=24");
    let codecs = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"];
    for (every, name) in [("50", "x.ts"), ("50", "x.mp4"), ("600", "x.mp4")] {
        let keys = ["-g", every, "-keyint_min", every, "-sc_threshold", "0"];
        let bytes = make(name, &[&picture[..], &sound, &codecs, &keys].concat());
        let file = world.worked_on(name, "video/mp4", bytes.clone()).await;
        assert_eq!((file.status, &file.reason), (FileStatus::Ready, &None));
        let folder = world.downloaded(&file).await;
        let of = |name: &str, kind| sizes(&std::fs::read(folder.path().join(name)).unwrap(), kind);
        let copied = of("hls/240p/media.mp4", "v") == sizes(&bytes, "v");
        assert_eq!(copied, every == "50" && name == "x.mp4", "{name}, {every}");
        assert!(
            segments(folder.path(), "240p").len() >= 6,
            "{name}, {every}"
        );
        // Each piece's header is 7 bytes long.
        let headers = if name == "x.ts" { 7 } else { 0 };
        let pieces = sizes(&bytes, "a")
            .iter()
            .map(|piece| piece - headers)
            .collect::<Vec<_>>();
        assert_eq!(of("hls/audio-1/media.mp4", "a"), pieces, "{name}, {every}");
        assert_eq!(of("faststart.mp4", "a"), pieces, "{name}, {every}");
    }
}

async fn sound_in_a_video_container_is_fine(world: Arc<World>) {
    let bytes = make("sound.mp4", &[&SOUND[..], &["-c:a", "aac"]].concat());
    let file = world.worked_on("sound.mp4", "video/mp4", bytes).await;
    assert_eq!(file.status, FileStatus::Ready);
    let media = world.catalog.media(file.id).await.unwrap().unwrap();
    assert_eq!(media.video_codec, None);
    assert_eq!(world.output(&file, "poster.jpg").await, None);
    assert_eq!(media.audio_codec.as_deref(), Some("aac"));
}
