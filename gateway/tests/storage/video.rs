//! Real videos, made by ffmpeg, and things that only look like one.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway::files::{FileRecord, FileStatus};
use gateway::media::{Limits, Tools};
use gateway::worker::{self, Settings};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{caller, collect, named, pattern, sha256};
use crate::world::{World, everywhere, on_both_databases};

everywhere!(a_video_is_worked_on, garbage_fails_and_stays_readable);

on_both_databases!(
    a_large_copy_goes_in_parts,
    other_containers_are_only_looked_at,
    sound_in_a_video_container_is_fine,
    a_playlist_reads_no_other_file,
);

/// Runs ffmpeg's own sources through its own encoders into `name`.
fn make(name: &str, arguments: &[&str]) -> Bytes {
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

const PICTURE: [&str; 4] = [
    "-f",
    "lavfi",
    "-i",
    "testsrc=size=320x240:rate=25:duration=2",
];
const SOUND: [&str; 4] = ["-f", "lavfi", "-i", "sine=frequency=440:duration=2"];

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
        scratch: world.folder(),
        tools: Tools::find(Limits::default()),
        ..Settings::default()
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
    async fn output(&self, file: &FileRecord, name: &str) -> Option<(String, Vec<u8>)> {
        let row = self.catalog.output(file.id, name).await.unwrap()?;
        let (content_type, bytes) = self.get(&row.location).await;
        assert_eq!(content_type, row.content_type);
        assert_eq!(bytes.len() as u64, row.size);
        assert_eq!(sha256(&bytes).to_vec(), row.sha256);
        Some((content_type, bytes))
    }

    /// Uploads a file and has it worked on.
    async fn worked_on(&self, name: &str, declared: &str, bytes: Bytes) -> FileRecord {
        let file = self.upload("ana", named(name, declared), bytes).await;
        assert_eq!(file.status, FileStatus::Processing);
        let worker = Worker::start(self, settings(self));
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
}

fn starts_late(bytes: &[u8]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    std::fs::write(&path, bytes).unwrap();
    gateway::media::starts_late(&path).unwrap()
}

/// What an independent look by ffprobe says of a stream.
fn probe(bytes: &[u8], entries: &str) -> String {
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
    let objects = world.objects().await;
    assert_eq!(objects.len(), 3, "{objects:?}");
    assert_eq!((file.status, &file.reason), (FileStatus::Ready, &None));
    assert_eq!(file.content_type, "video/mp4");
    assert_eq!(file.sha256, sha256(&bytes));

    let media = world.catalog.media(file.id).await.unwrap().unwrap();
    assert_eq!((media.width, media.height), (Some(320), Some(240)));
    assert_eq!(media.video_codec.as_deref(), Some("h264"));
    assert_eq!(media.audio_codec.as_deref(), Some("aac"));
    let duration = media.duration_ms.unwrap();
    assert!((1900..2200).contains(&duration), "{duration}");

    let (content_type, poster) = world.output(&file, "poster.jpg").await.unwrap();
    assert_eq!(content_type, "image/jpeg");
    assert_eq!(
        probe(&poster, "stream=codec_name,width,height"),
        "mjpeg,320,240"
    );

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
        Some("the file can't be read as a video")
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
    let noise = [
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=640x480:rate=25:duration=2,noise=alls=40:allf=t",
    ];
    let bytes = make("large.mp4", &[&noise[..], &codecs].concat());
    assert!(bytes.len() > 17 << 20, "{} bytes", bytes.len());
    let file = world.worked_on("large.mp4", "video/mp4", bytes).await;
    assert_eq!(file.status, FileStatus::Ready);
    let (_, copy) = world.output(&file, "faststart.mp4").await.unwrap();
    assert!(copy.len() > 17 << 20 && !starts_late(&copy));
    assert_eq!(world.uploads("acme/").await, []);
}

async fn other_containers_are_only_looked_at(world: Arc<World>) {
    let early = [
        &PICTURE[..],
        &["-c:v", "libx264", "-movflags", "+faststart"],
    ]
    .concat();
    let early = make("early.mp4", &early);
    let webm = make(
        "x.webm",
        &[&PICTURE[..], &["-c:v", "libvpx", "-b:v", "200k"]].concat(),
    );
    for (bytes, content_type, codec) in [(early, "video/mp4", "h264"), (webm, "video/webm", "vp8")]
    {
        let file = world.worked_on("x", content_type, bytes).await;
        assert_eq!(
            (file.status, file.content_type.as_str()),
            (FileStatus::Ready, content_type)
        );
        let media = world.catalog.media(file.id).await.unwrap().unwrap();
        assert_eq!(media.video_codec.as_deref(), Some(codec));
        assert!(world.output(&file, "poster.jpg").await.is_some());
        assert_eq!(world.output(&file, "faststart.mp4").await, None);
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

/// A file that is sniffed as a video and read as a playlist would have ffmpeg open what it names.
async fn a_playlist_reads_no_other_file(world: Arc<World>) {
    let mut bytes = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41".to_vec();
    bytes.extend_from_slice(
        b"\n#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/hostname\n",
    );
    let file = world.worked_on("x.m3u8", "video/mp4", bytes.into()).await;
    assert_eq!(file.status, FileStatus::Failed);
    let tools = Tools::find(Limits::default()).unwrap();
    let playlist =
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n";
    std::fs::write(world.folder().join("source.m3u8"), playlist).unwrap();
    let error = tools
        .probe(&world.folder(), "source.m3u8")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("not on whitelist"), "{error}");
}
