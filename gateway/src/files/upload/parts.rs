//! Sending a body in parts, a few at a time.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::Stream;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use traces::carried;

use super::super::FilesError;
use super::budget::Grant;
use super::heartbeat::Heartbeat;
use super::intake::{BodyError, Intake, Part};
use crate::store::{MultipartUpload, Store, StoreError, UploadedPart};

/// How many parts are on their way at once: the client fills a third meanwhile, so an upload holds
/// three parts in memory.
const IN_FLIGHT: usize = 2;

type Sending = JoinHandle<Result<UploadedPart, StoreError>>;

/// Parts on their way to one upload, in order.
///
/// Each part is a task of `tasks`. When the sender is dropped they go on, and whoever aborts the
/// upload waits for `tasks` first: S3 lets a part that arrives during the abort outlive it.
pub(in crate::files) struct Sender {
    store: Store,
    upload: MultipartUpload,
    tasks: TaskTracker,
    sending: VecDeque<Sending>,
}

impl Sender {
    pub(in crate::files) fn new(store: Store, upload: MultipartUpload, tasks: TaskTracker) -> Self {
        Self {
            store,
            upload,
            tasks,
            sending: VecDeque::with_capacity(IN_FLIGHT),
        }
    }

    /// Whether [`Sender::sent`] is to be awaited before the next part is sent.
    pub(in crate::files) fn is_full(&self) -> bool {
        self.sending.len() >= IN_FLIGHT
    }

    /// Sends a part, and lets go of its memory when the store has it.
    pub(in crate::files) fn send(&mut self, number: i32, bytes: Bytes, memory: Option<Grant>) {
        let (store, upload) = (self.store.clone(), self.upload.clone());
        let send = async move {
            let sent = store.upload_part(&upload, number, bytes).await;
            drop(memory);
            sent
        };
        self.sending.push_back(self.tasks.spawn(carried(send)));
    }

    /// Waits for the oldest part on its way; `None` when there is none. Dropped while it waits, it
    /// loses nothing.
    pub(in crate::files) async fn sent(&mut self) -> Result<Option<UploadedPart>, FilesError> {
        let Some(oldest) = self.sending.front_mut() else {
            return Ok(None);
        };
        let outcome = oldest.await;
        self.sending.pop_front();
        match outcome {
            Ok(part) => Ok(Some(part?)),
            Err(join) => Err(FilesError::Store {
                action: "store a part",
                source: join.into(),
            }),
        }
    }
}

/// Sends `first` and everything after it; gives the parts back in order.
pub(in crate::files) async fn send_parts<S>(
    store: &Store,
    upload: &MultipartUpload,
    first: Part,
    intake: &mut Intake<S>,
    tasks: &TaskTracker,
    mut heartbeat: Option<&mut Heartbeat>,
) -> Result<Vec<UploadedPart>, FilesError>
where
    S: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin,
{
    let mut sender = Sender::new(store.clone(), upload.clone(), tasks.clone());
    let mut sent = Vec::new();
    let mut part = first;
    for number in 1.. {
        if sender.is_full() {
            sent.extend(sender.sent().await?);
        }
        sender.send(number, part.bytes, part.memory);
        if part.last {
            break;
        }
        if let Some(heartbeat) = heartbeat.as_deref_mut() {
            heartbeat.beat().await?;
        }
        part = intake.next().await?;
    }
    while let Some(part) = sender.sent().await? {
        sent.push(part);
    }
    Ok(sent)
}
