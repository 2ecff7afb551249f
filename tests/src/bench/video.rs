//! What becomes of a film, beside the same made by ffmpeg alone.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::error::IoContext;
use crate::journey::Gateway;
use crate::journey::client::Client;
use crate::journey::samples::Sample;
use crate::{Error, Result, command};

/// How often everything is measured.
const ROUNDS: usize = 3;
/// How often a film is looked at until it is ready, and processes for their memory.
const LOOK: Duration = Duration::from_millis(50);
/// How long the film is, in seconds.
const SECONDS: &str = "60";

/// How long something took, and the most resident memory of ffmpeg and of the gateway, in MiB.
#[derive(Debug, Clone, Copy, Default)]
struct Figure {
    seconds: f64,
    ffmpeg: f64,
    gateway: f64,
}

/// Measures, by turns, and prints Markdown.
///
/// # Errors
/// ffmpeg or the gateway can't be run, or the film does not get ready.
pub async fn run() -> Result<()> {
    let folder = tempfile::tempdir().at("create a folder in", std::env::temp_dir())?;
    let film = film(folder.path())?;
    let mut gateway = start(folder.path())?;
    let outcome = measure(folder.path(), &film, &mut gateway).await;
    gateway.0.kill().at("end", "the gateway")?;
    gateway.0.wait().at("end", "the gateway")?;
    let (bare, whole) = outcome?;
    let ratios: Vec<f64> = whole
        .iter()
        .zip(&bare)
        .map(|(a, b)| a.seconds / b.seconds)
        .collect();
    println!("\n### A film of {SECONDS} s in 1080p, from its upload's answer until it is ready\n");
    println!("| | s | from – to | ÷ ffmpeg alone | ffmpeg's peak MiB | gateway's peak MiB |");
    println!("| --- | --: | --: | --: | --: | --: |");
    row("ffmpeg alone", &bare, 1.0);
    row("gateway", &whole, median(&ratios));
    Ok(())
}

