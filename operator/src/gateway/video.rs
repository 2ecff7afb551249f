//! From what a spec says of videos to the workers' pods and variables. Pure.

use crds::{FileGatewaySpec, VideoOutput};
use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::settings::{Settings, bytes, max_file_bytes};

/// What is done with videos.
#[derive(Clone, Debug, PartialEq)]
pub struct VideoPlan {
    /// Whether they are worked on at all.
    pub enabled: bool,
    /// Worker pods, where there are any.
    pub replicas: i32,
    /// Their resources, if the spec says any.
    pub resources: Option<ResourceRequirements>,
    /// How large the folder of temporary files may grow.
    pub scratch_size: Quantity,
}

/// A copy of the largest video, one that starts at once, and as much again for all else.
const SCRATCH_COPIES: u64 = 3;
/// The most that one video gets unless the spec says more; the gateway's own default.
const USUAL_SCRATCH: u64 = 64 << 30;
/// The least that a gateway takes.
const LEAST_SCRATCH: u64 = 1 << 20;
/// What the folder may hold beyond the videos' own: a worker ends a video that grows too large
/// itself, before the kubelet ends the worker.
const SPARE: u64 = 256 << 20;

/// The plan; the variables go into `set`. Or what is wrong with the spec and what to write instead.
pub fn video(spec: &FileGatewaySpec, set: &mut Settings) -> Result<VideoPlan, String> {
    let (video, worker) = (&spec.video, &spec.video.worker);
    let scratch = match &worker.scratch_size {
        None => max_file_bytes(spec)?
            .saturating_mul(SCRATCH_COPIES)
            .clamp(LEAST_SCRATCH, USUAL_SCRATCH),
        Some(size) => bytes("spec.video.worker.scratchSize", size)?,
    };
    let ffmpeg_memory = bytes("spec.video.worker.ffmpegMemory", &worker.ffmpeg_memory)?;
    let concurrency = u64::try_from(worker.concurrency).unwrap_or(1);
    set.extend([
        ("FILEGATEWAY_VIDEO_OUTPUTS", outputs(&video.outputs)),
        (
            "FILEGATEWAY_VIDEO_MAX_DURATION_SECONDS",
            video.max_duration_seconds.to_string(),
        ),
        ("FILEGATEWAY_VIDEO_MAX_PIXELS", video.max_pixels.to_string()),
        (
            "FILEGATEWAY_VIDEO_TIMEOUT_SECONDS",
            video.timeout_seconds.to_string(),
        ),
        (
            "FILEGATEWAY_VIDEO_MAX_ATTEMPTS",
            video.max_attempts.to_string(),
        ),
        ("FILEGATEWAY_VIDEO_CONCURRENCY", concurrency.to_string()),
        ("FILEGATEWAY_VIDEO_MEMORY_BYTES", ffmpeg_memory.to_string()),
        ("FILEGATEWAY_VIDEO_SCRATCH_BYTES", scratch.to_string()),
    ]);
    let rungs: Vec<_> = video.rungs.iter().map(ToString::to_string).collect();
    if !rungs.is_empty() {
        set.insert("FILEGATEWAY_VIDEO_RUNGS", rungs.join(","));
    }
    if let Some(codecs) = &video.codecs {
        set.insert("FILEGATEWAY_VIDEO_CODECS", codecs.join(","));
    }
    if let Some(threads) = worker.threads {
        set.insert("FILEGATEWAY_VIDEO_THREADS", threads.to_string());
    }
    let folder = scratch.saturating_mul(concurrency).saturating_add(SPARE);
    Ok(VideoPlan {
        enabled: video.enabled,
        replicas: worker.replicas,
        resources: worker.resources.clone(),
        scratch_size: Quantity(folder.to_string()),
    })
}

fn outputs(outputs: &[VideoOutput]) -> String {
    let names: Vec<_> = outputs
        .iter()
        .map(|output| match output {
            VideoOutput::Poster => "poster",
            VideoOutput::Thumbnails => "thumbnails",
            VideoOutput::Faststart => "faststart",
            VideoOutput::Hls => "hls",
        })
        .collect();
    // An empty variable would count as not set.
    if names.is_empty() {
        "none".into()
    } else {
        names.join(",")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn planned(changes: &Value) -> Result<(VideoPlan, Settings), String> {
        let mut spec = json!({"organization": "acme", "auth": {"issuer": "i", "audience": "a"}});
        for (key, value) in changes.as_object().unwrap() {
            spec[key] = value.clone();
        }
        let mut set = Settings::new();
        video(&serde_json::from_value(spec).unwrap(), &mut set).map(|plan| (plan, set))
    }

    #[test]
    fn the_folder_holds_what_all_videos_at_work_may_take() {
        let sizes = |changes: Value| {
            let (plan, set) = planned(&changes).unwrap();
            let one: u64 = set["FILEGATEWAY_VIDEO_SCRATCH_BYTES"].parse().unwrap();
            let all: u64 = plan.scratch_size.0.parse().unwrap();
            (one >> 20, all >> 20)
        };
        assert_eq!(sizes(json!({})), (15 << 10, (15 << 10) + 256));
        let large = json!({"uploads": {"maxFileSize": "1Ti"}});
        assert_eq!(sizes(large), (64 << 10, (64 << 10) + 256));
        let two = json!({"video": {"worker": {"scratchSize": "1Gi", "concurrency": 2}}});
        assert_eq!(sizes(two), (1024, 2048 + 256));
    }

    #[test]
    fn every_variable_is_documented() {
        let everything = json!({"video": {"codecs": ["h264"], "worker": {"threads": 2}}});
        let documented = include_str!("../../../docs/configuration.md");
        let (_, set) = planned(&everything).unwrap();
        for variable in set.keys() {
            assert!(
                documented.contains(&format!("| `{variable}` |")),
                "{variable}"
            );
        }
        assert_eq!(
            set["FILEGATEWAY_VIDEO_OUTPUTS"],
            "poster,thumbnails,faststart,hls"
        );
        let (_, set) = planned(&json!({"video": {"outputs": []}})).unwrap();
        assert_eq!(set["FILEGATEWAY_VIDEO_OUTPUTS"], "none");
    }
}
