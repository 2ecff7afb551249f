//! The service layer: every rule about files lives here, and none about HTTP.

mod error;
mod model;

pub use error::FilesError;
pub use model::{ByteRange, FileId, FileRecord, FileStatus, NewFile};