fn row(name: &str, figures: &[Figure], ratio: f64) {
    let of = |part: fn(&Figure) -> f64| figures.iter().map(part).collect::<Vec<f64>>();
    let seconds = of(|figure| figure.seconds);
    let least = seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let most = seconds.iter().copied().fold(0.0, f64::max);
    println!(
        "| {name} | {:.1} | {least:.1} – {most:.1} | {ratio:.2} | {:.0} | {:.0} |",
        median(&seconds),
        median(&of(|figure| figure.ffmpeg)),
        median(&of(|figure| figure.gateway)),
    );
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

async fn measure(
    folder: &Path,
    film: &Sample,
    gateway: &mut (Child, Gateway),
) -> Result<(Vec<Figure>, Vec<Figure>)> {
    let client = Client::new(&gateway.1.url, &gateway.1.tokens.member)?;
    let (mut bare, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(alone(folder, &film.path)?);
        whole.push(worked_on(&client, film, gateway.0.id()).await?);
    }
    Ok((bare, whole))
}

/// From the answer of the film's upload until the film is ready.
async fn worked_on(client: &Client, film: &Sample, pid: u32) -> Result<Figure> {
    let uploaded = client.upload(&[film]).await?.remove(0);
    let (started, mut figure) = (Instant::now(), Figure::default());
    loop {
        for child in children(pid)? {
            figure.ffmpeg = figure.ffmpeg.max(peak(child));
        }
        let metadata = client.metadata(&uploaded.id).await?;
        match metadata["status"].as_str() {
            Some("ready") => break,
            Some("processing") => tokio::time::sleep(LOOK).await,
            _ => {
                return Err(Error::Unexpected(format!(
                    "the film did not get ready: {metadata}"
                )));
            }
        }
    }
    figure.seconds = started.elapsed().as_secs_f64();
    figure.gateway = peak(pid);
    client.delete(&uploaded.id).await?;
    Ok(figure)
}

/// The same outputs, each call as a person who knows ffmpeg would make it.
fn alone(folder: &Path, film: &Path) -> Result<Figure> {
    let folder = folder.join("alone");
    for below in ["1080p", "720p", "480p", "360p", "audio", "small"] {
        let below = folder.join(below);
        fs::create_dir_all(&below).at("create", &below)?;
    }
    let film = film.display().to_string();
    let (started, mut figure) = (Instant::now(), Figure::default());
    let hls = |name: &str| {
        format!(
            "-f hls -hls_time 4 -hls_playlist_type vod -hls_segment_type fmp4 \
             -hls_flags single_file+independent_segments \
             -hls_segment_filename {name}/media.mp4 {name}/index.m3u8"
        )
    };
    let rung = |map: &str, name: &str, rate: u32| {
        format!(
            "-map [{map}] -c:v libx264 -preset veryfast -profile:v high -crf 23 -maxrate {rate}k \
             -bufsize {}k -g 100000 -sc_threshold 0 -force_key_frames source {}",
            rate * 2,
            hls(name)
        )
    };
    let poster = format!(
        "-ss 3 -i {film} -filter_complex [0:v]thumbnail=50,scale=1280:-2,split=2[a][b] \
         -map [a] -q:v 4 -frames:v 1 -update 1 poster.jpg \
         -map [b] -q:v 80 -frames:v 1 -update 1 poster.webp"
    );
    let copies = format!(
        "-i {film} -map 0:v -map 0:a -c copy -movflags +faststart faststart.mp4 \
         -map 0:v -c copy {} -map 0:a -c copy {}",
        hls("1080p"),
        hls("audio")
    );
    let rungs = format!(
        "-i {film} -filter_complex [0:v]scale=1280:720,split=2[a][x];[x]scale=852:480,split=2[b][y];\
         [y]scale=640:360,split=2[c][z];[z]fps=1,scale=160:90[d] {} {} {} \
         -map [d] -fps_mode passthrough small/%d.png",
        rung("a", "720p", 3200),
        rung("b", "480p", 1600),
        rung("c", "360p", 900)
    );
    let sheet = "-i small/%d.png -vf tile=10x6 -q:v 5 sheet.jpg".to_owned();
    for call in [poster, copies, rungs, sheet] {
        let mut child = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y"])
            .args(call.split_whitespace())
            .current_dir(&folder)
            .spawn()
            .at("start", "ffmpeg")?;
        let status = loop {
            if let Some(status) = child.try_wait().at("wait for", "ffmpeg")? {
                break status;
            }
            figure.ffmpeg = figure.ffmpeg.max(peak(child.id()));
            std::thread::sleep(LOOK / 5);
        };
        if !status.success() {
            return Err(Error::Unexpected(format!("ffmpeg failed: {call}")));
        }
    }
    figure.seconds = started.elapsed().as_secs_f64();
    fs::remove_dir_all(&folder).at("remove", &folder)?;
    Ok(figure)
}

/// 1080p as cameras make it: H.264 and AAC, a key frame every two seconds, the index at the end.
fn film(folder: &Path) -> Result<Sample> {
    let path = folder.join("film.mp4");
    let picture = "testsrc2=size=1920x1080:rate=30,noise=alls=8:allf=t";
    command::run(
        Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", picture])
            .args(["-f", "lavfi", "-i", "sine=frequency=440", "-t", SECONDS])
            .args([
                "-c:v",
                "libx264",
                "-preset",
                "ultrafast",
                "-pix_fmt",
                "yuv420p",
            ])
            .args(["-b:v", "8M", "-maxrate", "8M", "-bufsize", "8M", "-g", "60"])
            .args(["-c:a", "aac", "-b:a", "128k"])
            .arg(&path),
    )?;
    Sample::of(path, "video/mp4")
}

/// `gateway dev`, which works on one film at a time.
fn start(folder: &Path) -> Result<(Child, Gateway)> {
    let program = std::env::current_exe().at("find", "this program")?;
    let program: PathBuf = program.with_file_name("gateway");
    let mut child = Command::new(&program)
        .args(["dev", "--listen", "127.0.0.1:0", "--json", "--data"])
        .arg(folder.join("data"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .at("start", &program)?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout)
            .read_line(&mut line)
            .at("read from", &program)?;
    }
    let announced: Value = serde_json::from_str(&line)
        .map_err(|_| Error::Unexpected("gateway dev announced nothing".into()))?;
    let gateway = serde_json::from_value(announced["gateways"][0].clone())
        .map_err(|error| Error::Unexpected(format!("gateway dev announced no gateway: {error}")))?;
    Ok((child, gateway))
}

/// The processes whose parent this is.
fn children(parent: u32) -> Result<Vec<u32>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc").at("read", "/proc")? {
        let name = entry.at("read", "/proc")?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The second field after the name in brackets (proc(5)).
        let found = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.split(' ').nth(1));
        if found.and_then(|found| found.parse().ok()) == Some(parent) {
            children.push(pid);
        }
    }
    Ok(children)
}

/// The most resident memory that a process had, in MiB; none of one that has ended.
fn peak(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kibibytes.unwrap_or(0.0) / 1024.0
}
