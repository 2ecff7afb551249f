//! Films that ffmpeg makes, a worker for them, and what ffprobe finds in what it made.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway::files::{FileRecord, FileStatus, Studio};
use gateway::media::{Limits, Tools, Wanted};
use gateway::worker::{self, Settings};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{caller, named, sha256};
use crate::world::World;

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

pub(crate) const PICTURE: [&str; 4] = lavfi("testsrc=size=320x240:rate=25:duration=2");
pub(crate) const SOUND: [&str; 4] = lavfi("sine=frequency=440:duration=2");

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

pub(crate) fn starts_late(bytes: &[u8]) -> bool {
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
pub(crate) fn packets(bytes: &[u8]) -> Vec<u64> {
    sizes(bytes, "v")
}

/// The sizes of a track's compressed pieces, in order: `v` for pictures, `a` for sound.
pub(crate) fn sizes(bytes: &[u8], kind: &str) -> Vec<u64> {
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
pub(crate) fn segments(folder: &Path, rendition: &str) -> Vec<f64> {
    let playlist = folder.join("hls").join(rendition).join("index.m3u8");
    let playlist = std::fs::read_to_string(playlist).unwrap();
    let durations = playlist
        .lines()
        .filter_map(|line| line.strip_prefix("#EXTINF:"));
    durations
        .map(|duration| duration.trim_end_matches(',').parse().unwrap())
        .collect()
}
