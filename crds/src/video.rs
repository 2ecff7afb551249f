//! What is made of videos, and by whom.

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is made of videos, and by whom.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!('hls' in self.outputs) || self.rungs.size() > 0")
    .message("spec.video.rungs: HLS needs a rung at least; write one such as 720, or take hls out of outputs"))]
pub struct VideoSpec {
    /// Whether videos are worked on at all. With `false` they are stored and served as they came, and
    /// there are no worker pods. Default: `true`.
    #[serde(default = "default_enabled")]
    pub enabled: bool,

    /// What is made of a video; with an empty list it is only looked into. Default: all of it.
    #[serde(default = "default_outputs")]
    #[schemars(length(max = 4))]
    pub outputs: Vec<VideoOutput>,

    /// The rungs of the HLS ladder, by the shorter side in pixels; none is larger than the source.
    /// Default: 1080, 720, 480 and 360.
    #[serde(default = "default_rungs")]
    #[schemars(length(max = 16), inner(range(min = 100, max = 4320)))]
    pub rungs: Vec<i32>,

    /// The longest video that is worked on, in seconds. Default: 43200, twelve hours.
    #[serde(default = "default_max_duration_seconds")]
    #[schemars(range(min = 1, max = 604_800))]
    pub max_duration_seconds: i32,

    /// The largest picture that is worked on, in pixels. Default: 35389440, which is 8192 x 4320.
    #[serde(default = "default_max_pixels")]
    #[schemars(range(min = 1, max = 268_435_456))]
    pub max_pixels: i32,

    /// How long one run of ffmpeg may take, in seconds. Default: 14400, four hours.
    #[serde(default = "default_timeout_seconds")]
    #[schemars(range(min = 1, max = 604_800))]
    pub timeout_seconds: i32,

    /// After how many tries a video is given up. Default: 5.
    #[serde(default = "default_max_attempts")]
    #[schemars(range(min = 1, max = 100))]
    pub max_attempts: i32,

    /// ffmpeg's names of the decoders that may be used. Default: those of common cameras and tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 256),
        inner(length(max = 64), regex(pattern = "^[a-z0-9_]+$"))
    )]
    pub codecs: Option<Vec<String>>,

    /// The pods that do it. With SQLite the gateway's one pod works on videos itself.
    #[serde(default)]
    pub worker: WorkerSpec,
}

impl Default for VideoSpec {
    fn default() -> Self {
        Self {
            enabled: default_enabled(),
            outputs: default_outputs(),
            rungs: default_rungs(),
            max_duration_seconds: default_max_duration_seconds(),
            max_pixels: default_max_pixels(),
            timeout_seconds: default_timeout_seconds(),
            max_attempts: default_max_attempts(),
            codecs: None,
            worker: WorkerSpec::default(),
        }
    }
}

fn default_enabled() -> bool {
    true
}

/// Something that is made of a video.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VideoOutput {
    /// A picture for before it plays.
    Poster,
    /// Small pictures for the time line.
    Thumbnails,
    /// An MP4 that starts before it is all there.
    Faststart,
    /// An HLS ladder.
    Hls,
}

fn default_outputs() -> Vec<VideoOutput> {
    vec![
        VideoOutput::Poster,
        VideoOutput::Thumbnails,
        VideoOutput::Faststart,
        VideoOutput::Hls,
    ]
}

fn default_rungs() -> Vec<i32> {
    vec![1080, 720, 480, 360]
}

fn default_max_duration_seconds() -> i32 {
    12 * 60 * 60
}

fn default_max_pixels() -> i32 {
    8192 * 4320
}

fn default_timeout_seconds() -> i32 {
    4 * 60 * 60
}

fn default_max_attempts() -> i32 {
    5
}

/// The pods that work on videos.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct WorkerSpec {
    /// Worker pods. Default: 1.
    #[serde(default = "default_replicas")]
    #[schemars(range(min = 1, max = 1000))]
    pub replicas: i32,

    /// Videos at once in each worker. Default: 1.
    #[serde(default = "default_concurrency")]
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: i32,

    /// Threads with which each video is decoded and encoded. Default: the processors, 8 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub threads: Option<i32>,

    /// Address space of one run of ffmpeg, which is more than the memory that it fills. Default:
    /// `4Gi`.
    #[serde(default = "default_ffmpeg_memory")]
    #[x_kube(validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('256Mi')) >= 0 && quantity(string(self)).compareTo(quantity('1Ti')) <= 0")
        .message("spec.video.worker.ffmpegMemory: write a size such as 4Gi, 256Mi at least and 1Ti at most"))]
    pub ffmpeg_memory: Quantity,

    /// Compute resources of each worker pod. Default: 50m CPU and 64Mi memory requested, 4Gi memory
    /// at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("!has(self.claims)")
        .message("spec.video.worker.resources.claims: workers use no devices; leave claims out"))]
    #[x_kube(validation = Rule::new("!has(self.requests) || !has(self.limits) || ['cpu', 'memory', 'ephemeral-storage'].all(r, !(r in self.requests) || !(r in self.limits) || !isQuantity(string(self.requests[r])) || !isQuantity(string(self.limits[r])) || quantity(string(self.requests[r])).compareTo(quantity(string(self.limits[r]))) <= 0)")
        .message("spec.video.worker.resources.requests: more is requested than limits allow, and no pod could be made; request less, or raise spec.video.worker.resources.limits"))]
    pub resources: Option<ResourceRequirements>,

    /// How much the temporary files of one video may take up on the node's own disk: a copy of it,
    /// and what is made of it; a video may be half as large. Default: three times
    /// `spec.uploads.maxFileSize`, `64Gi` at most. Example: `20Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('1Pi')) <= 0")
        .message("spec.video.worker.scratchSize: write a size such as 20Gi, 1Mi at least and 1Pi at most"))]
    pub scratch_size: Option<Quantity>,
}

impl Default for WorkerSpec {
    fn default() -> Self {
        Self {
            replicas: default_replicas(),
            concurrency: default_concurrency(),
            threads: None,
            ffmpeg_memory: default_ffmpeg_memory(),
            resources: None,
            scratch_size: None,
        }
    }
}

fn default_replicas() -> i32 {
    1
}

fn default_concurrency() -> i32 {
    1
}

fn default_ffmpeg_memory() -> Quantity {
    Quantity("4Gi".into())
}
