//! The service layer: every rule about files lives here, and none about HTTP.

mod convert;
mod delete;
mod disposition;
mod error;
mod janitor;
mod media_type;
mod model;
mod name;
mod read;
mod readiness;
mod resumable;
mod service;
mod tokens;
mod type_rules;
mod upload;
mod video;

pub use disposition::{content_disposition, is_shown};
pub use error::FilesError;
pub use janitor::{Swept, Tally};
pub use model::{ByteRange, FileId, FileRecord, FileStatus, NewFile};
pub use readiness::Readiness;
pub use resumable::{Algorithm, Checksum, NewUpload, Piece, ResumableUpload};
pub use service::{Files, Settings};
pub use tokens::Opened;
pub use type_rules::{NoTypePattern, TypePattern, TypeRule, TypeRules};
pub use upload::{BodyError, Earlier, Fingerprint, KeyHold, Repeat, UploadBatch};
pub use video::{Made, Media, Metadata, Standing, Studio, VideoError, clear_scratch};

pub use crate::catalog::{EventType, EventTypes, Quota, QuotaExceeded, QuotaKind};
pub use crate::media::{
    AudioTrack, Limits as VideoLimits, MASTER, POSTER_JPEG, POSTER_WEBP, THUMBNAILS, Tools, Wanted,
};
pub use crate::store::Body;
