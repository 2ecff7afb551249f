//! Uploading: row `uploading`, then the bytes, then the row `ready`; all files of a request or none.
//!
//! A request's future may be dropped at any point, so each step that leaves something behind (a
//! row, an object, an upload in parts) is a task of its own, listed in the [`ledger`] before it
//! starts. Undoing waits for those tasks and then walks the list. What even that can't finish, because
//! the process died or the database is away, the janitor does: the rows tell it all it needs.

mod batch;
mod budget;
mod digest;
mod heartbeat;
mod intake;
mod ledger;
mod parts;
mod repeat;
mod shares;
mod slots;

pub use batch::UploadBatch;
pub use intake::BodyError;
pub use repeat::{Earlier, Fingerprint, KeyHold, Repeat};

pub(super) use budget::{Budget, Grant};
pub(super) use digest::Digest;
pub(super) use intake::{FIRST_BUFFER_BYTES, Intake, part_bytes, part_size};
pub(super) use parts::{Sender, send_parts};
pub(super) use slots::Slots;
