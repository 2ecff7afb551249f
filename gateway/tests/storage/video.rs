//! From an upload to what was made of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway::files::{FileStatus, FilesError};
use gateway::media::{Limits, Tools, Wanted};

use crate::films::{
    PICTURE, SOUND, Worker, decoded, late_mp4, lavfi, make, packets, probe, segments, settings,
    sizes, starts_late,
};
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
